"""Approvals as people see them: their ids, their JSON, and rows that cannot be read."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.core.errors import HoldfastError, InvalidInput, QuestionNotFound
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.asking import Approval, WiderPattern, read_rows, split_id
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import one_session, run, tool, until_async


def pay(n: str = "") -> str:
    """Pay once."""
    return f"paid {n}"


PAY = tool(pay, params=["n"])
ASKED = SessionConfig()


def payer(n: str = "1") -> ScriptedModel:
    """A model that pays, and is asked about it."""
    return ScriptedModel([call("pay", {"n": n}), say("done")])


async def rows_of(session: Session) -> list[PendingRow]:
    """The rows of the session's questions, as soon as there is one."""
    found: list[PendingRow] = []

    async def there() -> bool:
        store, stream = session.where.backend.store, session.where.stream
        found[:] = await store.pending(stream, PendingKind.QUESTION)
        return bool(found)

    await until_async(there)
    return found


@pytest.mark.parametrize(
    ("id", "expected"),
    [("one:5", ("one", 5)), ("a:b:7", ("a:b", 7)), ("x:" + "9" * 18, ("x", 10**18 - 1))],
)
def test_an_id_is_a_session_and_a_number(id: str, expected: tuple[str, int]) -> None:
    """The last colon parts them: a session's own id may hold others."""
    assert expected == split_id(id)


@pytest.mark.parametrize("id", ["", "one", ":5", "one:", "one:x", "one:-1", "one:" + "9" * 19])
def test_what_is_no_id_is_not_found(id: str) -> None:
    """Also a number that no log is as long as."""
    with pytest.raises(QuestionNotFound):
        split_id(id)


def test_an_id_is_text() -> None:
    """Anything else is misuse, told by type."""
    with pytest.raises(InvalidInput):
        split_id(5)  # type: ignore[arg-type]  # that it is refused is the fact


def test_the_json_has_every_field() -> None:
    """Nothing that a person needs is left out on the way to a program."""
    one = Approval(
        id="one:5",
        session_id="one",
        question=5,
        about="approval",
        tool="pay",
        text="may it?",
        choices=("once", "deny"),
        asked_ms=7,
        tool_ids=("call_1",),
        preview="{}",
        codes=("permission.default",),
        patterns=(WiderPattern("pay", ("pay(2)",)),),
        due_ms=9,
        quorum=2,
        yes=("ann",),
    )
    assert {
        "id": "one:5",
        "session": "one",
        "question": 5,
        "about": "approval",
        "tool": "pay",
        "text": "may it?",
        "choices": ["once", "deny"],
        "asked_ms": 7,
        "tool_ids": ["call_1"],
        "preview": "{}",
        "codes": ["permission.default"],
        "patterns": [{"pattern": "pay", "samples": ["pay(2)"]}],
        "due_ms": 9,
        "quorum": 2,
        "yes": ["ann"],
    } == one.to_json()
    assert len(Approval.__dataclass_fields__) == len(one.to_json())


def test_a_row_that_cannot_be_read_hides_no_other() -> None:
    """One that is damaged, or belongs to a session without a key, is left out."""

    async def work() -> None:
        async with one_session(payer(), PAY, config=ASKED) as session:
            turn = asyncio.create_task(session.generate("go"))
            (good,) = await rows_of(session)
            damaged = replace(good, payload=good.payload[:-1] + b"?")
            moved = replace(good, id=(99).to_bytes(16))
            keyless = replace(good, stream=good.stream + 1)
            rows = [damaged, moved, keyless, good]
            found = [one for _, one in await read_rows(session._core, session.where.backend, rows)]
            assert [("one:5", "pay", '{"n":"1"}')] == [
                (one.id, one.tool, one.preview) for one in found
            ]
            await session.cancel()
            await asyncio.wait({turn})
            assert isinstance(turn.exception(), HoldfastError)

    run(work())


def test_who_said_yes_is_known_without_an_engine() -> None:
    """The row does not say it; it is read from the log of a session nobody leads."""

    async def work() -> None:
        policy = ConfirmationPolicy(critical=("pay",))
        config = SessionConfig(confirmation_policy=policy)
        async with one_session(payer(), PAY, config=config) as session:
            turn = asyncio.create_task(session.generate("go"))
            rows = await rows_of(session)
            core, backend = session._core, session.where.backend
            ((_, before),) = await read_rows(core, backend, rows)
            await session.answer_approval(before.id, "once", by="ann")
            ((_, led),) = await read_rows(core, backend, rows)
            engine = core._engines.pop(session.where.stream)
            assert core.live(session.where.stream) is None
            ((_, alone),) = await read_rows(core, backend, rows)
            core._engines[session.where.stream] = engine
            assert ((), ("ann",), ("ann",)) == (before.yes, led.yes, alone.yes)
            await session.cancel()
            await asyncio.wait({turn})
            assert isinstance(turn.exception(), HoldfastError)

    run(work())
