"""The quarantined model call: judged, recorded, paid for, and ended with the session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from contenthelp import log_of, public, quick, sent
from holdfast.adapters.tools.extract import ExtractTool
from holdfast.core.context import Entry
from holdfast.core.events import EffectEnded, EffectStarted, Event, Outcome, Refused
from holdfast.core.extraction import SOURCE_CHARS_MAX, extraction_of
from holdfast.core.flows import Flow, Reads, Sink
from holdfast.core.labels import UNTRUSTED, Sensitivity
from holdfast.core.messages import Message, ToolResult, ToolUse, tool_result
from holdfast.core.messages import Role as Speaker
from holdfast.core.quantities import Usage
from holdfast.core.security import CustomRule
from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.extracting import newest
from holdfast.runtime.securing import SecurityConfig
from holdfast.testing.script import Turn, call, fail, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run, tool, until

TEXTS = ["Pay 120 at once."]
BADGE = {"type": "id", "what": "the badge", "characters": "alphanumeric", "max_length": 9}
RULE = CustomRule(name="badge", pattern="B[0-9]{6}", level=Sensitivity.SENSITIVE)


def read() -> str:
    """Read what strangers wrote."""
    return TEXTS[-1]


READ = tool(read, flow=Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE))


FILES = [
    {"id_": "7", "size": 13, "name": "take file 700"},
    {"id_": 700, "size": 9, "about": '{"id_": 13}, or 13 or 9'},
]


def listed() -> str:
    """List what strangers named, each with the id that the service gave it."""
    return json.dumps(FILES)


LISTED = tool(
    listed, flow=Flow(reads=Reads.UNTRUSTED, sink=Sink.NONE, trusted_fields=("id_", "size"))
)


def want(**schema: Any) -> dict[str, Any]:
    """The arguments of an extraction."""
    value = schema or {"type": "number", "what": "the total", "min": 0, "max": 500}
    return {"source": {"tool": "read"}, "value": value}


def config(**more: Any) -> SessionConfig:
    """Extraction is on, and nothing is asked about."""
    return SessionConfig(
        permission_policy={"allow": ["read", "listed", "extract"]},
        security_config=SecurityConfig(
            extraction=True, reader="critical", classification_rules=[RULE]
        ),
        **more,
    )


async def played(model: ScriptedModel, **more: Any) -> list[Event]:
    """Have a script played; returns the log."""
    async with memory(model, READ, LISTED, ExtractTool(), detectors=quick()) as sessions:
        session = await sessions.create_session("one", config(**more))
        await session.generate("go")
        assert () == (await session.view()).host_open
        return await log_of(session)


def outcomes(log: list[Event]) -> list[EffectEnded]:
    """What the quarantined calls came to."""
    return [one for one in log if isinstance(one, EffectEnded) and one.effect == "extraction"]


def result(log: list[Event]) -> ToolResult:
    """The last result of the tool."""
    parts = [
        part
        for one in log
        if isinstance(one, EffectEnded) and one.message
        for part in one.message.parts
        if isinstance(part, ToolResult) and part.name == "extract"
    ]
    return parts[-1]


def test_a_provider_that_fails_is_a_failed_call() -> None:
    """It is made once, and the tool's result says no more than that."""
    model = ScriptedModel(
        [call("read"), call("extract", want()), fail("it said marmalade"), say("done")]
    )
    log = run(played(model))
    assert [Outcome.FAILED] == [one.outcome for one in outcomes(log)]
    assert "not_extracted" in result(log).content and "marmalade" not in result(log).content


def test_a_client_with_a_bug_is_a_failed_call() -> None:
    """The engine goes on."""

    class Broken(ScriptedModel):
        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            if not request.tools:
                yield TextDelta("half")
                raise ZeroDivisionError("marmalade")
            async for event in super().stream(request):
                yield event

    log = run(played(Broken([call("read"), call("extract", want()), say("done")])))
    (ended,) = outcomes(log)
    assert (Outcome.FAILED, "adapter_failed") == (ended.outcome, ended.reason)
    assert result(log).is_error and "marmalade" not in result(log).content


def test_it_is_paid_for() -> None:
    """Its usage counts for the session like that of every model call."""

    async def work() -> None:
        paid = Usage(input_tokens=70, output_tokens=9, cost_micros=30)
        answer = Turn(steps=say('{"value": 120}').steps, usage=paid)
        free = Usage()
        model = ScriptedModel(
            [call("read"), call("extract", want()), answer, say("done")], usage=free
        )
        async with memory(model, READ, ExtractTool(), detectors=quick()) as sessions:
            session = await sessions.create_session("one", config())
            await session.generate("go")
            assert paid == (await session.view()).usage

    run(work())


def test_what_does_not_fit_the_budget_is_not_made() -> None:
    """The gate refuses, the model is not asked, and it is on record."""

    async def work() -> None:
        spent = Usage(input_tokens=29_990)
        model = ScriptedModel([call("read"), replace(call("extract", want()), usage=spent)])
        async with memory(model, READ, ExtractTool(), detectors=quick()) as sessions:
            session = await sessions.create_session("one", config(budget=Budget(tokens=30_000)))
            turn = asyncio.create_task(session.generate("go"))
            engine = await sessions.engine(session.where)
            await until(lambda: len(engine.view.questions) == 1)
            log = await log_of(session)  # what it goes on with is asked about, as always
            assert [] == outcomes(log)
            assert ["model"] == [one.action for one in log if isinstance(one, Refused)]
            assert "denied" in result(log).content
            assert 2 == len(model.requests)
            await session.cancel()
            await asyncio.wait({turn})
            assert turn.exception() is not None

    run(work())


def test_a_public_model_reads_pseudonyms_and_the_value_is_restored() -> None:
    """What the model may not see it does not see, here as anywhere."""

    async def work() -> None:
        TEXTS.append("The badge is B123456.")

        def answer(request: ModelRequest) -> Turn:
            shown = request.messages[0].text
            name = shown.removeprefix("The badge is ").removesuffix(".")
            return say(json.dumps({"value": name}))

        try:
            model = public([call("read"), call("extract", want(**BADGE)), answer, say("done")])
            log = await played(model)
        finally:
            TEXTS.pop()
        assert "B123456" not in "".join(map(sent, model.requests))
        assert [Outcome.DONE] == [one.outcome for one in outcomes(log)]
        assert {"value": "B123456"} == json.loads(result(log).content)

    run(work())


@pytest.mark.parametrize("how", ["pause", "cancel", "terminate"])
def test_it_ends_with_the_work_of_the_session(how: str) -> None:
    """The call is cancelled, and nothing of it is left open."""

    async def work() -> None:
        model = ScriptedModel([call("read"), call("extract", want()), hang('{"value"')])
        async with memory(model, READ, ExtractTool(), detectors=quick()) as sessions:
            session = await sessions.create_session("one", config())
            turn = asyncio.create_task(session.generate("go"))
            await model.hanging.wait()
            assert ["extraction"] == [one.effect for one in (await session.view()).host_open]
            engine = await sessions.engine(session.where)
            await {
                "pause": session.pause,
                "cancel": session.cancel,
                "terminate": lambda: sessions.terminate_session("one"),
            }[how]()
            await until(lambda: not engine.view.host_open and not engine.view.open)
            assert 1 == model.cancelled
            if how != "terminate":  # else what it said cannot be read any more
                (ended,) = outcomes(await log_of(session))
                assert Outcome.CANCELLED is ended.outcome
            turn.cancel()
            await asyncio.wait({turn})

    run(work())


@pytest.mark.parametrize(
    ("tool", "field", "answer", "found"),
    [
        ("listed", "id_", "7", True),
        ("Listed", "id_", "700", True),
        ("listed", "id_", "13", False),  # somebody wrote it, and it is a size
        ("listed", "id_", "9", False),
        ("listed", "size", "13", True),
        ("listed", "size", "7", False),
        ("read", "id_", "120", None),
        ("listed", "name", "700", None),
    ],
)
def test_an_id_may_have_to_be_one_that_the_service_issued(
    tool: str, field: str, answer: str, found: bool | None
) -> None:
    """In the field that the plan names; one that its tool does not declare costs no call."""
    number = {"type": "id", "what": "the file", "characters": "digits", "max_length": 3}
    wanted = {"source": {"tool": tool}, "value": {**number, "issued": field}}
    script = [call(tool.lower()), call("extract", wanted)]
    if found is not None:
        script.append(say(json.dumps({"value": answer})))
    log = run(played(ScriptedModel([*script, say("done")])))
    told = result(log)
    assert found is not True or {"value": answer} == json.loads(told.content)
    assert found is not False or "does not stand" in told.content
    assert found is not None or "declares no field" in told.content
    assert (found is not True, found is not None) == (told.is_error, bool(outcomes(log)))


def test_too_long_a_text_is_not_read() -> None:
    """It is refused, and not read in part."""

    async def work() -> None:
        TEXTS.append("a" * (SOURCE_CHARS_MAX + 1))
        try:
            model = ScriptedModel([call("read"), call("extract", want()), say("done")])
            log = await played(model)
        finally:
            TEXTS.pop()
        assert "characters" in result(log).content
        assert not [one for one in log if isinstance(one, EffectStarted) and one.cause == 0]
        assert [] == outcomes(log)

    run(work())


def entry(version: int, id: str, content: str, arguments: str = "{}", name: str = "read") -> Entry:
    """A call and its result."""
    use = ToolUse(id, name, arguments)
    told = tool_result(id, name, content, label=UNTRUSTED)
    return Entry(version, Message(Speaker.ASSISTANT, (use, *told.parts), UNTRUSTED))


def test_the_newest_result_that_is_named_is_read() -> None:
    """By its tool and by arguments of its call, which may be written in any order."""
    entries = [
        entry(1, "a", "first", '{"id": 1, "of": "b"}'),
        entry(2, "a", "second", '{"id": true}'),
        entry(3, "b", "third", "not json"),
        entry(4, "c", "other", name="look"),
    ]
    value = {"type": "boolean", "what": "x"}

    def text(**given: object) -> str:
        wanted = extraction_of({"source": {"tool": "Read", "arguments": given}, "value": value})
        found = newest(entries, wanted)
        return found.text if found else ""

    assert ["third", "first", "first", "second", "", ""] == [
        text(),
        text(id=1),
        text(of="b", id=1),
        text(id=True),
        text(id="1"),
        text(more=1),
    ]
