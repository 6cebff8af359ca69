"""Calls between hooks: every attempt is reserved for, and a cancel makes nothing undone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from budgethelp import RESERVE, PricedModel, paid
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Cancelled, ProviderFailed
from holdfast.core.events import EffectEnded, EffectStarted, Event, Outcome
from holdfast.core.hooks import HookAnswer, HookCall, HookEvent, retry
from holdfast.core.tools import Nature
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.hookedcalls import SILENT_RETRIES_MAX
from holdfast.runtime.hooks import Hook, HookEngine
from holdfast.testing.script import Turn, call, fail, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import HandClock, memory, on_file, one_session, results, run, tool

LOST = fail("no answer came", retryable=True, billable=True)


def with_hook(event: HookEvent, handler: object, **options: object) -> SessionConfig:
    """A session with one hook."""
    engine = HookEngine("own")
    engine.register(Hook(id="h", event=event, handler=handler))  # type: ignore[arg-type]  # a handler
    return SessionConfig(unsafe_auto_approve=True, hook_engine=engine, **options)  # type: ignore[arg-type]  # its fields


async def second(call: HookCall) -> HookAnswer | None:
    """A hook that does not like the first answer."""
    return retry(0) if call.data["response_text"] == "one" else None


async def log_of(session: Session) -> list[Event]:
    """All events of a session."""
    journal = session.where.backend.journal(session.where.row)
    return [recorded.event async for recorded in journal.replay()]


def money_of(event: Event) -> int:
    """What an event settles in micro-USD on the session's account."""
    assert isinstance(event, EffectStarted | EffectEnded)
    return sum(used for id, _, used in event.settles if id == "s.m")


def opened(kind: str, model: ScriptedModel, folder: Path) -> SessionManager:
    """A manager over a store."""
    return memory(model) if kind == "memory" else on_file(folder, model)


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_each_attempt_has_its_own_intent_and_reservation(kind: str, tmp_path: Path) -> None:
    """The next one is paid for with what the first one's bill has left."""

    async def work() -> None:
        script = [say("one", usage=paid(1_000)), say("two", usage=paid(500))]
        config = with_hook(HookEvent.GENERATE_END, second, budget=Budget(usd=RESERVE + 1_000))
        async with opened(kind, PricedModel(script), tmp_path) as sessions:
            session = await sessions.create_session("one", config)
            answer = await session.generate("go")
            assert ("two", 1_500) == (answer.text, answer.usage.cost_micros)
            log = await log_of(session)
            starts = [one for one in log if isinstance(one, EffectStarted)]
            assert [1, 2] == [one.attempt for one in starts]
            assert all(("s.m", RESERVE) in one.takes for one in starts)
            assert 1_000 == money_of(starts[1])
            assert [500] == [money_of(one) for one in log if isinstance(one, EffectEnded)]

    run(work())


def test_an_attempt_that_cannot_be_paid_is_not_made() -> None:
    """A hook gets no money that nobody gave: the answer stands as it is."""

    async def work() -> None:
        model = PricedModel([say("one", usage=paid(1_000)), say("two")])
        config = with_hook(HookEvent.GENERATE_END, second, budget=Budget(usd=RESERVE + 999))
        async with one_session(model, config=config) as session:
            assert "one" == (await session.generate("go")).text
            assert 1 == len(model.requests)

    run(work())


def test_an_attempt_that_may_have_been_charged_is_settled_in_full() -> None:
    """Nothing came of it and its bill is not known: the whole reserve is spent (contract 1.6)."""

    async def work() -> None:
        model = PricedModel([LOST, say("ok", usage=paid(500))])
        async with one_session(model) as session:
            assert "ok" == (await session.generate("go")).text
            settled = [e for e in await log_of(session) if isinstance(e, EffectStarted)]
            assert RESERVE == money_of(settled[1])

    run(work())


def test_such_attempts_are_few_and_wait_on_the_ports_clock() -> None:
    """After the last the failure stands."""

    async def work() -> None:
        clock, times = HandClock(), SILENT_RETRIES_MAX + 1
        model = ScriptedModel([LOST] * times, clock=clock)
        async with one_session(model, clock=clock) as session:
            task = asyncio.create_task(session.generate("q"))
            for expected in range(1, times + 1):
                while len(model.requests) < expected:
                    await asyncio.sleep(0)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert expected == len(model.requests)
                clock.advance(60)
            with pytest.raises(ProviderFailed, match="no answer came"):
                await task

    run(work())


@pytest.mark.parametrize("script", [[say("one", usage=paid(700))], [LOST]])
def test_a_call_that_was_made_is_billed_although_the_turn_is_cancelled(script: list[Turn]) -> None:
    """Also while hooks look at what came of it, or before another attempt."""
    bill = {False: 700, True: RESERVE}[script == [LOST]]

    async def work() -> None:
        looking = asyncio.Event()

        async def look(call: HookCall) -> None:
            looking.set()
            await asyncio.Event().wait()

        event = HookEvent.ON_ERROR if script == [LOST] else HookEvent.GENERATE_END
        model = PricedModel(script)
        async with one_session(model, config=with_hook(event, look)) as session:
            turn = asyncio.create_task(session.generate("go"))
            await looking.wait()
            await session.cancel()
            with pytest.raises(Cancelled):
                await turn
            (ended,) = [e for e in await log_of(session) if isinstance(e, EffectEnded)]
            assert (Outcome.CANCELLED, None) == (ended.outcome, ended.message)
            assert bill == money_of(ended)

    run(work())


def test_a_tool_that_ran_is_not_said_to_have_never_started() -> None:
    """A cancel while hooks look at its result hides the result, not that it ran."""

    async def work() -> None:
        looking = asyncio.Event()

        async def look(call: HookCall) -> None:
            looking.set()
            await asyncio.Event().wait()

        def act() -> str:
            return "secret"

        config = with_hook(HookEvent.POST_TOOL_USE, look)
        model = ScriptedModel([call("act")])
        async with one_session(model, tool(act, nature=Nature.ONCE), config=config) as session:
            turn = asyncio.create_task(session.generate("go"))
            await looking.wait()
            await session.cancel()
            with pytest.raises(Cancelled):
                await turn
            (result,) = results(await session.history())
            assert result.content.startswith("[it ran;")
            assert "secret" not in str(await log_of(session))

    run(work())


def test_a_repeated_tool_call_takes_the_time_of_all_its_tries() -> None:
    """What an earlier try may have done is not forgotten either."""

    async def work() -> None:
        tries: list[int] = []

        async def again(call: HookCall) -> HookAnswer | None:
            tries.append(int(str(call.data["duration_ms"])))
            return retry(0) if len(tries) < 3 else None

        async def act() -> str:
            await asyncio.sleep(0.003)
            return "done"

        config = with_hook(HookEvent.POST_TOOL_USE, again)
        model = ScriptedModel([call("act"), say("ok")])
        async with one_session(model, tool(act, nature=Nature.READ_ONLY), config=config) as session:
            await session.generate("go")
            ended = [e for e in await log_of(session) if isinstance(e, EffectEnded)]
            assert tries == sorted(tries) and 9 <= tries[-1] == ended[1].duration_ms

    run(work())
