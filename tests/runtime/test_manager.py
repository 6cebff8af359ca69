"""Who leads, when an engine is let go, and how a command finds its way."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from holdfast.core.commands import External, Pause, Send, Terminate
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    NotNow,
    SessionNotFound,
    StoreNotRegistered,
    Unavailable,
)
from holdfast.core.events import Admitted
from holdfast.core.messages import user
from holdfast.core.settings import StorageType
from holdfast.ports.store import PendingRow
from holdfast.runtime.host import Handled, letter
from holdfast.testing.script import hang, say
from holdfast.testing.scripted import ScriptedModel
from moving_kit import World
from sessionhelp import HandClock, echo, memory, one_session, run, texts, until


def test_an_idle_engine_is_let_go_and_comes_back() -> None:
    """After `idle_s` nobody leads; the next message leads again and nothing is lost."""

    async def work() -> None:
        clock = HandClock()
        async with one_session(echo(), clock=clock, idle_s=30) as session:
            await session.generate("a")
            live = partial(session._core.live, session.where.stream)
            assert live() is not None
            clock.advance(29)
            await asyncio.sleep(0.01)
            assert live() is not None
            for _ in range(6):
                clock.advance(8)
                await asyncio.sleep(0.005)
            await until(lambda: live() is None)
            assert ["a", "re: a"] == texts(await session.history())
            assert "re: b" == (await session.generate("b")).text
            assert live() is not None

    run(work())


@pytest.mark.parametrize(
    ("command", "error"),
    [(Send(message=user("m")), SessionNotFound), (Terminate(), None)],
)
@pytest.mark.parametrize("wiped_first", [True, False])
def test_a_command_that_the_wipe_took_along_was_not_carried_out(
    command: External, error: type[HoldfastError] | None, wiped_first: bool
) -> None:
    """Who waits for another process is told so; only its own end may have come from others.

    The session is wiped before the command is queued, or while it waits.
    """

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            where = session.where
            submit = where.backend.store.submit

            async def submit_and_wipe(row: PendingRow, *, urgent: bool = False) -> int:
                if wiped_first:
                    await sessions.terminate_session("one")
                seq = await submit(row, urgent=urgent)
                await where.backend.store.drop_pending(row.stream, row.kind, row.id)
                await sessions.terminate_session("one")
                return seq

            where.backend.store.submit = submit_and_wipe  # type: ignore[method-assign]  # the race
            mail = letter(command, id=b"i" * 16, digest=b"", actor=0, expects=None)
            sent = sessions._submit_elsewhere(where, mail)
            if error is not None or wiped_first:
                with pytest.raises(SessionNotFound):
                    await sent
            else:
                assert Handled(0, 0) == await sent
            assert [] == await where.backend.store.pending(where.stream)

    run(work())


def test_a_message_that_waits_durably_is_not_refused_to_who_asks_again() -> None:
    """The session was paused meanwhile; the same id waits for the outcome, a new one is refused."""

    async def work() -> None:
        world = World()
        first, second = Send(message=user("first")), Send(message=user("second"))
        async with world.manager(say("re: first")) as leader, world.manager() as other:
            session = await leader.create_session("one")
            await session.pause()
            where = await other.locate("one")
            store = where.backend.store
            await other.queue(where, first, id=b"f" * 16)
            with pytest.raises(NotNow):
                await other.submit(where, second, id=b"s" * 16)
            assert [b"f" * 16] == [row.id for row in await store.pending(where.stream)]
            assert other.live(where.stream) is None
            submit, kept = store.submit, asyncio.Event()

            async def note(row: PendingRow, *, urgent: bool = False) -> int:
                kept.set()
                return await submit(row, urgent=urgent)

            store.submit = note  # type: ignore[method-assign]  # to know that it was let through
            again = asyncio.create_task(other.submit(where, first, id=b"f" * 16))
            await until(lambda: kept.is_set() or again.done())
            assert not again.done()
            await session.resume()
            await again
            log = [one.event async for one in where.backend.journal(where.row).replay()]
            assert [("first", (b"f" * 16).hex())] == [
                (event.message.text, event.command) for event in log if isinstance(event, Admitted)
            ]

    run(work())


def test_a_busy_engine_is_not_let_go() -> None:
    """A turn that takes longer than `idle_s` is not idle."""

    async def work() -> None:
        clock = HandClock()
        model = ScriptedModel([hang("x")])
        async with one_session(model, clock=clock, idle_s=30) as session:
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            for _ in range(10):
                clock.advance(20)
                await asyncio.sleep(0.002)
            assert session._core.live(session.where.stream) is not None
            assert not task.done()
            await session.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(work())


def test_many_commands_at_once_on_a_session_nobody_leads() -> None:
    """Concurrent first commands start one engine."""

    async def work() -> None:
        async with memory(echo(), idle_s=0.05) as sessions:
            session = await sessions.create_session("one")
            await until(lambda: sessions.live(session.where.stream) is None)
            found = await asyncio.gather(*(sessions.engine(session.where) for _ in range(20)))
            assert 1 == len({id(one) for one in found})

    run(work())


def test_a_closed_manager_refuses_everything() -> None:
    """After `close` each command is a typed error."""

    async def work() -> None:
        sessions = memory(echo())
        session = await sessions.create_session("one")
        await sessions.close()
        for act in (session.generate("q"), session.pause(), sessions.create_session("two")):
            with pytest.raises(HoldfastError):
                await act
        with pytest.raises(Unavailable):
            await sessions.engine(session.where)

    run(work())


def test_command_ids_and_storage_types_are_checked() -> None:
    """What is no command id or no storage type is refused by type."""

    async def work() -> None:
        async with one_session(echo()) as session:
            core = session._core
            with pytest.raises(InvalidInput):
                await core.submit(session.where, Pause(), id=b"short")
            with pytest.raises(InvalidInput):
                await core.queue(session.where, Pause(), id="x" * 16)
            with pytest.raises(StoreNotRegistered, match="tape"):
                core.backend_for("tape")
            assert core.backend_for("memory") is core.backend_for(StorageType.MEMORY)

    run(work())
