"""What a manager does by itself for sessions that nobody leads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.core.commands import Send
from holdfast.core.messages import user
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import PendingKind
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, on_file, run, tool, until_async


def pay(n: str = "") -> str:
    """Pay once."""
    raise AssertionError(f"nobody said yes to {n}")


def test_a_due_question_is_led_by_whoever_looks(tmp_path: Path) -> None:
    """Before its time nobody leads it; then the sweep does, and it lapses (contract 2.6)."""

    async def work() -> None:
        policy = ConfirmationPolicy(unattended_s=60)
        config = SessionConfig(confirmation_policy=policy)
        clock = HandClock()
        model = ScriptedModel([call("pay", {"n": "1"})])
        async with on_file(tmp_path, model, tool(pay, params=["n"]), clock=clock) as first:
            session = await first.create_session("one", config)
            await session.submit(Send(message=user("go")))
            store, stream = session.where.backend.store, session.where.stream

            async def asked() -> bool:
                return bool(await store.pending(stream, PendingKind.QUESTION))

            await until_async(asked)
        model = ScriptedModel([say("done")])
        async with on_file(tmp_path, model, tool(pay, params=["n"]), clock=clock) as second:
            backend = second.distinct_backends()[0][1]
            await second.sweep_due(backend)
            assert second.live(stream) is None
            clock.advance(61)
            await second.sweep_due(backend)
            engine = second.live(stream)
            assert engine is not None and () == engine.view.questions
            assert [] == await backend.store.pending(stream, PendingKind.QUESTION)

    run(work())


def test_news_that_another_waiter_took_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that another process submitted is noticed, whoever was told of the commit.

    The store tells one waiter of several: here it is never the one who watches.
    """
    changed = SqliteStore.changed
    ran: list[str] = []

    def act(n: str = "") -> str:
        ran.append(n)
        return "acted"

    async def told_to_others(store: SqliteStore, timeout_s: float) -> bool:
        await changed(store, timeout_s)
        return False

    async def work() -> None:
        acting = tool(act, params=["n"])
        model = ScriptedModel([call("act", {"n": "1"}), say("done")])
        async with on_file(tmp_path, model, acting) as leader, on_file(tmp_path) as other:
            session = await leader.create_session("one")
            turn = asyncio.create_task(session.generate("go"))

            async def asked() -> bool:
                return bool(await other.list_approvals())

            await until_async(asked)
            (found,) = await other.list_approvals()
            assert leader.live(session.where.stream) is not None
            await other.answer_approval(found.id, "once")
            assert "done" == (await turn).text
        assert ["1"] == ran

    monkeypatch.setattr(SqliteStore, "changed", told_to_others)
    run(work())
