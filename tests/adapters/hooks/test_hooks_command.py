"""Hooks that are programs: real processes, real time limits, a scrubbed environment."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from holdfast.adapters.hooks.command import OUTPUT_BYTES_MAX, CommandHook, HookFailed
from holdfast.adapters.sandbox.processes import marked
from holdfast.core.errors import InvalidInput
from holdfast.core.hooks import HookAction, HookAnswer, HookCall, HookEvent
from holdfast.core.security import Security
from holdfast.ports.clock import SystemClock
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.hooks import Hook, Hooks
from holdfast.runtime.hookviews import NewWords
from sessionhelp import run

CALL = HookCall(
    event=HookEvent.PRE_TOOL_USE, session_id="one", data={"tool": "a\"'$(id)\n", "args": {}}
)


def program(folder: Path, body: str) -> CommandHook:
    """A hook that is a Python program."""
    path = folder / "hook.py"
    path.write_text(body)
    return CommandHook([sys.executable, "-I", str(path)])


def test_it_reads_json_and_answers_json(tmp_path: Path) -> None:
    """Hostile text in the data stays data (astrid#T-35)."""
    body = (
        "import json, sys\n"
        "call = json.load(sys.stdin)\n"
        "print(json.dumps({'action': 'modify', 'changes': {'args': {'seen': call}}}))\n"
    )
    answer = run(program(tmp_path, body)(CALL))
    assert answer is not None
    assert HookAction.MODIFY is answer.action
    said = {"event": "pre_tool_use", "session_id": "one", "data": dict(CALL.data)}
    assert (("args", {"seen": said}),) == answer.changes


def test_nothing_said_is_go_on(tmp_path: Path) -> None:
    """A program that only watches need not print."""
    assert run(program(tmp_path, "")(CALL)) is None


def test_exit_code_two_blocks(tmp_path: Path) -> None:
    """With the first line of its standard error."""
    answer = run(
        program(tmp_path, "import sys; sys.exit(print('no\\nmore', file=sys.stderr) or 2)")(CALL)
    )
    assert answer == HookAnswer(action=HookAction.BLOCK, reason="no")


@pytest.mark.parametrize(
    "body",
    [
        "raise SystemExit(1)",
        "print('no json')",
        "print('[]')",
        "print('{}')",
        'print(\'{"action": "permit"}\')',
        'print(\'{"action": "continue", "extra": 1}\')',
        'print(\'{"action": "block", "reason": 1}\')',
        'print(\'{"action": "retry", "delay_ms": true}\')',
        f"print('x' * {OUTPUT_BYTES_MAX + 1})",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_anything_else_is_a_failure(tmp_path: Path, body: str) -> None:
    """It is never taken for an answer."""
    with pytest.raises(HookFailed):
        run(program(tmp_path, body)(CALL))


def test_a_program_that_is_not_there() -> None:
    """A failure, and an empty command is refused at once."""
    with pytest.raises(HookFailed, match="cannot be run"):
        run(CommandHook(["/no/such/program"])(CALL))
    for wrong in ([], "echo hi"):
        with pytest.raises(InvalidInput):
            CommandHook(wrong)


def test_the_environment_is_scrubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of ours reaches it; what it was given does."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    path = tmp_path / "hook.py"
    path.write_text(
        "import json, os\n"
        "print(json.dumps({'action': 'block', 'reason': ' '.join(sorted(os.environ))}))\n"
    )
    answer = run(CommandHook([sys.executable, "-I", str(path)], env={"MINE": "1"})(CALL))
    assert answer is not None
    names = set(answer.reason.split())
    assert "MINE" in names
    assert names <= {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "MINE", "HOLDFAST_EFFECT"}


def test_a_program_that_does_not_read_is_no_failure(tmp_path: Path) -> None:
    """Its input may be larger than a pipe."""
    large = HookCall(event=CALL.event, session_id="one", data={"output": "x" * 1_000_000})
    assert run(program(tmp_path, "")(large)) is None


def test_when_time_is_up_all_it_started_is_killed(tmp_path: Path) -> None:
    """Also what went into a session of its own (astrid#AW-20: timeouts left it running)."""
    flag = tmp_path / "flag"
    body = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'],"
        " start_new_session=True)\n"
        f"open({str(flag)!r}, 'w').write(os.environ['HOLDFAST_EFFECT'])\n"
        "time.sleep(300)\n"
    )

    async def work() -> HookAnswer:
        hooks = Hooks(SystemClock())
        handler = program(tmp_path, body)
        hooks.everywhere.register(
            Hook(id="slow", event=CALL.event, handler=handler, timeout_ms=1500)
        )
        came = await hooks.fire(
            CALL.event, "one", CALL.data, words=NewWords(Detectors(), Security())
        )
        mark = flag.read_text()
        for _ in range(400):
            if not marked(mark):
                break
            await asyncio.sleep(0.01)
        assert set() == marked(mark)
        return came

    assert HookAction.BLOCK is run(work()).action


def test_its_folder_is_not_the_workspace(tmp_path: Path) -> None:
    """What lies in the current directory is not picked up."""
    body = "import json, os; print(json.dumps({'action': 'block', 'reason': os.getcwd()}))"
    answer = run(program(tmp_path, body)(CALL))
    assert answer is not None
    assert os.sep == answer.reason
