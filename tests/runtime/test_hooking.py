"""Hooks in whole sessions: every event fires and every answer is honoured (seed D14, a3s#A7)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.bootstrap import FunctionTool
from holdfast.core.commands import Tick
from holdfast.core.errors import Denied, HoldfastError, SessionNotFound
from holdfast.core.events import EffectEnded, EffectStarted, Event, Modified, Outcome
from holdfast.core.hooks import HookAnswer, HookCall, HookEvent, block, modify, retry
from holdfast.core.messages import Role, user
from holdfast.core.tools import Nature
from holdfast.ports.model import ModelRequest
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.hooks import Hook, HookEngine
from holdfast.testing.script import call, fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import LIMIT_S, UNSAFE, echo, memory, on_file, one_session, results, run, tool

OWED = {
    HookEvent.PRE_COMPACT,
    HookEvent.SKILL_LOAD,
    HookEvent.SKILL_UNLOAD,
}
"""Events whose capability does not exist yet."""


def hook(event: HookEvent, answer: HookAnswer | None, seen: list[HookCall] | None = None) -> Hook:
    """A hook that always answers the same."""

    async def handler(call: HookCall) -> HookAnswer | None:
        if seen is not None:
            seen.append(call)
        return answer

    return Hook(id=f"h-{event.value}", event=event, handler=handler)


def session_with(*hooks: Hook) -> SessionConfig:
    """A session with an engine of its own."""
    engine = HookEngine("own")
    for one in hooks:
        engine.register(one)
    return SessionConfig(unsafe_auto_approve=True, hook_engine=engine)


async def log_of(session: Session) -> list[Event]:
    """All events of a session."""
    journal = session.where.backend.journal(session.where.row)
    return [recorded.event async for recorded in journal.replay()]


def acts(done: list[str], nature: Nature = Nature.ONCE) -> FunctionTool:
    """A tool that notes what it was given."""

    def act(text: str = "") -> str:
        done.append(text)
        return f"did {text}"

    return tool(act, nature=nature, params=["text"])


def test_every_declared_event_fires() -> None:
    """All but those whose capability is still to come; a registered hook that never fires lies."""
    fired: set[HookEvent] = set()

    async def handler(call: HookCall) -> None:
        fired.add(call.event)

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("done"), fail("down", retryable=False)])
        async with memory(model, acts([])) as sessions:
            for event in HookEvent:
                sessions.hooks.register(Hook(id=event.value, event=event, handler=handler))
            session = await sessions.create_session("one", UNSAFE)
            await session.generate("go")
            with pytest.raises(HoldfastError):
                await session.generate("again")
            await session.end()
            await asyncio.sleep(0)
            for _ in range(100):
                if HookEvent.SESSION_END in fired:
                    break
                await asyncio.sleep(0.01)

    run(work())
    children = {HookEvent.SUBAGENT_START, HookEvent.SUBAGENT_STOP}
    assert set(HookEvent) - OWED - children == fired - children


def test_a_blocked_call_never_runs() -> None:
    """The model reads why; nothing was started."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("ok")])
        config = session_with(hook(HookEvent.PRE_TOOL_USE, block("not today")))
        async with one_session(model, acts(done), config=config) as session:
            await session.generate("go")
            assert "not today" in results(await session.history())[0].content
            started = [e for e in await log_of(session) if isinstance(e, EffectStarted)]
            assert ["model", "model"] == [e.effect for e in started]

    run(work())
    assert [] == done


def test_a_changed_call_runs_in_its_new_form_and_is_judged_again() -> None:
    """The change is in the log before the intent, whose digest is the new one's."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("ok")])
        config = session_with(hook(HookEvent.PRE_TOOL_USE, modify(args={"text": "y"})))
        async with one_session(model, acts(done), config=config) as session:
            await session.generate("go")
            kinds = [type(e) for e in await log_of(session)]
            assert kinds.index(Modified) < kinds.index(EffectStarted, kinds.index(Modified))

    run(work())
    assert ["y"] == done


def test_a_change_to_invalid_arguments_is_refused() -> None:
    """What a hook writes meets the same schema as what a model writes."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("ok")])
        config = session_with(hook(HookEvent.PRE_TOOL_USE, modify(args={"unknown": 1})))
        async with one_session(model, acts(done), config=config) as session:
            await session.generate("go")
            assert "bad_arguments" in results(await session.history())[0].content

    run(work())
    assert [] == done


def test_no_hook_permits_what_is_denied() -> None:
    """A hook that goes on does not make an unlisted tool run."""
    done: list[str] = []

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("ok")])
        engine = HookEngine("own")
        engine.register(hook(HookEvent.PRE_TOOL_USE, modify(args={"text": "y"})))
        config = SessionConfig(unsafe_auto_approve=True, tools=("other",), hook_engine=engine)
        async with one_session(model, acts(done), config=config) as session:
            await session.generate("go")
            assert "not_listed" in results(await session.history())[0].content

    run(work())
    assert [] == done


def test_results_are_changed_and_withheld() -> None:
    """Neither the model nor the log sees what a hook took out."""

    async def work(answer: HookAnswer) -> str:
        model = ScriptedModel([call("act", text="secret"), say("ok")])
        config = session_with(hook(HookEvent.POST_TOOL_USE, answer))
        async with one_session(model, acts([]), config=config) as session:
            await session.generate("go")
            ended = [e for e in await log_of(session) if isinstance(e, EffectEnded)]
            assert not any("did secret" in str(e) for e in ended)
            return results(await session.history())[0].content

    assert "did nothing" == run(work(modify(output="did nothing")))
    assert "withheld by a hook: private" in run(work(block("private")))


@pytest.mark.parametrize(("nature", "times"), [(Nature.READ_ONLY, 3), (Nature.ONCE, 1)])
def test_a_call_is_repeated_only_if_it_may_be(nature: Nature, times: int) -> None:
    """A hook's wish never runs a `once` call twice."""
    done: list[str] = []

    async def again(call: HookCall) -> HookAnswer | None:
        return retry(0) if len(done) < 3 else None

    async def work() -> None:
        model = ScriptedModel([call("act", text="x"), say("ok")])
        config = session_with(Hook(id="a", event=HookEvent.POST_TOOL_USE, handler=again))
        async with one_session(model, acts(done, nature), config=config) as session:
            await session.generate("go")

    run(work())
    assert times == len(done)


def test_prompts_are_changed_and_refused_in_order() -> None:
    """On every way in, also from the queue; what is refused leaves no content."""

    async def rewrite(call: HookCall) -> HookAnswer | None:
        text = call.data["prompt"]
        assert isinstance(text, str)
        if "forbidden" in text:
            return block("not here")
        await asyncio.sleep(0.02 if text == "first" else 0)
        return modify(prompt=text.upper())

    async def work() -> None:
        config = session_with(Hook(id="p", event=HookEvent.PRE_PROMPT, handler=rewrite))
        async with one_session(echo(), config=config) as session:
            answers = await asyncio.gather(session.generate("first"), session.generate("second"))
            assert ["re: FIRST", "re: SECOND"] == [answer.text for answer in answers]
            with pytest.raises(Denied, match="not here"):
                await session.generate("forbidden fruit")
            said = [m.text for m in await session.history() if m.role is Role.USER]
            assert ["FIRST", "SECOND"] == said
            assert not any("forbidden" in str(event) for event in await log_of(session))

    run(work())


def test_model_calls_are_blocked_changed_and_repeated() -> None:
    """Before: system prompt and refusal; after: text, refusal and another answer."""

    async def answer_of(*hooks: Hook, script: object = None) -> tuple[str, ScriptedModel]:
        model = ScriptedModel(script or [say("one"), say("two")])  # type: ignore[arg-type]  # a script
        async with one_session(model, config=session_with(*hooks)) as session:
            try:
                return (await session.generate("go")).text, model
            except HoldfastError as error:
                return f"failed: {error.message}", model

    text, model = run(answer_of(hook(HookEvent.GENERATE_START, modify(system_prompt="be kind"))))
    assert ("one", "be kind") == (text, model.requests[0].system)
    text, model = run(answer_of(hook(HookEvent.GENERATE_START, block("no calls"))))
    assert "no calls" in text
    assert [] == model.requests
    assert (
        "kinder" == run(answer_of(hook(HookEvent.GENERATE_END, modify(response_text="kinder"))))[0]
    )
    assert "rude" in run(answer_of(hook(HookEvent.GENERATE_END, block("rude"))))[0]

    async def second(call: HookCall) -> HookAnswer | None:
        return retry(0) if call.data["response_text"] == "one" else None

    again = Hook(id="again", event=HookEvent.GENERATE_END, handler=second)
    assert "two" == run(answer_of(again))[0]
    broken = [fail("down", retryable=False), say("up")]
    assert "up" == run(answer_of(hook(HookEvent.ON_ERROR, retry(0)), script=broken))[0]


def test_a_repeated_answer_is_paid_for_twice() -> None:
    """Money the provider has charged is never forgotten."""

    async def work() -> None:
        async def second(call: HookCall) -> HookAnswer | None:
            return retry(0) if call.data["response_text"] == "one" else None

        model = ScriptedModel([say("one"), say("two")])
        config = session_with(Hook(id="a", event=HookEvent.GENERATE_END, handler=second))
        async with one_session(model, config=config) as session:
            result = await session.generate("go")
            assert 30 == result.usage.total_tokens

    run(work())


def test_a_session_start_may_be_refused() -> None:
    """Nothing of the session remains."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            sessions.hooks.register(hook(HookEvent.SESSION_START, block("full")))
            with pytest.raises(Denied, match="full"):
                await sessions.create_session("one")
            with pytest.raises(SessionNotFound):
                await sessions.get_session("one")

    run(work())


def test_a_session_does_not_go_on_without_its_hooks(tmp_path: Path) -> None:
    """After a restart it is held, and says why, until its engine is registered again."""
    seen: list[HookCall] = []

    async def first() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            await sessions.create_session("one", session_with(hook(HookEvent.PRE_PROMPT, None)))

    async def second() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.get_session("one")
            with pytest.raises(Denied, match="hook engine 'own' is not registered"):
                await session.generate("hello")
            engine = HookEngine("own")
            engine.register(hook(HookEvent.PRE_PROMPT, None, seen))
            sessions.add_hook_engine(engine)
            assert "re: hello" == (await session.generate("hello")).text

    run(first())
    run(second())
    assert ["hello"] == [call.data["prompt"] for call in seen]


def test_a_turn_waits_for_its_hooks_and_says_so(tmp_path: Path) -> None:
    """A turn that was cut off goes on only where its hooks are."""

    async def first() -> None:
        async with on_file(tmp_path, ScriptedModel([hang()])) as sessions:
            session = await sessions.create_session("one", session_with())
            turn = asyncio.create_task(session.generate("hello"))
            while not (await session.view()).open:
                await asyncio.sleep(0.005)
            turn.cancel()

    async def second() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            await sessions.resume_interrupted()
            session = await sessions.get_session("one")
            assert any("hook engine" in reason for reason in await session.waiting_for())
            sessions.add_hook_engine(HookEngine("own"))
            engine = sessions.live(session.where.stream)
            assert engine is not None
            engine.report(Tick())
            while (await session.view()).turn is not None:
                await asyncio.sleep(0.005)
            assert "re: hello" == (await session.history())[-1].text

    run(first())
    run(second())


def test_calls_of_the_program_meet_the_same_hooks() -> None:
    """Neither its tool calls nor its model calls walk round them."""
    done: list[str] = []

    async def work() -> None:
        async with memory(echo(), acts(done)) as sessions:
            sessions.hooks.register(hook(HookEvent.PRE_TOOL_USE, modify(args={"text": "y"})))
            sessions.hooks.register(hook(HookEvent.GENERATE_START, block("no calls")))
            await sessions.create_session("one", UNSAFE)
            await sessions.tool_executor().execute("one", "act", {"text": "x"})
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            with pytest.raises(Denied, match="no calls"):
                await gated.complete(ModelRequest(system="", messages=(user("hi"),), tools=()))

    run(work())
    assert ["y"] == done


def test_cancelling_while_a_hook_thinks() -> None:
    """The call gets the result of a cancelled one; the hook's late word is dropped."""
    done: list[str] = []

    async def work() -> None:
        thinking = asyncio.Event()

        async def slow(call: HookCall) -> None:
            thinking.set()
            await asyncio.sleep(0.1)

        model = ScriptedModel([call("act", text="x"), say("ok"), say("more")])
        config = session_with(Hook(id="s", event=HookEvent.PRE_TOOL_USE, handler=slow))
        async with one_session(model, acts(done), config=config) as session:
            turn = asyncio.create_task(session.generate("go"))
            await thinking.wait()
            assert await session.cancel()
            with pytest.raises(HoldfastError):
                await turn
            ended = [e for e in await log_of(session) if isinstance(e, EffectEnded)]
            assert Outcome.CANCELLED is ended[-1].outcome
            assert "ok" == (await session.generate("next")).text

    run(work())
    assert [] == done


def test_a_call_like_another_is_asked_about_for_itself() -> None:
    """What hooks let happen once they may refuse the next time."""
    done: list[str] = []
    asked: list[str] = []

    async def once(call: HookCall) -> HookAnswer | None:
        asked.append(call.event.value)
        return block("not twice") if len(asked) > 1 else None

    async def work() -> None:
        model = ScriptedModel([call("act", {"text": "x"}), call("act", {"text": "x"}), say("end")])
        config = session_with(Hook(id="once", event=HookEvent.PRE_TOOL_USE, handler=once))
        async with one_session(model, acts(done), config=config) as session:
            await session.generate("go")
            first, second = results(await session.history())
            assert "did x" == first.content
            assert "not twice" in second.content

    run(work())
    assert ["x"] == done


def test_a_call_that_was_begun_is_not_changed(tmp_path: Path) -> None:
    """A hook that changes it holds back another attempt: the first may have happened as it was."""
    done: list[str] = []
    change = hook(HookEvent.PRE_TOOL_USE, modify(args={"text": "other"}))

    async def first() -> None:
        began = asyncio.Event()

        async def act(text: str = "") -> str:
            began.set()
            await asyncio.sleep(LIMIT_S)
            return ""

        slow = tool(act, nature=Nature.IDEMPOTENT, params=["text"])
        model = ScriptedModel([call("act", {"text": "x"})])
        async with on_file(tmp_path, model, slow) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            turn = asyncio.create_task(session.generate("go"))
            await began.wait()
            turn.cancel()

    async def second() -> None:
        model = ScriptedModel([say("end")])
        async with on_file(tmp_path, model, acts(done, Nature.IDEMPOTENT)) as sessions:
            sessions.hooks.register(change)
            await sessions.resume_interrupted()
            session = await sessions.get_session("one")
            while (await session.view()).turn is not None:
                await asyncio.sleep(0.005)
            (result,) = results(await session.history())
            assert "another attempt was denied" in result.content
            assert not [event for event in await log_of(session) if isinstance(event, Modified)]

    run(first())
    run(second())
    assert [] == done


def test_a_prompt_that_a_hook_made_longer_is_reserved_for_at_its_length() -> None:
    """What the embedding program's model call holds is the most that what is sent may cost."""

    async def work() -> None:
        config = SessionConfig(budget=Budget(tokens=1_000_000))
        async with memory(ScriptedModel([say("a"), say("b")])) as sessions:
            session = await sessions.create_session("one", config)
            gated = await sessions.get_llm_for_session("one")
            assert gated is not None
            asks = ModelRequest(system="", messages=(user("hi"),), tools=())
            await gated.complete(asks)
            longer = modify(system_prompt="x" * 40_000)
            sessions.hooks.register(hook(HookEvent.GENERATE_START, longer))
            await gated.complete(asks)
            starts = [event for event in await log_of(session) if isinstance(event, EffectStarted)]
            plain, changed = (amount for event in starts for _, amount in event.takes)
            assert plain + 5_000 < changed

    run(work())
