"""The embedding program's own calls go through the gate too."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.errors import Denied, HoldfastError, ProviderFailed
from holdfast.core.events import EffectEnded, EffectStarted, Outcome, Refused
from holdfast.core.messages import user
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, echo, memory, one_session, run, texts, tool

REQUEST = ModelRequest(system="", messages=(user("hi"),), tools=())


async def log(session: Session) -> list[object]:
    """All events of a session."""
    journal = session.where.backend.journal(session.where.row)
    return [recorded.event async for recorded in journal.replay()]


def test_a_tool_is_judged_recorded_and_run() -> None:
    """The executor's call has an intent and an outcome in the log, and counts."""

    async def work() -> None:
        async def act(text: str) -> str:
            return f"did {text}"

        async with memory(echo(), tool(act, params=["text"])) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            executor = sessions.tool_executor()
            outcome = await executor.execute("one", "act", {"text": "x"})
            assert ("did x", False, 0) == (outcome.content, outcome.is_error, outcome.exit_code)
            events = await log(session)
            started = [e for e in events if isinstance(e, EffectStarted)]
            ended = [e for e in events if isinstance(e, EffectEnded)]
            assert ["host_tool"] == [e.effect for e in started]
            assert [Outcome.DONE] == [e.outcome for e in ended]
            assert 1 == (await session.info()).tool_call_count
            assert [] == await session.history()
            assert ["act"] == [spec.name for spec in executor.definitions()]

    run(work())


@pytest.mark.parametrize(
    ("config", "name", "arguments"),
    [
        (SessionConfig(), "act", {}),
        (UNSAFE, "nosuch", {}),
        (UNSAFE, "act", {"wrong": 1}),
        (SessionConfig(tools=("other",), unsafe_auto_approve=True), "act", {}),
    ],
)
def test_a_denied_tool_does_not_run(
    config: SessionConfig, name: str, arguments: dict[str, object]
) -> None:
    """What the gate refuses is Denied, recorded, and nothing ran."""

    async def work() -> None:
        ran: list[int] = []

        def act() -> str:
            ran.append(1)
            return "x"

        async with memory(echo(), tool(act)) as sessions:
            session = await sessions.create_session("one", config)
            with pytest.raises(Denied):
                await sessions.tool_executor().execute("one", name, arguments)
            assert [] == ran
            events = await log(session)
            assert 1 == sum(isinstance(e, Refused) for e in events)
            assert 0 == sum(isinstance(e, EffectStarted) for e in events)

    run(work())


def test_a_paused_or_ended_session_runs_nothing_for_the_host() -> None:
    """The lifecycle guard holds for host calls."""

    async def work() -> None:
        def look() -> str:
            return "x"

        async with memory(echo(), tool(look, nature=Nature.READ_ONLY)) as sessions:
            session = await sessions.create_session("one")
            executor, model = sessions.tool_executor(), await sessions.get_llm_for_session("one")
            assert model is not None
            for stop, go in ((session.pause, session.resume), (session.end, session.reopen)):
                await stop()
                with pytest.raises(Denied):
                    await executor.execute("one", "look", {})
                with pytest.raises(Denied):
                    await model.complete(REQUEST)
                await go()
            assert "x" == (await executor.execute("one", "look", {})).content

    run(work())


def test_a_cancelled_host_call_is_recorded_as_cancelled() -> None:
    """Cancelling the caller stops the tool and leaves a truthful outcome."""

    async def work() -> None:
        entered, left = asyncio.Event(), asyncio.Event()

        async def act() -> str:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            return "never"

        async with memory(echo(), tool(act)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            task = asyncio.create_task(sessions.tool_executor().execute("one", "act", {}))
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert left.is_set()
            ended = [e for e in await log(session) if isinstance(e, EffectEnded)]
            assert [Outcome.CANCELLED] == [e.outcome for e in ended]
            assert () == (await session.view()).host_open

    run(work())


def test_pausing_and_wiping_stop_host_calls() -> None:
    """A session that is wiped stops what the host runs in it."""

    async def work() -> None:
        entered = asyncio.Event()

        async def act() -> str:
            entered.set()
            await asyncio.Event().wait()
            return "never"

        async with memory(echo(), tool(act)) as sessions:
            await sessions.create_session("one", UNSAFE)
            task = asyncio.create_task(sessions.tool_executor().execute("one", "act", {}))
            await entered.wait()
            await asyncio.wait_for(sessions.terminate_session("one"), 5)
            done = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(done[0], BaseException) or done[0].is_error

    run(work())


def test_a_model_call_is_judged_recorded_and_billed() -> None:
    """The gated model streams, and its usage counts for the session."""

    async def work() -> None:
        model = ScriptedModel([say("a", "b"), fail("no"), hang("x")])
        async with memory(model) as sessions:
            session = await sessions.create_session("one")
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            assert ("scripted", "scripted") == (gated.model, gated.provider)
            reply = await gated.complete(REQUEST)
            assert 15 == reply.usage.total_tokens
            assert 15 == (await session.total_usage()).total_tokens
            assert 1 == len(await session.cost_records())
            with pytest.raises(ProviderFailed):
                await gated.complete(REQUEST)
            stream = gated.stream(REQUEST)
            await anext(stream)
            await stream.aclose()
            ended = [e for e in await log(session) if isinstance(e, EffectEnded)]
            assert [Outcome.DONE, Outcome.FAILED, Outcome.CANCELLED] == [e.outcome for e in ended]
            assert () == (await session.view()).host_open
            assert [] == await session.history()

    run(work())


def test_the_proxies_do_not_hand_out_what_they_guard() -> None:
    """Neither proxy has a public way to the tool, the registry or the client."""

    async def work() -> None:
        async with one_session(echo()) as session:
            sessions = session._core
            for proxy in (
                sessions.tool_executor(),
                await sessions.get_llm_for_session("one"),
            ):
                for name in dir(proxy):
                    if not name.startswith("_"):
                        value = getattr(proxy, name)
                        assert callable(value) or isinstance(value, str | int | None), name

    run(work())


def test_a_host_call_during_a_turn_does_not_disturb_it() -> None:
    """Host calls and a running turn live side by side."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        model = ScriptedModel([hang("x")])
        async with memory(model, tool(look, nature=Nature.READ_ONLY)) as sessions:
            session = await sessions.create_session("one")
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            calls = [sessions.tool_executor().execute("one", "look", {}) for _ in range(10)]
            assert {"seen"} == {one.content for one in await asyncio.gather(*calls)}
            assert (await session.view()).turn is not None
            await session.cancel()
            with pytest.raises(HoldfastError):
                await task
            assert ["q", "x"] == texts(await session.history())

    run(work())
