"""How many bytes a session exchanges, kept in the store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import StoreReadOnly
from holdfast.runtime.handle import Session
from holdfast.runtime.metering import AHEAD_BYTES_MAX, AHEAD_SHARE, SessionMeter
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, on_file, run

HERE = Path(__file__).parents[1]
LIMIT = 100_000
AHEAD = LIMIT // AHEAD_SHARE


def talking() -> ScriptedModel:
    """A model that answers five times."""
    return ScriptedModel([say("ok")] * 5)


async def meter_of(sessions: SessionManager, session: Session) -> SessionMeter:
    """The meter that the session's commands are given."""
    engine = await sessions.engine(await sessions.locate(session.id))
    return engine.workers.make._meter


async def used(sessions: SessionManager, session: Session) -> int | None:
    """What the store has counted."""
    meter = await meter_of(sessions, session)
    found = await session.where.backend.store.counter(meter.counter)
    assert found is None or 0 == found.held
    return None if found is None else found.used


def test_what_does_not_fit_is_refused_and_nothing_fits_after_it() -> None:
    """Exactly the limit fits, in pieces of any size; without a limit nothing is kept."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            meter = await meter_of(sessions, session)
            assert await meter.take(10**9, None) and not await meter.spent(None)
            assert await used(sessions, session) is None
            for size in (1, 60_000, 39_998):
                assert await meter.take(size, LIMIT) and not await meter.spent(LIMIT)
            assert not await meter.take(2, LIMIT)
            assert await meter.spent(LIMIT) and not await meter.take(1, LIMIT)
            assert LIMIT == await used(sessions, session)
            assert not await meter.take(1, 0) and await meter.spent(0)
            assert await meter.take(50, LIMIT + 50) and not await meter.take(1, LIMIT + 50)

    run(work())


def test_it_is_counted_before_it_is_passed_on_and_a_little_ahead() -> None:
    """What the store says is never less than what was let through."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            meter, passed = await meter_of(sessions, session), 0
            for size in (1, AHEAD, 3, 700, 40_000):
                assert await meter.take(size, LIMIT)
                passed += size
                counted = await used(sessions, session)
                assert counted is not None and passed <= counted <= passed + AHEAD
            assert await meter.take(1, 10**12)
            counted = await used(sessions, session)
            assert counted is not None and counted <= passed + AHEAD + 1 + AHEAD_BYTES_MAX

    run(work())


def test_it_counts_beside_the_session_s_own_events_and_other_commands() -> None:
    """Nothing is lost and nothing counted twice while the log grows."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            meter = await meter_of(sessions, session)

            async def spend() -> int:
                passed = 0
                while await meter.take(999, LIMIT):
                    passed += 999
                    await asyncio.sleep(0)
                return passed

            async def talk() -> None:
                for _ in range(5):
                    await session.generate("go")

            *passed, _ = await asyncio.gather(spend(), spend(), spend(), talk())
            assert LIMIT - 3 * 999 < sum(passed) <= LIMIT
            assert LIMIT == await used(sessions, session)

    run(work())


def test_it_survives_a_restart(tmp_path: Path) -> None:
    """What is spent stays spent, with what was counted ahead."""

    async def work() -> None:
        async with on_file(tmp_path) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            assert await (await meter_of(sessions, session)).take(60_000, LIMIT)
        async with on_file(tmp_path) as sessions:
            session = await sessions.get_session("one")
            assert 60_000 + AHEAD == await used(sessions, session)
            meter = await meter_of(sessions, session)
            assert not await meter.spent(LIMIT)
            assert not await meter.take(40_000, LIMIT)
        async with on_file(tmp_path) as sessions:
            session = await sessions.get_session("one")
            assert await (await meter_of(sessions, session)).spent(LIMIT)

    run(work())


def test_killed_in_the_middle_it_has_counted_too_many_never_too_few(tmp_path: Path) -> None:
    """A real process and SIGKILL; then the rest fits and no more."""
    paths = os.pathsep.join([str(HERE), *sys.path])
    limit = 10_000_000
    child = subprocess.Popen(
        [sys.executable, str(HERE / "meter_child.py"), str(tmp_path), str(limit)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    for _ in range(700):
        child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    said = child.stdout.read().split(b"\n")
    child.stdout.close()
    child.wait()
    passed = max([700_000, *(int(line) for line in said if line.endswith(b"000"))])

    async def work() -> None:
        async with on_file(tmp_path) as sessions:
            session = await sessions.get_session("one")
            counted = await used(sessions, session)
            ahead = limit // AHEAD_SHARE
            assert counted is not None and passed <= counted <= passed + 2 * ahead + 2000
            meter = await meter_of(sessions, session)
            assert await meter.take(limit - counted, limit)
            assert not await meter.take(1, limit)

    run(work())


def test_a_wipe_drops_the_counter(tmp_path: Path) -> None:
    """And a command that is still running brings none back."""

    async def work() -> None:
        async with on_file(tmp_path) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            meter = await meter_of(sessions, session)
            assert await meter.take(10, LIMIT)
            store, counter = session.where.backend.store, meter.counter
            assert await store.counter(counter) is not None
            await sessions.terminate_session("one")
            assert await store.counter(counter) is None
            assert await meter.take(AHEAD - 10, LIMIT), "counted before the wipe"
            assert not await meter.take(AHEAD, LIMIT)
            assert await store.counter(counter) is None

    run(work())


def test_where_counting_fails_nothing_fits() -> None:
    """A store that does not write, and a leader that is none any more."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            engine = await sessions.engine(await sessions.locate(session.id))
            meter = SessionMeter(engine.journal)

            class Refusing:
                """A store that can be read and not written to."""

                counter = engine.journal.store.counter

                async def append(self, request: object) -> bytes:
                    raise StoreReadOnly()

            store, engine.journal.store = engine.journal.store, Refusing()  # type: ignore[assignment]  # only these two
            assert not await meter.take(1, LIMIT)
            engine.journal.store = store
            assert await meter.take(1, LIMIT)
            lease = await store.lease(engine.journal.stream)
            assert lease.epoch > engine.journal.epoch
            assert not await SessionMeter(engine.journal).take(1, LIMIT)

    run(work())


def test_children_draw_on_their_root() -> None:
    """A child adds nothing to what its root may exchange."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            root = await sessions.create_session("root", UNSAFE)
            child = await sessions.create_child_session("root", "child", UNSAFE)
            mine, its = await meter_of(sessions, root), await meter_of(sessions, child)
            assert mine.counter == its.counter
            assert await its.take(LIMIT - 10, LIMIT)
            assert not await mine.take(11, LIMIT) and await mine.spent(LIMIT)

    run(work())


def test_two_that_count_at_the_same_moment_pass_no_more_than_there_is() -> None:
    """Whoever sees that both counted too much passes nothing on."""

    async def work() -> None:
        async with memory(talking()) as sessions:
            root = await sessions.create_session("root", UNSAFE)
            names = [f"child-{n}" for n in range(4)]
            family = [
                root,
                *[await sessions.create_child_session("root", n, UNSAFE) for n in names],
            ]
            meters = [await meter_of(sessions, one) for one in family]

            async def spend(meter: SessionMeter) -> int:
                passed = 0
                while await meter.take(701, LIMIT):
                    passed += 701
                    await asyncio.sleep(0)
                return passed

            passed = sum(await asyncio.gather(*(spend(one) for one in meters)))
            assert LIMIT - len(family) * (AHEAD + 2 * 701) < passed <= LIMIT
            for one in meters:
                assert not await one.take(701, LIMIT)

    run(work())
