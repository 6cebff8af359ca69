"""Anthropic's protocol: what is refused, and what is streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.core.messages import Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.testing.provider_anthropic import AnthropicWire
from holdfast.testing.provider_wire import Answer, Quirks, Refused
from holdfast.testing.script import Call, Say, Think, Turn, calls, make_call

USER = {"role": "user", "content": "a"}
USE = {"type": "tool_use", "id": "c1", "name": "n", "input": {"p": 1}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "x", "is_error": True}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "signed"}
ON = {"type": "enabled", "budget_tokens": 1024}


def body(**fields: object) -> dict[str, object]:
    """Make a request's body."""
    return {"model": "m", "stream": True, "max_tokens": 2000, "messages": [USER], **fields}


def assistant(*blocks: object) -> dict[str, object]:
    """Make an assistant's message."""
    return {"role": "assistant", "content": list(blocks)}


def frames(answer: Answer) -> list[dict[str, Any]]:
    """Return the decoded frames of an answer, checked against their event names."""
    found = []
    for frame in [*answer.opening, *(f for g in answer.deltas for f in g), *answer.closing]:
        data = json.loads(frame.data)
        assert data["type"] == frame.event
        found.append(data)
    return found


def test_a_request_is_read() -> None:
    """Every part of a request arrives as ours."""
    wire = AnthropicWire()
    wire.answer(Turn(steps=(Think(("h", "m"), "signed"),)), Usage(), "m", body(), Quirks())
    result = {"role": "user", "content": [RESULT, {"type": "text", "text": "and?"}]}
    text = {"type": "text", "text": "t"}
    found = wire.read(
        body(
            system=[{"type": "text", "text": "s"}],
            messages=[USER, assistant(THOUGHT, text, USE), result],
            thinking=ON,
            tools=[{"name": "n", "input_schema": {"type": "object"}}],
        )
    )
    assert ("s", 1024, 2000) == (found.system, found.thinking_tokens, found.max_output_tokens)
    assert [Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER] == [m.role for m in found.messages]
    thought = Thinking("hm", "signed", "anthropic")
    assert (thought, Text("t"), ToolUse("c1", "n", '{"p":1}')) == found.messages[1].parts
    assert (ToolResult("c1", "", "x", True),) == found.messages[2].parts


@pytest.mark.parametrize(
    "fields",
    [
        {"model": None},
        {"stream": None},
        {"max_tokens": None},
        {"messages": None},
        {"messages": [{"role": "system", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "odd"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, RESULT]}]},
        {"messages": [USER, assistant({**USE, "id": "a b"})]},
        {"messages": [USER, assistant({**USE, "input": "{}"})]},
        {"messages": [USER, assistant({**USE, "name": "a b"})]},
        {"messages": [USER, assistant(THOUGHT)]},
        {
            "messages": [
                {"role": "user", "content": [{**RESULT, "content": [{"type": "text", "text": ""}]}]}
            ]
        },
        {"thinking": {"type": "enabled", "budget_tokens": 1000}},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "enabled"}},
        {"thinking": ON, "messages": [USER, assistant(USE), {"role": "user", "content": [RESULT]}]},
    ],
)
def test_what_is_refused(fields: dict[str, object]) -> None:
    """A request Anthropic refuses is refused."""
    with pytest.raises(Refused):
        AnthropicWire().read(body(**fields))


def test_a_changed_thought_is_refused() -> None:
    """A thought must come back as it was signed."""
    wire = AnthropicWire()
    wire.answer(Turn(steps=(Think(("hm",), "signed"),)), Usage(), "m", body(), Quirks())
    text = {"type": "text", "text": "t"}
    with pytest.raises(Refused, match="invalid signature"):
        wire.read(body(messages=[USER, assistant({**THOUGHT, "thinking": "hmm"}, text), USER]))


@pytest.mark.parametrize(
    ("headers", "ok"),
    [
        ({"x-api-key": "k"}, False),
        ({"anthropic-version": "v"}, False),
        ({"anthropic-version": "v", "x-api-key": "k"}, True),
        ({"anthropic-version": "v", "authorization": "Bearer k"}, True),
        ({"anthropic-version": "v", "authorization": "Bearer "}, False),
    ],
)
def test_keys(headers: dict[str, str], ok: bool) -> None:
    """A key and a version must be there."""
    assert ok == AnthropicWire().authorized(headers)


@pytest.mark.parametrize("interleave", [False, True])
def test_blocks_are_opened_filled_and_closed(interleave: bool) -> None:
    """Every block starts, gets its pieces and stops, also when calls come in turns."""
    one, two = make_call("a", {"path": "x" * 20}, id="c1"), make_call("b", id="c2")
    turn = Turn(steps=(Think(("h",), "s"), Say(("x", "y")), *calls(one, two).steps))
    answer = AnthropicWire().answer(
        turn, Usage(10, 5, 3, 2), "m", body(), Quirks(interleave=interleave)
    )
    assert 5 == len(answer.deltas)
    found = frames(answer)
    for index in range(4):
        mine = [frame["type"] for frame in found if frame.get("index") == index]
        assert ("content_block_start", "content_block_stop") == (mine[0], mine[-1])
    written = [
        frame["delta"]["partial_json"]
        for frame in found
        if frame.get("index") == 2 and "delta" in frame
    ]
    assert one.arguments == "".join(written)
    assert {"type": "signature_delta", "signature": "s"} in [frame.get("delta") for frame in found]
    told = found[0]["message"]["usage"]
    assert (5, 3, 2) == (
        told["input_tokens"],
        told["cache_read_input_tokens"],
        told["cache_creation_input_tokens"],
    )
    assert "tool_use" == found[-2]["delta"]["stop_reason"]
    assert "message_stop" == found[-1]["type"]


def test_empty_steps_are_whole_blocks() -> None:
    """A step without pieces and a call without arguments still open and close their block."""
    turn = Turn(steps=(Say(()), Call("n", "", "c1")))
    answer = AnthropicWire().answer(turn, Usage(), "m", body(), Quirks())
    kinds = [frame["type"] for frame in frames(answer) if "index" in frame]
    assert ["content_block_start", "content_block_stop"] * 2 == kinds
