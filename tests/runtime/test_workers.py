"""Cancelling what runs: at once, with nothing left behind, with every word kept."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.adapters.sandbox.processes import marked
from holdfast.adapters.tools.bash import BashTool
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Cancelled, HoldfastError
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.tools import Nature
from holdfast.core.view import OpenEffect
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.conversation import check_conversation
from holdfast.testing.script import call, calls, hang, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, one_session, registry, results, run, texts, tool, until

BOUND_S = 1.0
STUBBORN = """
trap '' TERM INT HUP
setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
nohup sh -c 'sleep 300' >/dev/null 2>&1 &
(sh -c 'sleep 300 & wait') &
echo started
touch {flag}
while :; do sleep 1; done
"""


def p99(seconds: list[float]) -> float:
    """The 99th percentile; of fewer than a hundred values the largest."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.99))]


def effect_ids(session: Session) -> list[str]:
    """The ids of the effects that run; every process of one carries its id."""
    engine = session._core.live(session.where.stream)
    assert engine is not None
    return [engine.workers.make.effect_id(effect.ref) for effect in engine.view.open]


async def cancel_timed(session: Session, task: asyncio.Task[object]) -> float:
    """Cancel and wait until the turn has ended; returns seconds."""
    started = time.monotonic()
    assert await session.cancel()
    with pytest.raises(Cancelled):
        await task
    return time.monotonic() - started


def test_cancel_during_a_model_call(record_property: pytest.RecordProperty) -> None:
    """30 cancelled model calls: at most a second each, what was said is kept."""

    async def work() -> None:
        script = [hang(f"said {i}") for i in range(30)]
        model = ScriptedModel([*script, say("after")])
        took: list[float] = []
        async with one_session(model) as session:
            for i in range(30):
                task = asyncio.create_task(session.generate(f"q{i}"))
                await model.hanging.wait()
                took.append(await cancel_timed(session, task))
            assert 30 == model.cancelled
            said = texts(await session.history())
            assert [t for i in range(30) for t in (f"q{i}", f"said {i}")] == said
            assert "after" == (await session.generate("more")).text
            assert [] == model.problems
        record_property("p99_s", p99(took))
        print(f"cancel of a model call: p99 {p99(took) * 1000:.0f} ms of {len(took)}")
        assert p99(took) <= BOUND_S

    run(work())


def test_cancel_during_a_question(tmp_path: Path) -> None:
    """30 cancelled questions: at most a second each, none stays open."""

    async def work() -> None:
        took: list[float] = []

        async def act() -> str:
            raise AssertionError("never run")

        model = ScriptedModel([*([call("act")] * 30), say("after")])
        async with one_session(model, tool(act), config=ASKING) as session:
            _ask_instead_of_running(session)
            for i in range(30):
                task = asyncio.create_task(session.generate(f"q{i}"))
                while not await session.questions():
                    await asyncio.sleep(0.001)
                took.append(await cancel_timed(session, task))
                assert [] == await session.questions()
            assert 30 == len(results(await session.history()))
            assert "after" == (await session.generate("more")).text
            assert [] == model.problems
        print(f"cancel of a question: p99 {p99(took) * 1000:.0f} ms of {len(took)}")
        assert p99(took) <= BOUND_S

    run(work())


ASKING = SessionConfig(unsafe_auto_approve=True)


def _ask_instead_of_running(session: Session) -> None:
    """Put a guard in place that asks about every tool."""
    from dataclasses import replace

    from holdfast.core.actions import ActionKind
    from holdfast.core.verdicts import Allow, Ask

    def guard(view, facts, action):
        if action.kind is ActionKind.TOOL:
            return Ask("test", "always", "May it?")
        return Allow()

    engine = session._core.live(session.where.stream)
    assert engine is not None
    engine.host = replace(engine.host, guards=(*engine.host.guards, ("test", guard)))


@pytest.mark.parametrize(
    ("decision", "expected"), [("approve", "did it"), ("deny", "denied by a person")]
)
def test_an_approved_call_runs_and_a_denied_one_does_not(decision: str, expected: str) -> None:
    """The answer to an approval decides; the denial is the call's result."""

    async def work() -> None:
        ran: list[int] = []

        async def act() -> str:
            ran.append(1)
            return "did it"

        model = ScriptedModel([call("act"), say("done")])
        async with one_session(model, tool(act)) as session:
            _ask_instead_of_running(session)
            task = asyncio.create_task(session.generate("q"))
            while not (questions := await session.questions()):
                await asyncio.sleep(0.001)
            assert [] == ran
            with pytest.raises(HoldfastError):
                await session.answer(questions[0].id, "perhaps")
            await session.answer(questions[0].id, decision, "no \ud800 need")
            assert "done" == (await task).text
            assert expected in results(await session.history())[0].content
            assert (1 if decision == "approve" else 0) == len(ran)
            with pytest.raises(HoldfastError):
                await session.answer(questions[0].id, decision)

    run(work())


async def _cancel_shells(folder: Path, times: int) -> list[float]:
    workspace = folder / "work"
    workspace.mkdir()
    took: list[float] = []
    offered = registry()
    offered.register(BashTool())
    script = [call("bash", {"command": STUBBORN.format(flag=f"flag{i}")}) for i in range(times)]
    model = ScriptedModel([*script, say("after")])
    async with SessionManager(model, offered, unsandboxed=True) as sessions:
        config = SessionConfig(unsafe_auto_approve=True, workspace=str(workspace))
        session = await sessions.create_session("one", config)
        for i in range(times):
            task = asyncio.create_task(session.generate(f"q{i}"))
            await until((workspace / f"flag{i}").exists)
            (effect,) = effect_ids(session)
            assert marked(effect)
            took.append(await cancel_timed(session, task))
            assert set() == marked(effect)
        found = results(await session.history())
        assert times == len(found)
        assert all("started" in result.content for result in found)
        assert all("cancelled" in result.content for result in found)
        assert "after" == (await session.generate("more")).text
        assert [] == model.problems
        assert [] == check_conversation(model.requests[-1].messages)
    return took


def test_cancel_of_a_stubborn_shell(tmp_path: Path) -> None:
    """A shell that ignores signals, with children in other sessions, is gone in a second."""
    took = run(_cancel_shells(tmp_path, 2))
    assert p99(took) <= BOUND_S + 0.2


@pytest.mark.slow
def test_thirty_cancels_of_a_stubborn_shell(tmp_path: Path) -> None:
    """The same thirty times; the 99th percentile is at most a second."""

    async def work() -> list[float]:
        async with asyncio.timeout(120):
            return await _cancel_shells(tmp_path, 30)

    took = asyncio.run(work())
    print(f"cancel of a shell: p99 {p99(took) * 1000:.0f} ms of {len(took)}")
    assert p99(took) <= BOUND_S


def test_a_tool_that_ignores_cancellation_is_written_off() -> None:
    """A call that does not come back is written off truthfully, its late report dropped."""

    async def work() -> None:
        release = asyncio.Event()
        entered = asyncio.Event()

        async def deaf() -> str:
            entered.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return "late"

        model = ScriptedModel([call("deaf"), say("after")])
        async with one_session(model, tool(deaf)) as session:
            task = asyncio.create_task(session.generate("q"))
            await entered.wait()
            took = await cancel_timed(session, task)
            assert took <= BOUND_S
            result = results(await session.history())[0]
            assert "may still be running" in result.content
            release.set()
            assert "after" == (await session.generate("q2")).text
            assert 1 == len(results(await session.history()))
            assert [] == model.problems

    run(work())


def test_cancel_gives_every_call_a_result() -> None:
    """Calls that ran, run and never started each have one truthful result."""

    async def work() -> None:
        entered = asyncio.Event()

        async def quick() -> str:
            return "quick"

        async def stuck() -> str:
            entered.set()
            await asyncio.Event().wait()
            return "never"

        wanted = calls(make_call("quick"), make_call("stuck"), make_call("quick"), text="w")
        model = ScriptedModel([wanted, say("after")])
        async with one_session(model, tool(quick), tool(stuck)) as session:
            task = asyncio.create_task(session.generate("q"))
            await entered.wait()
            await cancel_timed(session, task)
            await session.generate("q2")
            contents = [r.content for r in results(model.requests[-1].messages)]
            assert "quick" == contents[0]
            assert "may have had effects" in contents[1]
            assert "not run" in contents[2]
            assert [] == model.problems

    run(work())


def test_cancel_with_nothing_running_is_false() -> None:
    """There is nothing to cancel before, between and after turns."""

    async def work() -> None:
        async with one_session(ScriptedModel([say("x")])) as session:
            assert not await session.cancel()
            await session.generate("q")
            assert not await session.cancel()
            await session.end()
            assert not await session.cancel()

    run(work())


def test_a_result_that_is_no_json_does_not_break_the_engine() -> None:
    """Odd metadata and texts of a tool are recorded as far as they can be."""

    async def work() -> None:
        from holdfast.ports.tool import ToolOutcome

        def odd() -> ToolOutcome:
            return ToolOutcome(
                content="\ud800\x00", metadata={"x": object(), "nan": float("nan"), "n": {1, 2}}
            )

        def bad() -> object:
            return object()

        model = ScriptedModel([calls(make_call("odd"), make_call("bad")), say("done")])
        async with one_session(
            model, tool(odd, nature=Nature.READ_ONLY), tool(bad, nature=Nature.READ_ONLY)
        ) as session:
            events = [e async for e in session.stream("q")]
            assert "agent_end" == events[-1].type
            for event in events:
                json.dumps(event.to_json(), allow_nan=False)
            assert "done" == texts(await session.history())[-1]

    run(work())


def test_ending_a_session_stops_its_turn() -> None:
    """Completing or wiping a session in the middle of a turn ends what runs."""

    async def work() -> None:
        model = ScriptedModel([hang("x"), hang("y")])
        async with one_session(model, config=UNSAFE) as session:
            task = asyncio.create_task(session.generate("q"))
            await model.hanging.wait()
            await session.end()
            with pytest.raises(HoldfastError):
                await task
            assert "Completed" == (await session.info()).state
            await session.reopen()
            task = asyncio.create_task(session.generate("q2"))
            await model.hanging.wait()
            await session._core.terminate_session("one")
            with pytest.raises(HoldfastError):
                await task
            assert 2 == model.cancelled

    run(work())


# --- a former holder ------------------------------------------------------------------------


class Deciding:
    """What says whether a former holder has had its time."""

    def __init__(self) -> None:
        self.over = False

    @property
    def grace_over(self) -> bool:
        """Whether it has."""
        return self.over

    grace_s = 30.0


def test_a_tool_is_not_asked_before_a_former_holder_had_its_time() -> None:
    """It may still be at it: what it says of a call would not hold."""

    async def work() -> None:
        async with one_session(ScriptedModel([])) as session:
            await session.pause()
            engine = session._core.live(session.where.stream)  # type: ignore[attr-defined]  # a manager
            workers, tenure = engine.workers, Deciding()
            left = OpenEffect(
                ref=EffectRef(3, 1), effect="tool", name="look", digest="d", attempt=1,
                engine="another", version=4,
            )  # fmt: skip
            view = replace(engine.view, state=SessionState.PROCESSING, open=(left,))
            asked: list[EffectRef] = []
            engine.tenure = tenure
            workers._waiting_grace = True  # the wait itself is another matter
            workers.make.prepared_of = lambda effect: asked.append(effect.ref)
            workers._ask_tools(view)
            assert [] == asked
            tenure.over = True
            workers._ask_tools(view)
            assert [left.ref] == asked

    run(work())
