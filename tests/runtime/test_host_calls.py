"""Calls of the embedding program: judged, recorded, closed in every case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from contenthelp import log_of
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Cancelled, Denied, StoreBusy
from holdfast.core.events import EffectEnded, EffectStarted, Outcome
from holdfast.core.messages import Message, Role, user
from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
from holdfast.ports.store import Append, Assert
from holdfast.ports.tokens import token_scope
from holdfast.runtime.host_calls import closing
from holdfast.testing.script import hang
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, Refusing, echo, memory, run, tool

REQUEST = ModelRequest(system="", messages=(user("hi"),), tools=())


def test_a_stream_is_closed_when_it_is_left() -> None:
    """Leaving the block closes the stream at once, not when it is collected."""

    async def work() -> None:
        closed = asyncio.Event()

        async def events() -> AsyncIterator[ModelEvent]:
            try:
                yield TextDelta("a")
                yield TextDelta("b")
            finally:
                closed.set()

        async with closing(events()) as stream:
            await anext(stream)
            assert not closed.is_set()
        assert closed.is_set()

    run(work())


def test_a_client_with_a_bug_is_a_failed_call() -> None:
    """The bug reaches the program; the log says failed, not cancelled."""

    class Broken(ScriptedModel):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            yield TextDelta("half")
            raise ZeroDivisionError("in the adapter")

    async def work() -> None:
        async with memory(Broken()) as sessions:
            session = await sessions.create_session("one")
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            with pytest.raises(ZeroDivisionError):
                await gated.complete(REQUEST)
            journal = session.where.backend.journal(session.where.row)
            ended = [r.event async for r in journal.replay() if isinstance(r.event, EffectEnded)]
            assert [Outcome.FAILED] == [e.outcome for e in ended]

    run(work())


def test_a_tool_that_raises_is_an_error_outcome() -> None:
    """The program gets an outcome, as a model would."""

    async def work() -> None:
        def act() -> str:
            raise ValueError("inside")

        async with memory(echo(), tool(act)) as sessions:
            await sessions.create_session("one", UNSAFE)
            outcome = await sessions.tool_executor().execute("one", "act", {})
            assert outcome.is_error and "inside" in outcome.content and outcome.exit_code == 1

    run(work())


def test_a_model_call_ends_with_the_sessions_work() -> None:
    """Pausing stops it as it stops a tool; nothing of it is left open."""

    async def work() -> None:
        model = ScriptedModel([hang("so far")])
        async with memory(model) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            calling = asyncio.create_task(gated.complete(REQUEST))
            await model.hanging.wait()
            await session.pause()
            with pytest.raises(Cancelled, match="stopped the call"):
                await calling
            assert () == (await session.view()).host_open

    run(work())


def test_a_stream_that_nobody_reads_holds_up_no_wipe() -> None:
    """The outcome is on record at once, though the program never looks again."""

    async def work() -> None:
        async with memory(ScriptedModel([hang("one", "two", "three")])) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            stream = gated.stream(REQUEST)
            assert TextDelta("one") == await anext(stream)
            assert (await session.view()).host_open
            assert "one" == (await sessions.terminate_session("one")).session_id
            await stream.aclose()

    run(work())


def test_an_outcome_is_kept_until_the_store_takes_it() -> None:
    """A store that is locked for a while neither loses an outcome nor troubles the caller."""

    async def work() -> None:
        def act() -> str:
            locked.left = 2
            return "done"

        async with memory(echo(), tool(act)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            store = session.where.backend.store
            locked = Refusing(store, StoreBusy("the store is locked"), urgent=True)
            outcome = await sessions.tool_executor().execute("one", "act", {})
            assert outcome.content == "done"
            assert locked.left == 0
            assert () == (await session.view()).host_open

    run(work())


async def for_token(sessions: SessionManager) -> tuple[str, SessionManager]:
    """A token of the session `one`, and the manager as it sees it."""
    made = await sessions.tokens.create("ann", session="one")
    return made.id, sessions.acting_as(await sessions.tokens.validate(made.guard_token))


def test_a_revoked_token_makes_no_call_beside_a_turn() -> None:
    """Neither a tool's nor a model's; the program's own go on (contract 2.13)."""

    async def work() -> None:
        ran: list[str] = []

        def act() -> str:
            ran.append("act")
            return "done"

        async with memory(echo(), tool(act)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            id, view = await for_token(sessions)
            executor, model = view.tool_executor(), await view.get_llm_for_session("one")
            assert model is not None
            assert "done" == (await executor.execute("one", "act", {})).content
            said = await model.complete(REQUEST)
            assert "re: hi" == Message(Role.ASSISTANT, said.parts).text
            started = [e for e in await log_of(session) if isinstance(e, EffectStarted)]
            assert [id, id] == [one.bearer and one.bearer.token for one in started]
            await sessions.tokens.revoke(id)
            with pytest.raises(Denied, match="revoked"):
                await executor.execute("one", "act", {})
            with pytest.raises(Denied, match="revoked"):
                await model.complete(REQUEST)
            assert ["act"] == ran
            assert "done" == (await sessions.tool_executor().execute("one", "act", {})).content
            assert 3 == sum(isinstance(e, EffectStarted) for e in await log_of(session))

    run(work())


def test_a_revocation_that_comes_between_fails_the_append(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who decided before it was known is told by the store: the intent asserts its token."""

    def act() -> str:
        return "done"

    async def work() -> None:
        async with memory(echo(), tool(act)) as sessions:
            await sessions.create_session("one", UNSAFE)
            id, view = await for_token(sessions)
            await view.tool_executor().execute("one", "act", {})
            store = sessions.distinct_backends()[0][1].store
            append, seen = store.append, []

            async def late(request: Append) -> object:
                if not seen:
                    seen.append(request.asserts)
                    await store.drop_grant(token_scope(id), b"")  # as another process would
                return await append(request)

            monkeypatch.setattr(store, "append", late)
            with pytest.raises(Denied, match="revoked"):
                await view.tool_executor().execute("one", "act", {})
            assert Assert(scope=token_scope(id), revision=0) in seen[0]

    run(work())


def test_a_running_call_stops_with_its_token() -> None:
    """It is cancelled, and recorded as that; one of the program beside it goes on."""

    async def work() -> None:
        begun, go = asyncio.Event(), asyncio.Event()
        running: list[int] = []

        async def slow() -> str:
            running.append(1)
            if len(running) == 2:
                begun.set()
            await go.wait()
            return "done"

        async with memory(echo(), tool(slow)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            id, view = await for_token(sessions)
            theirs = asyncio.create_task(view.tool_executor().execute("one", "slow", {}))
            own = asyncio.create_task(sessions.tool_executor().execute("one", "slow", {}))
            await begun.wait()
            await sessions.tokens.revoke(id)
            assert (await theirs).is_error
            go.set()
            assert "done" == (await own).content
            ended = [e.outcome for e in await log_of(session) if isinstance(e, EffectEnded)]
            assert [Outcome.CANCELLED, Outcome.DONE] == ended

    run(work())
