"""Approvals of all sessions of all stores, and the seeds' methods by session id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, QuestionNotFound, SessionNotFound
from holdfast.core.events import Answered
from holdfast.core.settings import ConfirmationPolicy, StorageType
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, memory, on_file, registry, run, tool, until_async

RAN: list[str] = []


def pay(n: str = "") -> str:
    """Pay once."""
    RAN.append(n)
    return f"paid {n}"


PAY = tool(pay, params=["n"])


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def payer(turns: int = 1) -> ScriptedModel:
    """A model that pays first in each of some sessions, then talks."""
    return ScriptedModel([*[call("pay", {"n": "1"})] * turns, *[say("done")] * turns])


@asynccontextmanager
async def waiting(*sessions: Session) -> AsyncIterator[list[asyncio.Task[object]]]:
    """Sessions that each wait with a question, one after the other; their turns end here."""
    turns: list[asyncio.Task[object]] = []
    for session in sessions:
        turns.append(asyncio.create_task(session.generate("go")))
        await until_async(lambda session=session: asks(session))
    try:
        yield turns
    finally:
        for session in sessions:
            await session.cancel()
        await asyncio.wait(turns)
        for turn in turns:
            turn.exception()


async def asks(session: Session) -> bool:
    """Whether it waits for a person."""
    return bool(await session.approvals())


async def names(sessions: SessionManager, **given: object) -> list[str]:
    """The sessions whose questions are listed."""
    return [one.session_id for one in await sessions.list_approvals(**given)]


def test_questions_of_every_store_are_listed(tmp_path: Path) -> None:
    """One page for all; one session's alone; no more than was asked for."""

    async def work() -> None:
        async with on_file(tmp_path, payer(3), PAY) as sessions:
            kinds = (StorageType.FILE, StorageType.MEMORY, StorageType.FILE)
            made = [
                await sessions.create_session(name, SessionConfig(storage_type=kind))
                for name, kind in zip("abc", kinds, strict=True)
            ]
            async with waiting(*made):
                assert ["a", "c", "b"] == await names(sessions)
                assert ["b"] == await names(sessions, session_id="b")
                assert ["a", "c"] == await names(sessions, limit=2)
            assert [] == await names(sessions)

    run(work())


def test_questions_are_listed_by_what_they_are_about() -> None:
    """Of another kind there are none here."""

    async def work() -> None:
        async with memory(payer(), PAY) as sessions:
            session = await sessions.create_session("one")
            async with waiting(session):
                assert ["one"] == await names(sessions, about="approval")
                assert [] == await names(sessions, about="in_doubt")

    run(work())


def test_a_question_is_due_when_its_time_has_run_out() -> None:
    """Not before; and it is among the open ones until somebody lets it lapse."""

    async def work() -> None:
        clock = HandClock()
        config = SessionConfig(confirmation_policy=ConfirmationPolicy(unattended_s=60))
        async with memory(payer(), PAY, clock=clock) as sessions:
            session = await sessions.create_session("one", config)
            async with waiting(session):
                (found,) = await sessions.list_approvals()
                assert found.asked_ms + 60_000 == found.due_ms
                clock.seconds += 59.9
                assert [] == await names(sessions, state="due")
                clock.seconds += 0.1  # nobody is woken: the engine's own timer has yet to ring
                assert ["one"] == await names(sessions, state="due")
                assert ["one"] == await names(sessions, state="open")

    run(work())


@pytest.mark.parametrize(
    "given",
    [{"state": "closed"}, {"limit": 0}, {"limit": -1}, {"limit": "5"}, {"limit": True}],
    ids=str,
)
def test_nonsense_is_refused(given: dict[str, object]) -> None:
    """An unknown state, and a limit out of range or of another type."""

    async def work() -> None:
        async with memory(payer()) as sessions:
            with pytest.raises(InvalidInput):
                await sessions.list_approvals(**given)

    run(work())


def test_another_tenants_questions_are_not_to_be_seen_or_answered() -> None:
    """One store may keep the sessions of several; each manager knows its own."""

    async def work() -> None:
        disk, keys = MemoryDisk(), MemoryKeys()

        def manager(model: ScriptedModel) -> SessionManager:
            store = MemoryStore(disk)
            return SessionManager.with_store(
                model, registry(PAY), store, "file", keys=keys.reopen()
            )

        async with manager(payer()) as first:
            session = await first.create_session("one")
            async with waiting(session):
                (found,) = await first.list_approvals()
                async with manager(payer()) as other:
                    other.tenant = "another"
                    assert [] == await names(other)
                    for refused in (
                        other.answer_approval(found.id, "once"),
                        other.confirm_tool("one", found.tool_ids[0], True),
                        other.list_approvals(session_id="one"),
                    ):
                        with pytest.raises(SessionNotFound):
                            await refused
                assert [found] == await first.list_approvals()

    run(work())


def test_an_answer_finds_its_session() -> None:
    """With everything that was said: who, why, and the arguments instead."""

    async def work() -> None:
        async with memory(payer(2), PAY) as sessions:
            one, two = [await sessions.create_session(name) for name in ("one", "two")]
            async with waiting(one, two) as turns:
                (asked,) = await sessions.list_approvals(session_id="two")
                await sessions.answer_approval(
                    asked.id, "edit", arguments={"n": "7"}, note="less", by="ann"
                )
                assert asked.question == (await _answered(two)).question
                again = await _other(two, asked.id)
                await sessions.answer_approval(again, "session", max_uses=1, expires_in_s=60)
                await turns[1]
                said = await _answered(two)
                assert ("edit", "less", "ann", '{"n": "7"}') == (
                    said.decision,
                    said.note,
                    said.by,
                    said.arguments,
                )
                assert (["7"], ["one"]) == (RAN, await names(sessions))

    run(work())


async def _answered(session: Session) -> Answered:
    """The first answer in a session's log."""
    journal = session.where.backend.journal(session.where.row)
    log = [one.event async for one in journal.replay()]
    return next(event for event in log if isinstance(event, Answered))


async def _other(session: Session, id: str) -> str:
    """The id of the question that came after one."""
    found: list[str] = []

    async def there() -> bool:
        found[:] = [one.id for one in await session.approvals() if one.id != id]
        return bool(found)

    await until_async(there)
    return found[0]


@pytest.mark.parametrize(
    ("id", "error"), [("nonsense", QuestionNotFound), ("nobody:5", SessionNotFound)]
)
def test_an_id_of_nothing_is_an_error(id: str, error: type[Exception]) -> None:
    """What is no id, and a session that is not there."""

    async def work() -> None:
        async with memory(payer()) as sessions:
            with pytest.raises(error):
                await sessions.answer_approval(id, "once")

    run(work())


def test_the_seeds_methods_go_by_the_sessions_id() -> None:
    """Each does what the handle's does, for that session; an unknown one is an error."""

    async def work() -> None:
        async with memory(payer(), PAY) as sessions:
            session = await sessions.create_session("one")
            await sessions.create_session("two")
            chosen = await sessions.set_confirmation_policy("one", {"default_timeout_ms": 5_000})
            assert 5 == chosen.attended_s
            assert chosen == await session.get_confirmation_policy()
            assert chosen == await sessions.get_confirmation_policy("one")
            assert ConfirmationPolicy() == await sessions.get_confirmation_policy("two")
            async with waiting(session):
                assert not await sessions.confirm_tool("two", "call_1", True)
                assert await sessions.confirm_tool("one", "call_1", False, "no")
            for refused in (
                sessions.confirm_tool("none", "call_1", True),
                sessions.get_confirmation_policy("none"),
                sessions.set_confirmation_policy("none", {}),
            ):
                with pytest.raises(SessionNotFound):
                    await refused
        assert [] == RAN

    run(work())
