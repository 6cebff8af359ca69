"""Calls of the embedding program: judged, recorded, closed in every case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from holdfast.core.errors import Cancelled, StoreBusy
from holdfast.core.events import EffectEnded, Outcome
from holdfast.core.messages import user
from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
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
