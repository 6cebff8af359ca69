"""Checkpoints of a manager: at a session's end, by themselves, and when their place fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.adapters.store.memory import MemoryStore
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.core.events import Ended, WipeStarted
from holdfast.runtime import checkpoint_service
from holdfast.runtime.backend import Backend
from holdfast.runtime.checkpoint_service import Checkpoints
from holdfast.runtime.checkpointing import Signer, compare_checkpoints, leaves_of, read_chain
from holdfast.runtime.codec import decode_event
from holdfast.runtime.envelope import header_of, open_clear
from moving_kit import World


def manager_of(world: World, plan: Checkpoints | None) -> SessionManager:
    """A manager on the world's disk."""
    world.keys = world.keys.reopen()
    store = MemoryStore(world.disk)
    return SessionManager.with_store(None, None, store, "file", keys=world.keys, checkpoints=plan)


async def clear_events(backend: Backend, stream: int) -> dict[type, tuple[int, object]]:
    """The events of a wiped session that are in clear, with their versions."""
    found: dict[type, tuple[int, object]] = {}
    for row in await backend.store.read(stream):
        if row.key_id == 0:
            data = open_clear(header_of(stream, row), row.body, backend.keys.audit_public_key)
            event = decode_event(row.kind, data)
            found[type(event)] = (row.version, event)
    return found


def test_a_checkpoint_stands_before_the_wipe_and_one_after_the_end(tmp_path: Path) -> None:
    """`WipeStarted` names the checkpoint over the log before it, the receipt that of the end."""

    async def main() -> None:
        sink = CheckpointDirectory(tmp_path)
        async with manager_of(World(), Checkpoints(to=sink)) as manager:
            session = await manager.create_session("one")
            stream, backend = session.where.stream, session.where.backend
            receipt = await manager.terminate_session("one")
            events = await clear_events(backend, stream)
            chain = [s.checkpoint async for s in read_chain(sink, backend.keys.audit_public_key)]
            version, started = events[WipeStarted]
            assert isinstance(started, WipeStarted)
            before = await leaves_of(sink, chain[started.checkpoint - 1])
            assert [(stream, version - 1)] == [(leaf.stream, leaf.version) for leaf in before]
            after = await leaves_of(sink, chain[receipt.checkpoint - 1])
            assert [(stream, events[Ended][0])] == [(leaf.stream, leaf.version) for leaf in after]
            assert receipt.checkpoint == started.checkpoint + 1
            assert [] == await compare_checkpoints(backend, sink)
            assert None is await manager.checkpoint()

    asyncio.run(main())


def test_without_a_place_nothing_is_made() -> None:
    """A wipe names no checkpoint then, and asking for one is refused."""

    async def main() -> None:
        async with manager_of(World(), None) as manager:
            session = await manager.create_session("one")
            with pytest.raises(InvalidInput):
                await manager.checkpoint()
            assert 0 == (await manager.terminate_session("one")).checkpoint
            events = await clear_events(session.where.backend, session.where.stream)
            assert WipeStarted(checkpoint=0) == events[WipeStarted][1]

    asyncio.run(main())


class Broken(CheckpointDirectory):
    """A place that fails, or never answers."""

    slow = False

    async def put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        """Fail."""
        if self.slow:
            await asyncio.Event().wait()
        raise Unavailable("unplugged")


@pytest.mark.parametrize("slow", [False, True])
def test_a_place_out_of_order_holds_up_no_wipe(
    tmp_path: Path,
    slow: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The session is wiped all the same, and the trouble is told."""
    monkeypatch.setattr(checkpoint_service, "WAIT_S", 0.1)

    async def main() -> None:
        sink = Broken(tmp_path)
        sink.slow = slow
        async with manager_of(World(), Checkpoints(to=sink)) as manager:
            session = await manager.create_session("one")
            receipt = await manager.terminate_session("one")
            assert 0 == receipt.checkpoint and receipt.destroyed_at_ms
            events = await clear_events(session.where.backend, session.where.stream)
            assert WipeStarted(checkpoint=0) == events[WipeStarted][1] and Ended in events
            if not slow:
                with pytest.raises(Unavailable):
                    await manager.checkpoint()

    asyncio.run(main())
    told = [one.message for one in caplog.records if "checkpoint_failed" in one.message]
    assert 2 <= len(told) and all("unplugged" not in one for one in told)


@pytest.mark.parametrize(
    ("events", "seconds"), [(3, 1000.0), (1_000_000, 0.05)], ids=["events", "time"]
)
def test_one_is_made_by_itself(
    tmp_path: Path, events: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many events, or after so long; never without a change."""
    monkeypatch.setattr(checkpoint_service, "LOOK_S", 0.01)

    async def main() -> None:
        sink = CheckpointDirectory(tmp_path)
        plan = Checkpoints(to=sink, every_events=events, every_s=seconds)
        async with manager_of(World(), plan) as manager:
            assert 0 == await sink.newest()
            session = await manager.create_session("one")
            for number in range(4):
                await session.add_message(f"message {number}")
            least = min(events, 5)
            async with asyncio.timeout(20):
                backend = session.where.backend
                while (made := await Signer(backend, sink).last()) is None or made.feed < least:
                    await asyncio.sleep(0.01)
            there = await sink.newest()
            for _ in range(30):
                await asyncio.sleep(0.01)
            assert there == await sink.newest()

    asyncio.run(main())


def test_a_plan_has_numbers_above_0(tmp_path: Path) -> None:
    """Nothing else is a plan."""
    for wrong in ({"every_events": 0}, {"every_s": 0.0}, {"every_s": -1.0}):
        with pytest.raises(InvalidInput):
            Checkpoints(to=CheckpointDirectory(tmp_path), **wrong)  # type: ignore[arg-type] - a test hands in what it likes


CHILD = """
import asyncio, os, sys
from pathlib import Path
from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.bootstrap import SessionManager
from holdfast.runtime.checkpoint_service import Checkpoints

home, stop_at = Path(sys.argv[1]), int(sys.argv[2])
calls = 0

def dying(real):
    def call(*args):
        global calls
        calls += 1
        if calls == stop_at:
            os.kill(os.getpid(), 9)
        return real(*args)
    return call

async def sessions_of(sessions):
    for row in (await sessions.list_sessions()).sessions:
        yield row.id

async def main():
    plan = Checkpoints(to=CheckpointDirectory(home / "out"))
    key = home / "key" / "installation.key"
    async with SessionManager.open(
        home / "data" / "s.db", installation_key=key, policy=home / "none.toml", checkpoints=plan
    ) as sessions:
        if not [one async for one in sessions_of(sessions)]:
            await sessions.create_session("one")
            await sessions.create_session("two")
        os.link, os.fsync = dying(os.link), dying(os.fsync)
        print("ready", flush=True)
        await sessions.checkpoint()
        if "one" in [one async for one in sessions_of(sessions)]:
            await sessions.terminate_session("one")
        print("done", flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
def test_killed_at_every_step_the_chain_holds_and_the_next_goes_on(tmp_path: Path) -> None:
    """kill -9 at each file operation of three checkpoints: nothing broken, nothing lost."""
    (tmp_path / "none.toml").touch(mode=0o600)
    (tmp_path / "key").mkdir(mode=0o700)
    script = tmp_path / "child.py"
    script.write_text(CHILD)

    async def check() -> int:
        sink = CheckpointDirectory(tmp_path / "out")
        key = tmp_path / "key" / "installation.key"
        store = tmp_path / "data" / "s.db"
        async with SessionManager.open(
            store, installation_key=key, policy=tmp_path / "none.toml"
        ) as sessions:
            backend = sessions.distinct_backends()[0][1]
            public = backend.keys.audit_public_key
            chain = [one async for one in read_chain(sink, public)]
            for one in chain:
                await leaves_of(sink, one.checkpoint)
            if chain:
                assert [] == await compare_checkpoints(backend, sink)
            assert (await sessions.audit_verify()).ok
            return len(chain)

    made, killed = [0], 0
    for stop_at in (2, 5, 6, 3, 0):
        ended = subprocess.run(
            [sys.executable, str(script), str(tmp_path), str(stop_at)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode in (0, -9), ended.stderr
        killed += ended.returncode == -9
        made.append(asyncio.run(check()))
    assert killed == 4 and made == sorted(made) and made[-1] >= 3
    assert 0 == ended.returncode and "done" in ended.stdout


def test_the_policy_file_names_a_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Section `[audit]`: a checkpoint before the wipe and one after it, without an object."""

    async def main() -> None:
        file, key = tmp_path / "holdfast.toml", tmp_path / "key" / "installation.key"
        key.parent.mkdir(mode=0o700)

        async def wiped(text: str, store: str) -> int:
            file.write_text(text)
            file.chmod(0o600)
            path = tmp_path / store / "s.db"
            manager = SessionManager.open(path, installation_key=key, policy=file)
            async with manager as sessions:
                await sessions.create_session("one")
                return (await sessions.terminate_session("one")).checkpoint

        out = tmp_path / "out"
        assert 2 == await wiped(f'[audit]\ncheckpoints = "{out}"\nevery_events = 5000\n', "a")
        assert 0 == await wiped("[audit]\nevery_s = 60\n", "b")
        for place in ("out", str(tmp_path / "c"), str(tmp_path / "c" / "below")):
            with pytest.raises(InvalidInput):
                await wiped(f'[audit]\ncheckpoints = "{place}"\n', "c")
        # The chain there is another store's: the trouble is told, with its code.
        caplog.clear()
        assert 0 == await wiped(f'[audit]\ncheckpoints = "{out}"\n', "d")
        assert "audit: checkpoint_failed (chain_broken)" in caplog.text

    asyncio.run(main())


def test_the_environment_names_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands above the file; an object given to the manager stands above both."""

    async def main() -> None:
        key, policy = tmp_path / "key" / "installation.key", tmp_path / "none.toml"
        key.parent.mkdir(mode=0o700)
        policy.touch(mode=0o600)
        monkeypatch.setenv("HOLDFAST_AUDIT_CHECKPOINTS", str(tmp_path / "set"))
        for given in (None, Checkpoints(to=CheckpointDirectory(tmp_path / "given"))):
            store = tmp_path / f"store{given is None}" / "s.db"
            async with SessionManager.open(
                store, installation_key=key, policy=policy, checkpoints=given
            ) as sessions:
                await sessions.create_session("one")
                assert await sessions.checkpoint() is not None
            assert (tmp_path / "set").exists() and (tmp_path / "given").exists() is (
                given is not None
            )

    asyncio.run(main())


def test_changes_of_tokens_alone_have_one_made(tmp_path: Path) -> None:
    """They count like events of sessions."""

    async def main() -> None:
        plan = Checkpoints(to=CheckpointDirectory(tmp_path), every_events=3)
        async with manager_of(World(), plan) as manager:
            await manager.create_session("one")
            assert await manager.checkpoint()
            for name in ("a", "b", "c"):
                await manager.tokens.create(name, session="one")
            async with asyncio.timeout(20):
                while await plan.to.newest() < 2:
                    await asyncio.sleep(0.05)
            assert None is await manager.checkpoint()

    asyncio.run(main())
