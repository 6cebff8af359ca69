"""What a model, a tool, a hook and the reader are shown, through whole sessions."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from contenthelp import (
    CARD,
    EMAIL,
    PASSWORD,
    SECRETS,
    all_sent,
    leaked,
    names_in,
    public,
    quick,
    sent,
    shown,
)
from holdfast.adapters.tools.function import FunctionTool
from holdfast.core.findings import TaintMatch
from holdfast.core.flows import Flow, Role, Sink
from holdfast.core.hooks import HookAnswer, HookCall, HookEvent
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Thinking, ToolUse
from holdfast.core.security import Security, Zone
from holdfast.core.tools import ToolSpec
from holdfast.ports.model import ModelRequest
from holdfast.ports.tool import ToolContext, ToolOutcome
from holdfast.runtime.approvals import Approval
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.hooks import Hook, HookEngine
from holdfast.runtime.securing import Features, SecurityConfig
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.tainting import Taints
from holdfast.runtime.veil import LiveOutput
from holdfast.testing.script import Say, Think, Turn, call, fail, make_call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import NO_SINK, UNSAFE, memory, on_file, one_session, run, tool

FOUND = f"mail {EMAIL}, card {CARD}, the password is {PASSWORD}"


def fetch() -> ToolOutcome:
    """A tool whose results hold all three values, also beside the text."""
    return ToolOutcome(content=FOUND, metadata={"card": CARD, "n": 1})


def fetching() -> FunctionTool:
    """The tool."""
    return tool(fetch)


Reply = Callable[[ModelRequest, list[str]], Turn]


def with_names(reply: Reply) -> Callable[[ModelRequest], Turn]:
    """An answer made of the names that the request holds: e-mail, card, password."""
    return lambda request: reply(request, names_in(sent(request)))


# --- to a model ----------------------------------------------------------------------------


def test_a_public_model_is_told_names_only(tmp_path: Path) -> None:
    """Prompt, user's words, results and earlier answers hold names, the same after a restart."""

    def repeat(request: ModelRequest, names: list[str]) -> Turn:
        return say(f"I read {' and '.join(names)}.")

    async def work() -> None:
        config = SessionConfig(
            unsafe_auto_approve=True, system_prompt=f"You serve {EMAIL} and nobody else."
        )
        model = public([call("fetch"), with_names(repeat)])
        async with on_file(tmp_path, model, fetching(), detectors=quick()) as sessions:
            session = await sessions.create_session("one", config)
            await session.generate(f"Look after {EMAIL.upper()} please")
        first = names_in(all_sent(model))
        assert 3 == len(first), first
        again = public([say("yes")])
        async with on_file(tmp_path, again, fetching(), detectors=quick()) as sessions:
            session = await sessions.get_session("one")
            await session.generate(f"And {EMAIL}?")
        assert [] == leaked(all_sent(model).casefold(), map(str.casefold, SECRETS))
        assert [] == leaked(all_sent(again).casefold(), map(str.casefold, SECRETS))
        assert set(first) == set(names_in(all_sent(again)))
        assert f"You serve {first[0]} and nobody else." == again.requests[0].system
        assert 5 <= all_sent(again).count(first[0])

    run(work())


def test_a_request_is_looked_through_once_however_long_the_conversation() -> None:
    """What was swapped stays so until a value comes; what drops off at the front costs nothing."""

    async def work() -> None:
        model = public(say("ok") for _ in range(40))
        detectors = quick()
        async with memory(model, detectors=detectors) as sessions:
            session = await sessions.create_session("one")
            await session.generate(f"mail {EMAIL}")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            veil = engine.workers.content.veil
            scans: list[str] = []
            swap = veil.swap

            async def counted(text: str, clear: Sensitivity, *, exact: bool = False) -> str:
                scans.append(text)
                return await swap(text, clear, exact=exact)

            veil.swap = counted  # type: ignore[method-assign]  # counts, and goes on
            for at in range(20):
                await session.generate(f"turn {at}")
            turns = [text for text in scans if text.startswith("turn")]
            assert [f"turn {at}" for at in range(20)] == turns
            messages = engine.bodies.render(10_000)
            whole = (await veil.for_model("", messages, Sensitivity.NORMAL))[1]
            scans.clear()
            rest = (await veil.for_model("", messages[3:], Sensitivity.NORMAL))[1]
            assert whole[3:] == rest and [""] == scans
            assert [] == leaked(all_sent(model))

    run(work())


def test_a_local_model_is_told_everything() -> None:
    """Where nothing leaves the machine nothing is renamed."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), say("ok")])
        async with one_session(model, fetching(), detectors=quick()) as session:
            await session.generate(f"mail {EMAIL}")
        assert [EMAIL] == leaked(all_sent(model)), "card and password are not its reader's"

    run(work())


def test_what_a_model_may_see_is_a_matter_of_level() -> None:
    """A model that may see what is Sensitive is told the address, but not the card."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), say("ok")], zone=Zone.PRIVATE)
        open_to_all = SecurityConfig(reader="critical")
        config = SessionConfig(unsafe_auto_approve=True, security_config=open_to_all)
        async with one_session(model, fetching(), config=config, detectors=quick()) as session:
            await session.generate("go")
        assert [EMAIL] == leaked(all_sent(model))

    run(work())


# --- to a tool -----------------------------------------------------------------------------


class Noting:
    """A tool that notes what it was given."""

    def __init__(self, spec: ToolSpec) -> None:
        self.spec = spec
        self.got: list[dict[str, object]] = []

    async def run(self, arguments: Mapping[str, object], context: ToolContext) -> ToolOutcome:
        """Note it and repeat it."""
        self.got.append(dict(arguments))
        return ToolOutcome(content=f"done with {json.dumps(dict(arguments))}")


def noting(**options: object) -> Noting:
    """A tool with free arguments, a path and a command line."""
    names = ("text", "path", "command")
    kinds: dict[str, object] = {name: {"type": "string"} for name in names}
    kinds["more"] = {"type": "object"}
    schema = {"type": "object", "properties": kinds, "additionalProperties": False}
    spec = ToolSpec(
        name="note",
        description="Notes it.",
        parameters=json.dumps(schema),
        flow=NO_SINK,
        **options,  # type: ignore[arg-type]  # fields of a spec
    )
    return Noting(spec)


def test_a_tool_gets_the_values_back() -> None:
    """Also within lists and mappings; the log, the stream and the hooks have the names."""
    note = noting()

    def use(request: ModelRequest, names: list[str]) -> Turn:
        email, card, password = names
        more = {"all": [card, {"deep": f"<{password.lower()}>"}], "n": 3, "none": None}
        return call("note", {"text": f"to {email}", "more": more}, text=f"I use {card}")

    async def work() -> None:
        model = public([call("fetch"), with_names(use), say("ok")])
        async with one_session(model, fetching(), note, detectors=quick()) as session:
            events = [event async for event in session.stream("go")]
            history = await session.history()
        deep = [CARD, {"deep": f"<{PASSWORD}>"}]
        assert [{"text": f"to {EMAIL}", "more": {"all": deep, "n": 3, "none": None}}] == note.got
        assert [] == leaked(all_sent(model))
        for values in (events, history):
            assert [] == leaked(values, (CARD, PASSWORD))

    run(work())


def test_never_within_a_path(tmp_path: Path) -> None:
    """Where a call goes was judged by the name, so it keeps it."""
    note = noting(path_params=("path",))

    def use(request: ModelRequest, names: list[str]) -> Turn:
        return call("note", {"text": names[1], "path": f"{names[1]}.txt"})

    async def work() -> None:
        config = SessionConfig(unsafe_auto_approve=True, workspace=str(tmp_path))
        model = public([call("fetch"), with_names(use), say("ok")])
        async with one_session(
            model,
            fetching(),
            note,
            config=config,
            detectors=quick(),
        ) as session:
            await session.generate("go")
        (got,) = note.got
        assert CARD == got["text"]
        assert [] == leaked(got["path"]) and "PRIVATE-CREDIT-CARD-" in str(got["path"])

    run(work())


@pytest.mark.parametrize(
    ("code", "safe"), [("QX1:2/3QX", True), ("QX7;touch$(id)QX", False), ("QX two QX", False)]
)
def test_within_a_command_line_only_what_no_shell_reads_as_more(code: str, safe: bool) -> None:
    """A value with a space or a semicolon is not run; the model is told by name."""
    note = noting(command_param="command")

    def secret() -> str:
        return f"it is {code}."

    def use(request: ModelRequest, names: list[str]) -> Turn:
        return call("note", {"command": f"echo {names[0]}"})

    async def work() -> None:
        model = public([call("secret"), with_names(use), say("ok")])
        rule = {"name": "door_code", "pattern": "QX.*QX", "level": "critical"}
        config = SessionConfig(
            unsafe_auto_approve=True, security_config=SecurityConfig(classification_rules=(rule,))
        )
        async with one_session(
            model,
            tool(secret),
            note,
            config=config,
            detectors=quick(),
        ) as session:
            await session.generate("go")
            history = await session.history()
        assert ([{"command": f"echo {code}"}] if safe else []) == note.got
        assert [] == leaked(history, (code,))
        assert safe or "cannot stand in a command line" in repr(history)

    run(work())


def test_another_sessions_name_leads_nowhere() -> None:
    """A name that one session was told means nothing in another."""
    note = noting()
    stolen: list[str] = []

    def steal(request: ModelRequest, names: list[str]) -> Turn:
        stolen.extend(names)
        return say("seen")

    async def work() -> None:
        script = [
            call("fetch"),
            with_names(steal),
            lambda request: call("note", {"text": " ".join(stolen)}),
            say("ok"),
        ]
        model = public(script)
        async with memory(model, fetching(), note, detectors=quick()) as sessions:
            await (await sessions.create_session("one", UNSAFE)).generate("go")
            await (await sessions.create_session("two", UNSAFE)).generate("go")
        assert [{"text": " ".join(stolen)}] == note.got and 3 == len(stolen)

    run(work())


# --- to the reader --------------------------------------------------------------------------


def chunked(text: str, size: int) -> tuple[str, ...]:
    """A text in pieces."""
    return tuple(text[at : at + size] for at in range(0, len(text), size))


def said(pieces: Sequence[str], thoughts: Sequence[str]) -> Turn:
    """An answer in these deltas, after these thoughts, with a call."""
    return Turn(
        steps=(
            Think(tuple(thoughts), "signed"),
            Say(tuple(pieces)),
            make_call("note", {"text": f"x {CARD} {PASSWORD}"}),
        )
    )


async def streamed(size: int, *, config: SessionConfig = UNSAFE) -> list[StreamEvent]:
    """The events of a run in which a model says all values that it was told."""
    words = f"The card {CARD} and {PASSWORD} of {EMAIL}. " * 2 + "That is all."
    script = [call("fetch"), said(chunked(words, size), chunked(words, size + 1)), say("ok")]
    async with one_session(
        ScriptedModel(script),
        fetching(),
        noting(),
        config=config,
        detectors=quick(),
    ) as session:
        return [event async for event in session.stream("go")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 40, 1000])
def test_no_chunking_lets_a_value_through(size: int) -> None:
    """Deltas, turn_end, tool_end and agent_end hold what the reader may see and no more."""
    events = run(streamed(size))
    for type in ("text_delta", "thinking_delta", "turn_end", "tool_end", "agent_end", ""):
        text = shown(events, type) if type else repr(events)
        assert [] == leaked(text, (CARD, PASSWORD)), type
    deltas = shown([e for e in events if e.type == "text_delta"])
    assert EMAIL in deltas and "That is all." in deltas
    assert "[REDACTED:CREDIT_CARD]" in deltas


def test_offsets_are_those_of_what_was_shown() -> None:
    """A reader that puts deltas together by their offsets has what turn_end says."""
    events = run(streamed(5))
    text = ""
    for event in events:
        if event.type == "text_delta" and event.version == events[-1].version:
            assert len(text) == event.data["offset"]
            text += str(event.data["text"])
    ends = [str(event.data["text"]) for event in events if event.type == "turn_end"]
    deltas = [event for event in events if event.type == "text_delta"]
    assert "".join(str(event.data["text"]) for event in deltas) == "".join(ends)


@pytest.mark.parametrize(("reader", "hidden"), [("normal", 3), ("sensitive", 2), ("critical", 0)])
def test_the_reader_has_a_level(reader: str, hidden: int) -> None:
    """What an answer says is shown up to the reader's level."""
    config = SessionConfig(unsafe_auto_approve=True, security_config=SecurityConfig(reader=reader))
    text = shown(run(streamed(4, config=config)), "text_delta", "turn_end", "tool_end")
    assert hidden == len(SECRETS) - len(leaked(text))


@pytest.mark.parametrize("which", [0, 1])
def test_an_encoded_value_is_as_secret_as_it_is_in_plain(which: int) -> None:
    """A tool that may have what is Sensitive is not given a password by the name of its base64."""
    packed = base64.b64encode(PASSWORD.encode()).decode()
    got: list[str] = []

    def find() -> ToolOutcome:
        return ToolOutcome(content=f"the password is {PASSWORD}; again, packed: {packed}")

    def keep(text: str) -> str:
        got.append(text)
        return "kept"

    def keeping(_request: ModelRequest, names: list[str]) -> Turn:
        assert 2 == len(names)
        return call("keep", {"text": names[which]})

    async def work() -> str:
        flow = Flow(sink=Sink.WRITE, roles=(("text", Role.PAYLOAD),), accepts=Sensitivity.SENSITIVE)
        tools = tool(find), tool(keep, params=["text"], flow=flow)
        model = public([call("find"), with_names(keeping), say("done")])
        config = SessionConfig(
            permission_policy={"allow": ["find", "keep"]},
            security_config=SecurityConfig(reader="sensitive"),
        )
        asked: list[str] = []

        async def person(approval: Approval) -> str:
            asked.append(approval.text)
            return "deny"

        async with one_session(model, *tools, config=config, detectors=quick()) as session:
            attendant = session.on_approval(person)
            await session.generate("go")
            attendant.close()
        return "".join(asked)

    assert "password" in run(work()) and [] == got


def test_the_sanitiser_can_be_switched_off() -> None:
    """Then the reader is shown everything."""
    off = SecurityConfig(features=Features(output_sanitizer=False))
    config = SessionConfig(unsafe_auto_approve=True, security_config=off)
    assert 3 == len(leaked(shown(run(streamed(4, config=config)), "text_delta")))


def test_hooks_logs_and_results_have_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """Every hook around calls, every log line, and what `generate` returns."""
    seen: list[dict[str, object]] = []

    async def handler(call: HookCall) -> HookAnswer | None:
        seen.append({"event": str(call.event), **call.data})
        return None

    engine = HookEngine("own")
    for event in HookEvent:
        engine.register(Hook(id=event.value, event=event, handler=handler))

    def use(request: ModelRequest, names: list[str]) -> Turn:
        return call("note", {"text": " ".join(names[1:])})

    async def work() -> None:
        model = public([call("fetch"), with_names(use), said([CARD], [PASSWORD]), say(CARD)])
        config = SessionConfig(unsafe_auto_approve=True, hook_engine=engine)
        async with one_session(
            model,
            fetching(),
            noting(),
            config=config,
            detectors=quick(),
        ) as session:
            result = await session.generate("go")
            assert [] == leaked((result, await session.history()), (CARD, PASSWORD))

    with caplog.at_level(logging.DEBUG):
        run(work())
    events = {one["event"] for one in seen}
    assert {"post_tool_use", "pre_tool_use", "generate_start", "generate_end"} <= events
    assert [] == [one for one in seen if leaked(one, (CARD, PASSWORD))]
    assert [] == leaked(caplog.text)


def test_a_model_tells_no_value_in_a_calls_name_or_in_an_error() -> None:
    """Nor does a provider that repeats what it was sent."""

    async def work() -> None:
        odd = call(CARD, {}, id=f"id {PASSWORD}")
        model = ScriptedModel([call("fetch"), odd, fail(f"cannot parse {CARD}")])
        async with one_session(model, fetching(), detectors=quick()) as session:
            events = [event async for event in session.stream("go")]
            history = await session.history()
        assert {"permission_denied", "error"} <= {event.type for event in events}
        assert [] == leaked((events, history), (CARD, PASSWORD))

    run(work())


def test_a_tool_that_fails_tells_no_value(caplog: pytest.LogCaptureFixture) -> None:
    """An exception's message is looked at like any result."""

    def broken() -> str:
        raise ValueError(f"cannot use {CARD}")

    async def work() -> None:
        model = public([call("broken"), say("ok")])
        async with one_session(model, tool(broken), detectors=quick()) as session:
            events = [event async for event in session.stream("go")]
            assert [] == leaked((events, await session.history(), all_sent(model)))

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert [] == leaked(caplog.text)


def test_what_a_tool_prints_is_shown_line_by_line() -> None:
    """A value that comes in pieces is whole when it is looked at; a key is one piece."""
    pieces: list[str] = []

    def publish(type: str, data: dict[str, object]) -> None:
        pieces.append(f"{type}:{data.get('delta', data)}")

    class Told:
        """A registry that knows one value."""

        key = b"k"

        async def scan(self, text: str) -> tuple[TaintMatch, ...]:
            at = text.find("secretvalue")
            found = TaintMatch(
                id="00", kind="token", level=Sensitivity.CRITICAL, start=at, end=at + 11
            )
            return (found,) if at >= 0 else ()

    async def work() -> None:
        classify = quick().classifier(Security())
        told = Told()
        live = LiveOutput(
            publish,
            Security(),
            lambda text: classify.classify(text).findings,
            told,  # type: ignore[arg-type]  # the part of it that is used
        )
        live("other", {"a": 1})
        for piece in ("one secret", "value\n", f"card {CARD[:8]}", f"{CARD[8:]} {EMAIL}\nrest"):
            live("tool_output_delta", {"id": "c", "delta": piece})
        await live.finish()

    run(work())
    text = "".join(pieces)
    assert "other:{'a': 1}" == pieces[0]
    assert "secret" not in text and [EMAIL] == leaked(text)
    assert "[REDACTED:TOKEN]" in text and "[REDACTED:CREDIT_CARD]" in text and "rest" in text


def test_output_that_cannot_be_looked_at_is_not_shown() -> None:
    """A classifier's bug ends what is shown, and is no crash."""
    pieces: list[str] = []

    def classify(text: str) -> tuple[TaintMatch, ...]:
        raise ValueError(text)

    async def work() -> None:
        live = LiveOutput(
            lambda type, data: pieces.append(str(data)),
            Security(),
            classify,
            object.__new__(Taints),
        )
        live("tool_output_delta", {"id": "c", "delta": "a\n"})
        await live.finish()

    run(work())
    assert [] == pieces


def test_a_thought_keeps_its_signature() -> None:
    """Only what the reader may not see is taken out of an answer's parts."""

    async def work() -> None:
        model = ScriptedModel([call("fetch"), said(["hi"], [f"hm {CARD}"]), say("ok")])
        async with one_session(model, fetching(), noting(), detectors=quick()) as session:
            await session.generate("go")
            answer = (await session.history())[3]
        (thought,) = [part for part in answer.parts if isinstance(part, Thinking)]
        assert ("hm [REDACTED:CREDIT_CARD]", "signed") == (thought.text, thought.signature)
        (use,) = [part for part in answer.parts if isinstance(part, ToolUse)]
        assert [] == leaked(use.arguments)
        assert ["text"] == list(json.loads(use.arguments))

    run(work())
