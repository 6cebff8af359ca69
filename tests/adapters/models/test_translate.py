"""Messages, ids, names, stops and usage between us and the library."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_ai.messages import ModelRequest as WireRequest
from pydantic_ai.messages import (
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from holdfast.adapters.models.translate import (
    EMPTY_RESULT,
    from_wire,
    parameters,
    stop_word,
    to_wire,
    usage_of,
    wire_id,
    wire_name,
)
from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolUse,
    assistant,
    tool_result,
    user,
)
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelRequest

SYSTEM = Message(role=Role.SYSTEM, parts=(Text("Earlier: much."),))


@given(st.text())
def test_ids_are_acceptable_and_stable(id_: str) -> None:
    """Any id becomes one every provider accepts, always the same, and good ones are kept."""
    found = wire_id(id_)
    assert found == wire_id(id_) == wire_id(found)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", found)


@given(st.text())
def test_names_are_acceptable(name: str) -> None:
    """Any name a model writes becomes one every provider accepts."""
    found = wire_name(name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", found)


def test_a_conversation_is_joined() -> None:
    """Users in a row become one, blank texts vanish, results come before the next question."""
    said = Message(role=Role.ASSISTANT, parts=(Text(""), Text("look"), ToolUse("c1", "read", "{}")))
    messages = [
        user("a"),
        SYSTEM,
        user(" "),
        user("b"),
        said,
        tool_result("c1", "read", " ", is_error=True),
        user("c"),
        assistant(" \n"),
        user("d"),
    ]
    wire = to_wire(messages, "openai", "openai")
    first, answer, second, third = wire
    assert isinstance(first, WireRequest)
    [prompt] = first.parts
    assert isinstance(prompt, UserPromptPart)
    assert "a\n\nb" == prompt.content
    assert isinstance(answer, ModelResponse)
    assert ["text", "tool-call"] == [part.part_kind for part in answer.parts]
    assert isinstance(second, WireRequest)
    result, question = second.parts
    assert isinstance(result, ToolReturnPart)
    assert (EMPTY_RESULT, "failed") == (result.content, result.outcome)
    assert isinstance(question, UserPromptPart)
    assert "c" == question.content
    assert isinstance(third, WireRequest)


def test_system_messages_join_the_system_prompt() -> None:
    """The system prompt and system messages are one text; nothing is none."""
    request = ModelRequest(system="Be brief.", messages=(SYSTEM, user("a")))
    [part] = parameters(request).instruction_parts or []
    assert "Be brief.\n\nEarlier: much." == part.content
    assert parameters(ModelRequest(system=" ", messages=())).instruction_parts is None


@pytest.mark.parametrize(
    ("thought", "kept"),
    [
        (ThinkingPart("t", signature="sig", provider_name="p"), Thinking("t", "sig", "p")),
        (ThinkingPart("t", id="content", provider_name="p"), Thinking("t", None, "p")),
        (
            ThinkingPart("t", id="reasoning_content", provider_name="p"),
            Thinking("t", "id=reasoning_content;", "p"),
        ),
        (
            ThinkingPart("", id="redacted_thinking", signature="x;y\n=", provider_name="p"),
            Thinking("", "id=redacted_thinking;x;y\n=", "p"),
        ),
    ],
)
def test_thoughts_survive_the_way_there_and_back(thought: ThinkingPart, kept: Thinking) -> None:
    """What a provider needs with its thought is in the signature and comes back from it."""
    assert (kept,) == from_wire([thought], "p", [])
    said = Message(role=Role.ASSISTANT, parts=(kept, Text("x")))
    [answer] = to_wire([said], "p", "p")
    back = [part for part in answer.parts if isinstance(part, ThinkingPart)]
    if kept.signature is None:
        assert [] == back
    else:
        assert [(thought.content, thought.id, thought.signature)] == [
            (part.content, part.id, part.signature) for part in back
        ]


@pytest.mark.parametrize("provider", [None, "other"])
def test_foreign_thoughts_stay_here(provider: str | None) -> None:
    """A thought of another or an unknown provider is never sent."""
    said = Message(role=Role.ASSISTANT, parts=(Thinking("t", "sig", provider), Text("x")))
    [answer] = to_wire([said], "p", "p")
    assert ["text"] == [part.part_kind for part in answer.parts]


def test_nothing_but_thinking_is_not_sent() -> None:
    """An answer of thinking alone would be refused and is left out."""
    said = Message(role=Role.ASSISTANT, parts=(Thinking("t", "sig", "p"),))
    assert [] == to_wire([said], "p", "p")


@pytest.mark.parametrize(
    ("args", "written"),
    [
        ('{"a": 1', '{"a": 1'),
        ({"a": "\u00e4"}, '{"a": "\u00e4"}'),
        (None, "{}"),
        ("", "{}"),
        ({}, "{}"),
    ],
)
def test_arguments_are_kept(args: str | dict[str, object] | None, written: str) -> None:
    """Arguments are what the model wrote; none at all is an empty object."""
    parts = from_wire([TextPart(""), ToolCallPart("read", args)], "p", ["c1"])
    assert (ToolUse("c1", "read", written),) == parts


@pytest.mark.parametrize(
    ("finish", "parts", "stop"),
    [
        ("end_turn", (), "stop"),
        ("stop", (ToolUse("c", "n"),), "tool_use"),
        ("tool_calls", (), "stop"),
        ("tool_use", (ToolUse("c", "n"),), "tool_use"),
        ("max_tokens", (ToolUse("c", "n"),), "length"),
        ("content_filter", (), "refusal"),
        ("pause_turn", (), "pause_turn"),
    ],
)
def test_stop_words(finish: str, parts: tuple[Part, ...], stop: str) -> None:
    """Providers' words are mapped, unknown ones kept, and calls decide between the two."""
    assert stop == stop_word(finish, parts)


def test_usage_is_taken_over() -> None:
    """Reported counts are taken over, reasoning never beyond the output."""
    request = ModelRequest(system="s", messages=(user("a"),))
    found = RequestUsage(
        input_tokens=10,
        output_tokens=5,
        cache_read_tokens=3,
        cache_write_tokens=2,
        details={"thinking_tokens": 9},
    )
    assert Usage(10, 5, 3, 2, 5) == usage_of(found, request, ())
    assert usage_of(RequestUsage(), request, (Text("x" * 400),)).output_tokens >= 100
