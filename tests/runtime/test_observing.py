"""What OpenTelemetry is told of runs and calls: the tree, the names, and nothing secret."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import Cancelled, HoldfastError, ProviderFailed, Unavailable
from holdfast.core.hooks import HookCall, HookEvent
from holdfast.core.labels import Sensitivity
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelReply
from holdfast.ports.tool import Tool
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.hooks import Hook, HookEngine
from holdfast.runtime.hookviews import SessionWords
from holdfast.runtime.observing import CONTENT_CHARS_MAX, DURATION, TOKENS, TOO_LONG
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import Failure, Turn, call, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, on_file, one_session, run, tool, until
from tracekit import Kept

CARD = "4111 1111 1111 1111"
PASSWORD = "correct-horse-battery"
SECRETS = (CARD, PASSWORD, "ann@example.org", "piper", "canary")


def look(query: str = "") -> str:
    """Look something up."""
    return f"found canary, {CARD}, password: {PASSWORD}"


def breaks() -> str:
    """Fail."""
    raise ValueError(f"canary {CARD}")


def traced(kept: Kept, model: ScriptedModel, *tools: Tool) -> SessionManager:
    """A manager in memory that tells."""
    sessions = memory(model, *tools)
    sessions.telemetry = kept.telemetry
    return sessions


def test_a_run_is_a_tree_of_calls_and_nothing_said_is_in_it() -> None:
    """Names, kinds and attributes are those of the GenAI conventions."""
    kept = Kept()
    turns = [
        call("look", {"query": f"canary of {CARD}"}),
        say(f"canary: {CARD}, {PASSWORD}"),
    ]

    async def work() -> None:
        async with traced(kept, ScriptedModel(turns, provider="openai"), look_tool()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.generate(f"I am piper, ann@example.org; canary {CARD}, {PASSWORD}")

    run(work())
    chat = "chat scripted"
    assert [
        ("invoke_agent", ""),
        (chat, "invoke_agent"),
        ("execute_tool look", "invoke_agent"),
        (chat, "invoke_agent"),
    ] == parents(kept)
    agent, first, looked, second = kept.spans
    assert {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.conversation.id": "one",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 10,
        "holdfast.outcome": "completed",
        "holdfast.run": 2,
    } == dict(agent.attributes or {})
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "one",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ("tool_use",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "holdfast.outcome": "done",
    } == dict(first.attributes or {})
    assert {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.conversation.id": "one",
        "gen_ai.tool.name": "look",
        "gen_ai.tool.type": "function",
        "holdfast.outcome": "done",
    } == dict(looked.attributes or {})
    kinds = [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert kinds == [one.kind for one in kept.spans]
    assert ("stop",) == (second.attributes or {})["gen_ai.response.finish_reasons"]
    assert all(one.status.status_code is StatusCode.UNSET for one in kept.spans)
    told = kept.text()
    assert [] == [secret for secret in SECRETS if secret in told]


def look_tool() -> Tool:
    """The tool `look`."""
    return tool(look, params=["query"])


def parents(kept: Kept) -> list[tuple[str, str]]:
    """Each span and what it is a part of, in order."""
    names = {one.context.span_id: one.name for one in kept.spans}
    return [(one.name, names[one.parent.span_id] if one.parent else "") for one in kept.spans]


def test_figures_are_tokens_and_seconds() -> None:
    """By model and provider; of runs, calls of models and of tools."""
    kept = Kept()

    async def work() -> None:
        turns = [call("look", {}), say("done")]
        async with traced(kept, ScriptedModel(turns), look_tool()) as sessions:
            await (await sessions.create_session("one", UNSAFE)).generate("go")

    run(work())
    tokens = {(p.attributes or {})["gen_ai.token.type"]: p.sum for p in kept.figures(TOKENS)}
    assert {"input": 20, "output": 10} == tokens
    point = next(iter(kept.figures(TOKENS)))
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
    }.items() <= dict(point.attributes or {}).items()
    assert (1, 4, 16) == tuple(point.explicit_bounds[:3])
    counts = {
        (p.attributes or {})["gen_ai.operation.name"]: p.count for p in kept.figures(DURATION)
    }
    assert {"invoke_agent": 1, "chat": 2, "execute_tool": 1} == counts


@pytest.mark.parametrize(
    ("turn", "name", "code", "run_code"),
    [
        (Turn(steps=(), failure=Failure(message="canary")), "chat scripted", "provider", "x"),
        (call("breaks", {}), "execute_tool breaks", "tool_failed", ""),
    ],
)
def test_what_fails_has_a_code_and_no_message(
    turn: Turn, name: str, code: str, run_code: str
) -> None:
    """The status of its span is an error, and the figure of its time is told apart."""
    kept = Kept()

    async def work() -> None:
        turns = [turn, say("well")]
        async with traced(kept, ScriptedModel(turns), tool(breaks)) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            with suppress(ProviderFailed):
                await session.generate("go")

    run(work())
    failed = next(one for one in kept.spans if one.name == name)
    assert StatusCode.ERROR is failed.status.status_code
    told = str((failed.attributes or {})["error.type"])
    assert told.startswith(code)
    assert "canary" not in kept.text()
    agent = kept.one("invoke_agent")
    assert (told if run_code else None) == (agent.attributes or {}).get("error.type")
    codes = {(p.attributes or {}).get("error.type") for p in kept.figures(DURATION)}
    assert told in codes


def test_words_from_outside_are_known_ones() -> None:
    """What a provider says that is no name of a model, and why it stopped, is not told."""
    kept = Kept()

    class Odd(ScriptedModel):
        def _reply(self, turn: Turn) -> ModelReply:
            return ModelReply(parts=(), model="canary of\nann", provider="", stop="canary")

    async def work() -> None:
        async with traced(kept, Odd([say("")])) as sessions:
            await (await sessions.create_session("one", UNSAFE)).generate("go")

    run(work())
    attributes = kept.one("chat scripted").attributes or {}
    assert "_OTHER" == attributes["gen_ai.response.model"]
    assert ("_OTHER",) == attributes["gen_ai.response.finish_reasons"]
    assert "canary" not in kept.text()


def test_who_asks_has_the_run_in_their_trace_and_tools_go_on_in_it() -> None:
    """Also a session that a tool opens, and what the embedding program calls itself."""
    kept = Kept()
    seen: list[str] = []

    async def work() -> None:
        tracer = kept.tracers.get_tracer("program")

        async def ask() -> str:
            """Ask another session."""
            with tracer.start_as_current_span("in the tool"):
                below = await sessions.create_session("two", UNSAFE)
                seen.append((await below.generate("and you?")).text)
            return "asked"

        turns = [call("ask", {}), say("below"), say("done")]
        sessions = traced(kept, ScriptedModel(turns), tool(ask), look_tool())
        async with sessions:
            session = await sessions.create_session("one", UNSAFE)
            with tracer.start_as_current_span("the program"):
                await session.generate("go")
                await sessions.tool_executor().execute("one", "look", {})

    run(work())
    assert ["below"] == seen
    runs = [one for one in parents(kept) if one[0] != "chat scripted"]
    assert [
        ("the program", ""),
        ("invoke_agent", "the program"),
        ("execute_tool ask", "invoke_agent"),
        ("in the tool", "execute_tool ask"),
        ("invoke_agent", "in the tool"),
        ("execute_tool look", "the program"),
    ] == runs
    assert 1 == len({one.context.trace_id for one in kept.spans})
    assert not trace.get_current_span().get_span_context().is_valid


def test_what_is_cut_off_ends_all_the_same() -> None:
    """A cancelled call, and a manager that is closed in the middle of one."""
    kept = Kept()

    async def work() -> None:
        model = ScriptedModel([hang("a "), hang("b ")])
        async with traced(kept, model) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            going = asyncio.create_task(session.generate("go"))
            await model.hanging.wait()
            await session.cancel()
            with pytest.raises(Cancelled):
                await going
            again = asyncio.create_task(session.generate("again"))
            await until(lambda: len(model.requests) == 2 and model.hanging.is_set())
        with pytest.raises(HoldfastError):
            await again

    run(work())
    told = [(one.name, (one.attributes or {}).get("holdfast.outcome")) for one in kept.spans]
    assert [
        ("invoke_agent", "cancelled"),
        ("chat scripted", "cancelled"),
        ("invoke_agent", "interrupted"),
        ("chat scripted", None),
    ] == told
    assert "interrupted" == (kept.spans[-1].attributes or {})["error.type"]


# --- content ----------------------------------------------------------------------------------


def contents(kept: Kept) -> Iterator[str]:
    """All content that was told."""
    for one in kept.spans:
        for name, value in (one.attributes or {}).items():
            if name.endswith((".messages", ".result")):
                yield str(value)


def test_content_is_told_where_it_is_wanted_without_what_is_secret() -> None:
    """What stands above normal has names; a long text is cut."""
    kept = Kept(content=True)
    long = "word " * CONTENT_CHARS_MAX

    async def work() -> None:
        turns = [call("look", {"query": "weather"}), say(f"My password: {PASSWORD}. {long}")]
        async with traced(kept, ScriptedModel(turns), look_tool()) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            await session.generate(f"The card is {CARD}; what is the weather?")
            await until(lambda: len(kept.spans) == 4)

    run(work())
    agent, first, looked, second = kept.spans
    asked = json.loads(str((agent.attributes or {})["gen_ai.input.messages"]))
    assert "user" == asked[0]["role"]
    assert "what is the weather?" in asked[0]["parts"][0]["content"]
    wished = json.loads(str((first.attributes or {})["gen_ai.output.messages"]))
    (part,) = wished[0]["parts"]
    assert ("tool_call", "look") == (part["type"], part["name"])
    assert "found" in str((looked.attributes or {})["gen_ai.tool.call.result"])
    answer = json.loads(str((second.attributes or {})["gen_ai.output.messages"]))
    assert answer[0]["parts"][0]["content"].endswith(TOO_LONG)
    told = kept.text()
    assert [] == [secret for secret in (CARD, PASSWORD, "4111") if secret in told]


def test_content_that_is_not_looked_at_is_not_told() -> None:
    """Of a session without content security nothing is, whatever the setting."""
    kept = Kept(content=True)

    async def work() -> None:
        async with traced(kept, ScriptedModel([say("canary")])) as sessions:
            off = SessionConfig(security_config=SecurityConfig(enabled=False))
            await (await sessions.create_session("one", off)).generate("canary")

    run(work())
    assert ([], 2) == (list(contents(kept)), len(kept.spans))
    assert "canary" not in kept.text()


def test_what_a_wiped_session_said_is_not_told_any_more() -> None:
    """Its values are not known any more when its content would be looked through."""
    kept = Kept(content=True)

    async def work() -> None:
        model = ScriptedModel([hang(f"canary {CARD} ")])
        async with traced(kept, model) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            going = asyncio.create_task(session.generate("go"))
            await model.hanging.wait()
            await sessions.terminate_session("one")
            await asyncio.wait({going})

    run(work())
    assert {"invoke_agent", "chat scripted"} == {one.name for one in kept.spans}
    assert CARD not in kept.text()


def test_content_of_a_session_that_was_wiped_meanwhile_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What its values were was not known any more while it was looked through."""
    kept = Kept(content=True)

    async def hide(words: SessionWords, text: str, level: Sensitivity) -> str:
        words._taints.forgotten = True
        return text

    async def refuse(words: SessionWords, text: str, level: Sensitivity) -> str:
        raise Unavailable("canary")

    async def work(id: str) -> None:
        async with traced(kept, ScriptedModel([say("canary")])) as sessions:
            await (await sessions.create_session(id, UNSAFE)).generate("go")

    for number, way in enumerate((hide, refuse)):
        monkeypatch.setattr(SessionWords, "hide", way)
        run(work(f"s{number}"))
    assert ([], 4) == (list(contents(kept)), len(kept.spans))
    assert "canary" not in kept.text()


def test_an_unknown_usage_and_no_telemetry_are_fine() -> None:
    """Nobody is told anything, and nothing is asked of anybody."""

    async def work() -> None:
        model = ScriptedModel([say("done")], usage=Usage())
        async with one_session(model) as session:
            assert "done" == (await session.generate("go")).text

    run(work())


def test_a_run_that_another_process_began_goes_on_in_a_trace_of_its_own(tmp_path: Path) -> None:
    """It says that it is resumed; what was in doubt is not told twice."""
    kept = Kept()

    async def work() -> None:
        model = ScriptedModel([hang("a ")])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            going = asyncio.create_task(session.generate("go"))
            await model.hanging.wait()
        await asyncio.wait({going})
        going.exception()
        again = on_file(tmp_path, ScriptedModel([say("done")]))
        again.telemetry = kept.telemetry
        async with again as sessions:
            await sessions.resume_interrupted()
            await until(lambda: len(kept.spans) == 2)

    run(work())
    assert [("invoke_agent", ""), ("chat scripted", "invoke_agent")] == parents(kept)
    agent, chat = kept.spans
    assert (True, "completed") == (
        (agent.attributes or {})["holdfast.resumed"],
        (agent.attributes or {})["holdfast.outcome"],
    )
    assert 2 == (chat.attributes or {})["holdfast.attempt"]


def test_what_cannot_be_told_fails_no_session(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong with how it is told; the log says where, and not what."""
    kept = Kept(content=True)

    class Looks:
        words = taints = None

        def security(self, view: object) -> None:
            raise ValueError("canary")

    async def work() -> None:
        async with traced(kept, ScriptedModel([say("done")])) as sessions:
            session = await sessions.create_session("one", UNSAFE)
            engine = await sessions.engine(await sessions.locate("one"))
            looks: Any = Looks()
            engine.observing.look_through(looks, lambda telling: telling.close())
            assert "done" == (await session.generate("go")).text

    with caplog.at_level(logging.ERROR, "holdfast"):
        run(work())
    assert "could not be told" in caplog.text
    assert "canary" not in caplog.text


def test_what_an_engine_does_by_itself_is_no_part_of_who_began_it() -> None:
    """A hook that is asked in a later run sees nothing of the trace that the first was in."""
    kept = Kept()
    seen: list[object] = []

    async def work() -> None:
        engine = HookEngine("own")

        async def asked(given: HookCall) -> None:
            seen.append(kept.telemetry.current())

        engine.register(Hook(id="h", event=HookEvent.PRE_TOOL_USE, handler=asked))
        turns = [call("look", {}), say("done")]
        async with traced(kept, ScriptedModel(turns), look_tool()) as sessions:
            tracer = kept.tracers.get_tracer("program")
            with tracer.start_as_current_span("the program"):
                config = SessionConfig(unsafe_auto_approve=True, hook_engine=engine)
                session = await sessions.create_session("one", config)
            await session.generate("go")

    run(work())
    assert [None] == seen
