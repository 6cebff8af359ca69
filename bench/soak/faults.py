"""Rounds with a disk that is full, read-only or failing."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from crash_child import lines, note
from store_help import FaultyFiles
from world import KILLED, World, later

from holdfast.adapters.keys.file import FileKeys
from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.bootstrap import SessionManager
from holdfast.core.context import render
from holdfast.core.errors import HoldfastError, SessionNotFound
from holdfast.core.messages import Role
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.conversation import check_conversation
from holdfast.testing.script import Turn, call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import last_user, registry, results, texts, tool

FAILED = 1
DISK_MB = 24
TURNS = 6


def may_mount() -> bool:
    """Whether this process may make small file systems."""
    return os.geteuid() == 0 and _mount("--version")


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A file system of a few megabytes in memory."""
    place.mkdir()
    options = f"size={DISK_MB}m"
    assert _mount("-t", "tmpfs", "-o", options, "holdfast-soak", str(place)), "cannot mount"
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def full_disk(world: World) -> None:
    """The disk fills up while a process works, which may be killed as well; then there is room."""
    jobs = world.chance.randint(2, 4)
    filler = world.folder / "store" / "filler"
    with small_disk(world.folder / "store"):
        for _ in range(3):
            killed = world.chance.random() < 0.5
            end = world.chance.uniform(0.02, 0.15) if killed else None
            with later(world.chance.uniform(0.0, 0.08), lambda: _fill(filler)):
                status = world.live(world.order(jobs=jobs), end)
            assert status in (0, FAILED, KILLED), f"a life ended with {status}"
            filler.unlink(missing_ok=True)
        world.finish(jobs)


def _fill(path: Path) -> None:
    """Leave no byte free."""
    block = b"\0" * 65536
    try:
        with path.open("ab", buffering=0) as file:
            while file.write(block):
                pass
    except OSError:
        return  # full: that is what was wanted


def read_only(world: World) -> None:
    """A life on a read-only disk fails and changes nothing; before and after all is well."""
    jobs = world.chance.randint(1, 3)
    with small_disk(world.folder / "store"):
        status = world.live(world.order(jobs=jobs), world.chance.uniform(0.02, 0.12))
        assert status in (0, KILLED), f"a life ended with {status}"
        ledger = lines(world.folder / "ledger")
        assert _mount("-o", "remount,ro", str(world.folder / "store")), "cannot remount"
        status = world.live(world.order(jobs=jobs))
        assert status == FAILED, f"a life on a read-only disk ended with {status}"
        assert ledger == lines(world.folder / "ledger"), "effects without an intent"
        assert _mount("-o", "remount,rw", str(world.folder / "store")), "cannot remount"
        world.finish(jobs)


# --- without the right to mount: a file layer that fails ---------------------------------


class Failing:
    """A session over a file layer that fails at chosen writes.

    Args:
        error: what a failing write says.
    """

    def __init__(self, world: World, error: type[apsw.Error]) -> None:
        self.world = world
        self.error = error
        self.ledger = world.folder / "ledger"
        self.files = FaultyFiles(f"soak-{world.folder.name}")
        self.acknowledged: list[str] = []
        self.sent = 0

    async def charge(self, what: str) -> str:
        """Do something that may happen once."""
        note(self.ledger, what)
        return "charged"

    @contextmanager
    def faults(self) -> Iterator[None]:
        """One write from now on fails."""
        self.files.arm(self.world.chance.randint(1, 60), self.error)
        try:
            yield
        finally:
            self.files.arm(0)

    async def open(self) -> tuple[SessionManager, Session]:
        """Open the store and the session."""
        path = self.world.folder / "s.db"
        store = await SqliteStore.open(path, vfs=self.files.name)
        tools = registry(tool(self.charge, nature=Nature.ONCE, params=["what"]))
        model = ScriptedModel(iter(lambda: speak, None))
        secret = self.world.folder / "installation.key"
        keys = FileKeys.open(
            self.world.folder / "s.db.keys", installation_key=secret, create=not secret.exists()
        )
        sessions = SessionManager.with_store(model, tools, store, "file", keys=keys)
        await sessions.ready()
        try:
            return sessions, await sessions.get_session("one")
        except SessionNotFound:
            config = SessionConfig(unsafe_auto_approve=True)
            return sessions, await sessions.create_session("one", config)

    async def answer(self, session: Session) -> None:
        """Answer questions by what really happened."""
        while True:
            try:
                await self._answer_all(session)
            except HoldfastError as error:  # a person tries again later
                self.world.facts.append(f"an answer: {error.reason}")
            await asyncio.sleep(0.005)

    async def _answer_all(self, session: Session) -> None:
        for question in await session.questions():
            done = lines(self.ledger)
            calls = [use for m in await session.history() for use in m.tool_uses]
            happened = any(f'"{what}"' in calls[-1].arguments for what in done)
            await session.answer(question.id, "happened" if happened else "run_again")

    async def round(self) -> None:
        """Send messages while writes fail, then go on without faults and check."""
        for _ in range(TURNS):
            sessions, session = await self.open()
            helper = asyncio.create_task(self.answer(session))
            try:
                with self.faults():
                    self.sent += 1
                    answer = await asyncio.wait_for(session.generate(f"job {self.sent}"), 30)
                    self.acknowledged.append(answer.text)
            except HoldfastError as error:
                self.world.facts.append(f"job {self.sent}: {error.reason}")
            finally:
                helper.cancel()
                await asyncio.wait({helper})
                await sessions.close()
        await self.check()

    async def check(self) -> None:
        """Finish, and check what must hold."""
        sessions, session = await self.open()
        async with sessions:
            helper = asyncio.create_task(self.answer(session))
            await sessions.resume_interrupted()
            answer = await asyncio.wait_for(session.generate("last"), 30)
            helper.cancel()
            assert answer.text == "done last"
            journal = session.where.backend.journal(session.where.row)
            assert sum([1 async for _ in journal.replay()]) == await session.version()
            history = await session.history()
            said, done = texts(history), lines(self.ledger)
            for text in self.acknowledged:
                assert said.count(text) == 1, (text, said)
            assert len(done) == len(set(done)), f"done twice: {done}"
            numbers = [text.removeprefix("done ") for text in said if text.startswith("done ")]
            assert [n for n in numbers if n not in done] == [], (said, done)
            assert len(results(history)) == sum(len(m.tool_uses) for m in history)
            _, bodies = await session.state_of()
            found = check_conversation(render([*bodies.visible()]))
            assert found == ["the conversation ends with the assistant"], found


def speak(request: ModelRequest) -> Turn:
    """Charge once for each message, then say so."""
    word = last_user(request.messages).split()[-1]
    if request.messages[-1].role is Role.USER:
        return call("charge", {"what": word})
    return say(f"done {word}")


def failing_files(world: World) -> None:
    """Writes fail at random: the disk is full, or breaks."""
    error = world.chance.choice([apsw.FullError, apsw.IOError, apsw.ReadOnlyError])
    asyncio.run(Failing(world, error).round())
