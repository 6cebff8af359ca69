"""The demo's runtime process: begins the job, or resumes it after the kill.

python -m holdfast.cli.demo_worker begin|resume DIRECTORY [colour]
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from holdfast.bootstrap import SessionManager, sandbox_facts
from holdfast.cli.demo_job import PROMPT, SESSION, next_turn, releases
from holdfast.cli.driver import Background, Driver
from holdfast.cli.printer import TextPrinter
from holdfast.cli.talk import MEANINGS, describe
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import Script
from holdfast.testing.scripted import ScriptedModel

STORE = "sessions.db"
KEY = "keys/installation.key"
WORKSPACE = "workspace"


def make_manager(directory: Path) -> SessionManager:
    """The manager of the demo's own store, with the scripted model."""
    return SessionManager.open(
        directory / STORE,
        llm_client=ScriptedModel(Script(itertools.repeat(next_turn))),
        installation_key=directory / KEY,
        unsandboxed=sandbox_facts()["kind"] == "none",
    )


def main(mode: str, directory: Path, *, colour: bool) -> int:
    """Run the job to its end; returns the run's exit code."""
    printer = TextPrinter(colour=colour)
    workspace = directory / WORKSPACE
    with Background() as background:
        manager = make_manager(directory)
        try:
            background.run(manager.ready())
            if mode == "begin":
                config = SessionConfig(workspace=str(workspace), unsafe_auto_approve=True)
                session = background.run(manager.create_session(SESSION, config))
            else:
                session = background.run(manager.get_session(SESSION))
            driver = Driver(
                background,
                manager,
                session,
                printer,
                ask=lambda approval: _answer(printer, approval, workspace),
                patient=False,
            )
            if mode == "begin":
                return driver.send(PROMPT)
            return driver.finish() or 0
        finally:
            background.run(manager.close())


def _answer(printer: TextPrinter, approval: Approval, workspace: Path) -> tuple[str, str]:
    """Answer as a person would: look, then decide."""
    printer.note(f"? {describe(approval)}", "warn")
    for choice in approval.choices:
        printer.note(f"    {choice}: {MEANINGS.get(choice, '')}")
    count = releases(workspace)
    decision = "happened" if count else "run_again"
    printer.note(
        f"  [the demo answers in a person's place: releases.txt has {count} line"
        f"{'' if count == 1 else 's'}, so the answer is {decision!r}]",
        "strong",
    )
    return decision, f"releases.txt has {count} line"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), colour="colour" in sys.argv[3:]))
