"""The turn loop: tools, limits, failures, doubts, cancelling, full disks."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import (
    Cancelled,
    CounterRefused,
    Interrupted,
    LeaseHeld,
    ProviderFailed,
    StoreFull,
)
from holdfast.core.events import EffectStarted
from holdfast.core.messages import Role
from holdfast.core.settings import Limits, StorageType
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.ports.store import PendingKind, Store
from holdfast.ports.tool import ToolContext
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.engine import STALE_MAX
from holdfast.runtime.handle import Session
from holdfast.runtime.journal import Journal
from holdfast.testing.script import Turn, call, calls, fail, hang, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import (
    HandClock,
    Refusing,
    echo,
    memory,
    on_file,
    one_session,
    results,
    run,
    texts,
    tool,
    until,
    until_async,
)

# --- results of calls -----------------------------------------------------------------


def test_every_kind_of_bad_call_gets_an_error_result_and_the_turn_completes() -> None:
    """Unknown tool, malformed and wrong arguments, an exception: results, not failures."""

    async def work() -> None:
        def breaks() -> str:
            raise RuntimeError("broken inside")

        wanted = calls(
            make_call("nosuch"),
            make_call("breaks", "{not json"),
            make_call("breaks", "[1]"),
            make_call("breaks", {"extra": 1}),
            make_call("breaks", {}),
            make_call("", {}),
        )
        model = ScriptedModel([wanted, say("done")])
        async with one_session(model, tool(breaks)) as session:
            assert "done" == (await session.generate("q")).text
            found = results(await session.history())
            assert 6 == len(found)
            assert all(result.is_error for result in found)
            assert "broken inside" in found[4].content
            assert [] == model.problems

    run(work())


def test_a_model_that_says_nothing_ends_the_turn() -> None:
    """An answer without any content completes the turn, and the next request is valid."""

    async def work() -> None:
        model = ScriptedModel([Turn(), say("x")])
        async with one_session(model) as session:
            assert "" == (await session.generate("q")).text
            assert "x" == (await session.generate("q2")).text
            assert [] == model.problems

    run(work())


def test_call_ids_are_made_unique() -> None:
    """Calls with the same or no id get ids of their own, and each its result."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        twice = calls(make_call("look", id="x"), make_call("look", id="x"))
        model = ScriptedModel([twice, twice, say("done")])
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            assert "done" == (await session.generate("q")).text
            assert [] == model.problems
            assert 4 == len(results(model.requests[-1].messages))

    run(work())


def test_more_calls_than_the_limit_get_a_result_each() -> None:
    """An answer with a hundred calls leaves a valid history."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        wanted = calls(*(make_call("look") for _ in range(100)))
        model = ScriptedModel([wanted, say("done")])
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            assert "done" == (await session.generate("q")).text
            assert [] == model.problems
            assert 100 == len(results(model.requests[-1].messages))

    run(work())


def test_read_only_calls_overlap_and_results_are_in_order() -> None:
    """Three read-only calls run at once though they end in reverse order."""

    async def work() -> None:
        inside: list[str] = []
        all_in = asyncio.Event()
        turns = {name: asyncio.Event() for name in "abc"}
        turns["c"].set()

        async def look(which: str) -> str:
            inside.append(which)
            if len(inside) == 3:
                all_in.set()
            await all_in.wait()
            await turns[which].wait()
            before = {"c": "b", "b": "a"}.get(which)
            if before:
                turns[before].set()
            return which

        wanted = calls(*(make_call("look", {"which": w}) for w in "abc"))
        model = ScriptedModel([wanted, say("done")])
        look_tool = tool(look, nature=Nature.READ_ONLY, params=["which"])
        async with one_session(model, look_tool) as session:
            await session.generate("q")
            assert ["a", "b", "c"] == [r.content for r in results(model.requests[1].messages)]

    run(work())


def test_calls_that_change_things_run_alone_and_in_order() -> None:
    """No two changing calls overlap, and none overlaps a read-only one."""

    async def work() -> None:
        running: list[str] = []
        overlaps: list[tuple[str, ...]] = []
        order: list[str] = []

        async def act(which: str) -> str:
            return await both(which)

        async def look(which: str) -> str:
            return await both(which)

        async def both(which: str) -> str:
            running.append(which)
            order.append(which)
            for _ in range(5):
                await asyncio.sleep(0)
                if any(w.startswith("w") for w in running) and len(running) > 1:
                    overlaps.append(tuple(running))
            running.remove(which)
            return which

        names = ["r1", "r2", "w1", "w2", "r3"]
        wanted = calls(*(make_call("look" if n[0] == "r" else "act", {"which": n}) for n in names))
        model = ScriptedModel([wanted, say("done")])
        tools = [
            tool(act, params=["which"]),
            tool(look, nature=Nature.READ_ONLY, params=["which"]),
        ]
        async with one_session(model, *tools) as session:
            await session.generate("q")
            assert [] == overlaps
            assert ["w1", "w2"] == [w for w in order if w[0] == "w"]
            assert names == [r.content for r in results(model.requests[1].messages)]

    run(work())


def test_a_tool_that_may_change_things_waits_for_a_person() -> None:
    """Only read-only tools run unasked; after a denial nothing has run (seed D6)."""

    async def work() -> None:
        ran: list[int] = []

        def act() -> str:
            ran.append(1)
            return "x"

        model = ScriptedModel([call("act"), say("done")])
        async with one_session(model, tool(act), config=SessionConfig()) as session:
            waiting = asyncio.ensure_future(session.generate("q"))
            async for event in session.subscribe_events(0):
                if event.type == "confirmation_required":
                    break
            (question,) = await session.questions()
            assert ("permission.default",) == question.codes
            await session.answer(question.id, "deny", "not today")
            assert "done" == (await waiting).text
            assert [] == ran
            assert "not today" in results(await session.history())[0].content
            assert ["act"] == [one.name for one in model.requests[0].tools]

    run(work())


# --- limits ---------------------------------------------------------------------------


def test_too_many_rounds_end_the_turn() -> None:
    """At the limit of model calls the turn is interrupted; the session goes on."""

    async def work() -> None:
        def look() -> str:
            return "seen"

        model = ScriptedModel([*([call("look")] * 3), say("later")])
        config = SessionConfig(limits=Limits(max_rounds=3))
        async with one_session(
            model, tool(look, nature=Nature.READ_ONLY), config=config
        ) as session:
            with pytest.raises(Interrupted, match="max_rounds"):
                await session.generate("q")
            assert 3 == len(model.requests)
            assert "later" == (await session.generate("q2")).text
            assert [] == model.problems

    run(work())


def test_the_wall_clock_ends_a_turn() -> None:
    """A turn that hangs is ended when its time is over, by the clock's word."""

    async def work() -> None:
        clock = HandClock()
        model = ScriptedModel([hang("so far"), say("later")], clock=clock)
        config = SessionConfig(limits=Limits(turn_s=60))
        async with one_session(model, config=config, clock=clock) as session:
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            clock.advance(59)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not task.done()
            clock.advance(2)
            with pytest.raises(Interrupted, match="turn_time"):
                await task
            assert ["q", "so far"] == texts(await session.history())

    run(work())


def test_a_tool_is_stopped_at_its_time_limit() -> None:
    """A call over its limit gets a result that says so, with code 124."""

    async def work() -> None:
        clock = HandClock()
        started = asyncio.Event()

        async def slow(context: ToolContext) -> str:
            context.emit("begun")
            started.set()
            await asyncio.Event().wait()
            return "never"

        model = ScriptedModel([call("slow"), say("done")])
        async with one_session(model, tool(slow, timeout_s=5), clock=clock) as session:
            task = asyncio.create_task(session.generate("q"))
            await started.wait()
            await asyncio.sleep(0.01)
            clock.advance(6)
            assert "done" == (await task).text
            result = results(await session.history())[0]
            assert result.is_error and "begun" in result.content
            assert "time limit" in result.content

    run(work())


def test_a_failure_is_final_but_for_one_that_may_have_been_charged() -> None:
    """What costs nothing the adapter has tried again; the rest is a new, reserved attempt."""

    async def work() -> None:
        lost = fail("lost", retryable=True, billable=True)
        model = ScriptedModel([lost, say("ok"), fail("busy", retryable=True)])
        async with one_session(model) as session:
            assert "ok" == (await session.generate("q")).text
            with pytest.raises(ProviderFailed, match="busy"):
                await session.generate("q2")
            assert 3 == len(model.requests)

    run(work())


# --- pausing --------------------------------------------------------------------------


def test_pause_holds_the_turn_and_resume_goes_on() -> None:
    """A paused session performs nothing; resumed, the turn is finished."""

    async def work() -> None:
        gate = asyncio.Event()

        async def look() -> str:
            await gate.wait()
            return "seen"

        model = ScriptedModel([call("look"), say("done")])
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            task = asyncio.create_task(session.generate("q"))
            await until(lambda: len(model.requests) == 1)
            assert await session.pause()
            gate.set()
            await asyncio.sleep(0.05)
            assert not task.done()
            assert 1 == len(model.requests)
            assert await session.resume()
            assert "done" == (await task).text
            assert [] == model.problems

    run(work())


def test_pause_during_a_model_call_repeats_it_after_resume() -> None:
    """The call that a pause cut off is made again; the conversation stays valid."""

    async def work() -> None:
        model = ScriptedModel([hang("half"), say("whole")])
        async with one_session(model) as session:
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            assert await session.pause()
            await until(lambda: model.cancelled == 1)
            assert await session.resume()
            assert "whole" == (await task).text
            assert [] == model.problems

    run(work())


def test_steering_and_tools_keep_the_conversation_valid() -> None:
    """Messages that arrive at any point of a turn never break a provider's rules."""

    async def work() -> None:
        async def look() -> str:
            for _ in range(3):
                await asyncio.sleep(0)
            return "seen"

        script = itertools.chain.from_iterable(
            itertools.repeat([calls(make_call("look"), make_call("look"), text="t"), say("a")])
        )
        model = ScriptedModel(script)
        async with one_session(model, tool(look, nature=Nature.READ_ONLY)) as session:
            for number in range(10):
                sent = [
                    asyncio.create_task(session.generate(f"{number}.{i}", policy="steer"))
                    for i in range(6)
                ]
                for one in sent:
                    await one
            assert [] == model.problems
            said = [t for m in await session.history() if m.role is Role.USER for t in [m.text]]
            assert sorted(f"{n}.{i}" for n in range(10) for i in range(6)) == sorted(said)

    run(work())


# --- losing the session ---------------------------------------------------------------


def test_an_engine_whose_lease_was_taken_stops_at_once(tmp_path: Path) -> None:
    """A fenced engine decides nothing more; its callers are told, others may lead."""

    async def work() -> None:
        model = ScriptedModel([hang("x"), say("after")])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            engine = sessions.live(session.where.stream)
            assert engine is not None
            store = session.where.backend.store
            await store.release(session.where.stream, engine.journal.epoch)
            lease = await store.lease(session.where.stream)
            assert lease.epoch > engine.journal.epoch
            await store.release(session.where.stream, lease.epoch)
            await session.cancel()
            assert isinstance(engine.lost, LeaseHeld)
            with pytest.raises(Cancelled):
                await task
            assert "after" == (await session.generate("q2")).text
            assert [] == model.problems

    run(work())


def test_a_stop_during_a_turn_is_finished_by_the_next_leader(tmp_path: Path) -> None:
    """Closing the manager in the middle of a model call loses nothing."""

    async def work() -> None:
        model = ScriptedModel([hang("half")])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
        with pytest.raises(Interrupted):
            await task
        async with on_file(tmp_path, ScriptedModel([say("whole")])) as sessions:
            session = (await sessions.resume_interrupted())[0]
            while (await session.info()).turn_count == 0:
                await asyncio.sleep(0.002)
            assert ["q", "whole"] == texts(await session.history())

    run(work())


def test_a_full_disk_refuses_messages_and_keeps_outcomes() -> None:
    """Full: a new message is StoreFull; an outcome, a cancel and a pause still fit."""

    async def work() -> None:
        gate = asyncio.Event()

        async def look() -> str:
            await gate.wait()
            return "seen"

        model = ScriptedModel([call("look"), say("done"), say("room")])
        async with memory(model, tool(look, nature=Nature.READ_ONLY)) as sessions:
            session = await sessions.create_session("one")
            store = session.where.backend.store
            full = Refusing(store, StoreFull("the disk is full"), urgent=False)
            task = asyncio.create_task(session.generate("q"))
            await until(lambda: len(model.requests) == 1)
            full.left = 100
            gate.set()
            assert "done" == (await task).text
            with pytest.raises(StoreFull):
                await session.generate("q2")
            assert 99 == full.left
            assert await session.pause()
            assert await session.resume()
            full.left = 0
            assert "room" == (await session.generate("q3")).text
            assert ["q", "", "done", "q3", "room"] == texts(await session.history())

    run(work())


def test_a_message_that_waits_outlives_an_engine_whose_appends_are_refused() -> None:
    """Refused again and again: the engine ends, and what waits is not said to be refused."""

    async def work() -> None:
        model = ScriptedModel([hang(), say("first"), say("second")])
        async with memory(model) as sessions:
            session = await sessions.create_session("s")
            store = session.where.backend.store
            running = asyncio.create_task(session.generate("q"))
            await until(lambda: len(model.requests) == 1)
            waiting = asyncio.create_task(session.generate("q2"))
            await until_async(lambda: waits(store))
            refusing = Refusing(store, CounterRefused("s.m"), urgent=True)
            refusing.left = STALE_MAX
            with pytest.raises(Interrupted, match="not enough left"):
                await session.cancel()
            with pytest.raises(Interrupted, match="not enough left"):
                await waiting
            assert 0 == refusing.left
            assert "first" == (await running).text
            await until_async(lambda: answered(session))
            assert ["q", "first", "q2", "second"] == texts(await session.history())

    async def answered(session: Session) -> bool:
        return "second" in texts(await session.history())

    async def waits(store: Store) -> bool:
        return bool(await store.pending(kind=PendingKind.COMMAND))

    run(work())


def test_the_memory_store_is_one_for_all_types() -> None:
    """A manager made directly keeps every storage type in memory."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            for kind in StorageType:
                config = SessionConfig(storage_type=kind)
                session = await sessions.create_session(f"s-{kind}", config)
                assert "re: q" == (await session.generate("q")).text
            assert 3 == await sessions.session_count()

    run(work())


def test_arguments_reach_the_tool_as_they_were_judged() -> None:
    """What runs is the validated form, with an effect id that is stable and unique."""

    async def work() -> None:
        seen: list[tuple[dict[str, object], str]] = []

        async def act(a: str, b: str, context: ToolContext) -> str:
            seen.append(({"a": a, "b": b}, context.effect_id))
            return json.dumps({"a": a})

        wanted = calls(
            make_call("ACT", '{"b": "2", "a": "\\u00e9"}'), make_call("act", {"a": "x", "b": "y"})
        )
        model = ScriptedModel([wanted, say("done")])
        async with one_session(model, tool(act, params=["a", "b"])) as session:
            await session.generate("q")
            assert [{"a": "é", "b": "2"}, {"a": "x", "b": "y"}] == [one for one, _ in seen]
            assert 2 == len({effect for _, effect in seen})

    run(work())


def test_nothing_starts_once_the_stop_has_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An intent that was on its way to the store then is left to whoever leads next."""
    asked: list[str] = []

    def answer(request: ModelRequest) -> Turn:
        asked.append(request.idempotency_key)
        return say("hi")

    async def work() -> None:
        async with on_file(tmp_path, ScriptedModel(itertools.repeat(answer))) as sessions:
            session = await sessions.create_session("one")
            await session.set_title("led")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            plain, inside, go_on = Journal.append, asyncio.Event(), asyncio.Event()

            async def slow(self: Journal, events: Any, **more: Any) -> None:
                if any(isinstance(event, EffectStarted) for event, _ in events):
                    inside.set()
                    await go_on.wait()
                await plain(self, events, **more)

            monkeypatch.setattr(Journal, "append", slow)
            turn = asyncio.create_task(session.generate("q"))
            await inside.wait()
            stop = asyncio.create_task(engine.stop())
            await until(lambda: engine.workers.stopping)
            go_on.set()
            await stop
            assert ["model"] == [effect.effect for effect in engine.view.open]
            with pytest.raises(Interrupted):
                await turn
            assert [] == asked

    run(work())
