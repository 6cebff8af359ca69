"""`holdfast demo`: a session that is killed with SIGKILL and goes on.

Everything that is claimed at the end has been checked; a claim that does not
hold is printed as such and the exit code is not 0.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from holdfast.adapters.sandbox.processes import marked
from holdfast.bootstrap import sandbox_facts
from holdfast.cli.client import Client
from holdfast.cli.demo_job import RELEASES, RIGHT, SESSION, lay_out, releases
from holdfast.cli.demo_worker import KEY, STORE, WORKSPACE
from holdfast.cli.exits import UNEXPECTED
from holdfast.cli.output import print_json
from holdfast.cli.sessions import log_of
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.runtime.audit import verify_store
from holdfast.runtime.manager import Core
from holdfast.runtime.stream import StreamEvent

KILL_WITHIN_S = 60.0
RESUME_WITHIN_S = 60.0
GONE_WITHIN_S = 5.0
POLL_S = 0.02
STEPS = ("bash", "read", "edit", "bash", "bash")


@dataclass(slots=True)
class Found:
    """What was seen between the kill and the end.

    Args:
        claims: (what is claimed, whether it was found to be so).
    """

    claims: list[tuple[str, bool]] = field(default_factory=list)
    version: int = 0
    head: bytes = b""
    left: set[int] | None = None

    def claim(self, text: str, holds: bool) -> None:
        """Note a claim with the outcome of its check."""
        self.claims.append((text, holds))


class Demo:
    """One showing, in a directory of its own."""

    def __init__(self, directory: Path, out: TextIO) -> None:
        self.directory = directory
        self.workspace = directory / WORKSPACE
        self.found = Found()
        self._out = out
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")
        self._chapter = 0

    def show(self) -> bool:
        """Show it; True if everything that is claimed holds."""
        facts = sandbox_facts()
        lay_out(self.workspace)
        self._head("A session begins: a scripted model works with real tools")
        self._say(f"workspace {self.workspace}; tools run under: {facts['kind']}")
        if facts["kind"] == "none":
            self._say(f"UNSANDBOXED: there is no sandbox here ({facts['reason']})")
        self._say("unsafe auto-approve is on: write, edit and bash are not asked about")
        self._begin_and_kill()
        self._head("What the log says now")
        asyncio.run(self._look())
        self._head("A new process resumes the session")
        self._resume()
        self._head("Checked afterwards")
        asyncio.run(self._check())
        self._tests_pass()
        for text, holds in self.found.claims:
            mark, style = ("✓", "32") if holds else ("✗ NOT SO:", "31")
            self._say(f"{self._paint(mark, style)} {text}")
        return all(holds for _, holds in self.found.claims)

    # --- the acts --------------------------------------------------------------------

    def _begin_and_kill(self) -> None:
        worker = self._start("begin")
        try:
            until = time.monotonic() + KILL_WITHIN_S
            while not releases(self.workspace):
                if worker.poll() is not None or time.monotonic() > until:
                    raise Unavailable("the demo's first process did not get as far as the release")
                time.sleep(POLL_S)
        finally:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
        self._head("kill -9, in the middle of the release")
        self._say(f"process {worker.pid} is dead; it could not save or clear up anything")

    def _resume(self) -> None:
        worker = self._start("resume")
        try:
            code = worker.wait(RESUME_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Unavailable("the demo's second process did not end in time") from None
        finally:
            worker.kill()
            worker.wait()
        self.found.claim("the interrupted turn was finished by another process", code == 0)

    def _start(self, mode: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-P", "-m", "holdfast.cli.demo_worker", mode, str(self.directory)]
        if self._colour:
            line.append("colour")
        self._out.flush()
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=self._out)

    async def _look(self) -> None:
        """Look at the session as the killed process left it."""
        async with self._client() as manager:
            session = await manager.get_session(SESSION)
            view = await session.view()
            row = session.where.row
            self.found.version, self.found.head = row.version, row.head
            self._say(
                f"{row.version} events, state {view.state.title}; "
                f"{len(view.open)} effect was announced and has no outcome: "
                + ", ".join(effect.name for effect in view.open)
            )
            count = releases(self.workspace)
            self._say(f"in the world: {RELEASES} has {count} line. The log cannot know that.")
            crypto = session.where.backend.journal(row).crypto
            if crypto is not None and sys.platform == "linux":
                ids = [crypto.effect_id(row.stream, *effect.ref) for effect in view.open]
                self.found.left = await _gone(ids)
                self._say(f"of its processes {len(self.found.left)} are left")

    async def _check(self) -> None:
        found = self.found
        async with self._client() as manager:
            session = await manager.get_session(SESSION)
            rows = await session.where.backend.store.read(
                session.where.stream, found.version - 1, 1
            )
            kept = bool(rows) and rows[0].hash == found.head
            found.claim(f"all {found.version} events from before the kill are still there", kept)
            self._check_log(await log_of(manager, session))
            if found.left is not None:
                found.claim("the killed process left no process behind", not found.left)
            await self._audit(manager)
            page = await manager.list_sessions()
            one = next((row for row in page.sessions if row.id == SESSION), None)
            listed = one is not None and one.state == "Active" and one.turn_count == 1
            tools = one.tool_call_count if one else 0
            found.claim(f"the session is listed: {SESSION}, Active, 1 turn, {tools} tools", listed)

    def _check_log(self, log: list[StreamEvent]) -> None:
        """Nothing was repeated, and a person was asked once."""
        found = self.found
        started: list[tuple[str, int]] = []
        asked = repeated = 0
        for event in log:
            if event.type == "tool_start":
                started.append((str(event.data["name"]), int(str(event.data["attempt"]))))
            asked += event.type == "confirmation_required"
            repeated += event.type == "restarted" and event.data["effect"] == "tool"
        once = started == [(name, 1) for name in STEPS] and not repeated
        found.claim(f"each of the {len(STEPS)} tool calls was started exactly once", once)
        found.claim("the runtime did not decide about the release by itself: it asked", asked == 1)
        count = releases(self.workspace)
        found.claim(f"the release happened once: {RELEASES} has {count} line", count == 1)

    async def _audit(self, manager: Core) -> None:
        report = await verify_store(manager, SESSION)
        self.found.claim("the log is whole: every hash and every place in the chain", report.ok)

    def _tests_pass(self) -> None:
        """Run the program's tests once more, outside of everything."""
        done = subprocess.run(
            [sys.executable, "-m", "unittest", "-q"],
            cwd=self.workspace,
            capture_output=True,
            check=False,
            timeout=KILL_WITHIN_S,
        )
        text = (self.workspace / "prices.py").read_text(encoding="utf-8")
        mended = done.returncode == 0 and text.count(RIGHT) == 1
        self.found.claim("the bug is mended: the program's tests pass", mended)

    # --- helpers ---------------------------------------------------------------------

    def _client(self) -> Client:
        return Client.open(self.directory / STORE, installation_key=self.directory / KEY)

    def _head(self, text: str) -> None:
        self._chapter += 1
        self._say("\n" + self._paint(f"{self._chapter}. {text}", "1"))

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour else text


async def _gone(effect_ids: list[str]) -> set[int]:
    """The processes of effects that are still there after a while."""

    def living() -> set[int]:
        return {pid for effect_id in effect_ids for pid in marked(effect_id)}

    return await asyncio.to_thread(_until_none, living)


def _until_none(living: Callable[[], set[int]]) -> set[int]:
    until = time.monotonic() + GONE_WITHIN_S
    while (left := living()) and time.monotonic() < until:
        time.sleep(POLL_S)
    return left


NOTICE = """
What to notice
- The kill came while a command was running. Nothing had been saved for the
  occasion: what was promised was already on disk.
- The release had no outcome in the log. Nobody could know whether it happened, so it
  was neither repeated nor taken for granted: a person was asked, and the answer is
  in the log.
- The second process knew nothing but the log. It went on in the middle of the turn."""


def show_demo(*, as_json: bool, keep: bool) -> int:
    """Show the demo; returns the exit code, 0 only if every claim holds."""
    started = time.monotonic()
    out = sys.stderr if as_json else sys.stdout
    directory = Path(tempfile.mkdtemp(prefix="holdfast-demo-")).resolve()
    demo = Demo(directory, out)
    try:
        holds = demo.show()
    except HoldfastError as error:
        raise Unavailable(f"the demo could not be shown: {error.message}") from error
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
    seconds = time.monotonic() - started
    if holds:
        print(NOTICE, file=out)
    if keep:
        print(_look_yourself(directory), file=out)
    print(f"\n{seconds:.1f} s", file=out, flush=True)
    if as_json:
        claims = [{"claim": text, "holds": good} for text, good in demo.found.claims]
        print_json({"ok": holds, "seconds": round(seconds, 1), "claims": claims})
    return 0 if holds else UNEXPECTED


def _look_yourself(directory: Path) -> str:
    options = f"--store {directory / STORE} --installation-key {directory / KEY}"
    return (
        f"\nLook at it yourself: holdfast {options} sessions show {SESSION} --events\n"
        f"It stays in {directory} until you delete it."
    )
