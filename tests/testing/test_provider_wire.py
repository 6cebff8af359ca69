"""OpenAI's protocol: what is refused, and what is streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.core.messages import Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.testing.provider_wire import Answer, Frame, OpenAIWire, Quirks, Refused, fragments
from holdfast.testing.script import Call, Say, Think, Turn, calls, make_call

USER = {"role": "user", "content": "a"}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def body(**fields: object) -> dict[str, object]:
    """Make a request's body."""
    return {"model": "m", "stream": True, "messages": [USER], **fields}


def chunks(answer: Answer) -> list[dict[str, Any]]:
    """Return the decoded chunks of an answer."""
    frames = [*answer.opening, *(f for group in answer.deltas for f in group), *answer.closing]
    return [json.loads(frame.data) for frame in frames if frame.data != "[DONE]"]


def test_a_request_is_read() -> None:
    """Every part of a request arrives as ours."""
    messages = [
        {"role": "developer", "content": "s"},
        USER,
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "t"}],
            "reasoning_content": "h",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "n", "arguments": "{"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ]
    found = OpenAIWire().read(body(messages=messages, tools=[TOOL], max_completion_tokens=5))
    assert ("s", 5) == (found.system, found.max_output_tokens)
    assert ["read"] == [tool.name for tool in found.tools]
    assert [Role.USER, Role.ASSISTANT, Role.TOOL] == [m.role for m in found.messages]
    assert (Thinking("h", None, "openai"), Text("t"), ToolUse("c1", "n", "{")) == (
        found.messages[1].parts
    )
    assert (ToolResult("c1", "", "x"),) == found.messages[2].parts


@pytest.mark.parametrize(
    "fields",
    [
        {"model": None},
        {"stream": False},
        {"messages": "x"},
        {"messages": [1]},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
        {"max_completion_tokens": 0},
        {"tools": [{"type": "function"}]},
        {"tools": [TOOL, TOOL]},
        {"tools": [{"function": {"name": "a b", "parameters": {"type": "object"}}}]},
        {"tools": [{"function": {"name": "a", "parameters": {"type": "string"}}}]},
    ],
)
def test_what_is_refused(fields: dict[str, object]) -> None:
    """A request OpenAI refuses is refused."""
    with pytest.raises(Refused):
        OpenAIWire().read(body(**fields))


def test_long_ids_are_refused() -> None:
    """A tool call's id has at most 40 characters."""
    call = {"id": "c" * 41, "function": {"name": "n", "arguments": "{}"}}
    with pytest.raises(Refused, match="40"):
        OpenAIWire().read(body(messages=[{"role": "assistant", "tool_calls": [call]}]))


@pytest.mark.parametrize(
    ("headers", "ok"),
    [
        ({}, False),
        ({"authorization": "Bearer "}, False),
        ({"authorization": "Basic x"}, False),
        ({"authorization": "Bearer x"}, True),
    ],
)
def test_keys(headers: dict[str, str], ok: bool) -> None:
    """A bearer token must be there."""
    assert ok == OpenAIWire().authorized(headers)


@pytest.mark.parametrize("interleave", [False, True])
def test_calls_are_streamed_in_fragments(interleave: bool) -> None:
    """Arguments come in several pieces, in turns if wanted, and are whole at the end."""
    one, two = make_call("a", {"path": "x" * 20}, id="c1"), make_call("b", {"q": "y" * 30}, id="c2")
    quirks = Quirks(interleave=interleave)
    answer = OpenAIWire().answer(calls(one, two), Usage(), "m", body(), quirks)
    pieces = [
        piece
        for chunk in chunks(answer)
        for choice in chunk["choices"]
        for piece in choice["delta"].get("tool_calls", [])
    ]
    order = [piece["index"] for piece in pieces]
    assert interleave == (order != sorted(order))
    for index, wanted in enumerate((one, two)):
        mine = [piece["function"]["arguments"] for piece in pieces if index == piece["index"]]
        assert wanted.arguments == "".join(mine)
        assert 3 < len(mine)


def test_usage_comes_only_when_asked_for() -> None:
    """The usage chunk is sent when stream_options asks for it."""
    turn = Turn(steps=(Think(("h",)), Say(("x",)), Call("n")))
    plain = chunks(OpenAIWire().answer(turn, Usage(7, 5, 3, 0, 2), "m", body(), Quirks()))
    assert all("usage" not in chunk for chunk in plain)
    asked = body(stream_options={"include_usage": True})
    last = chunks(OpenAIWire().answer(turn, Usage(7, 5, 3, 0, 2), "m", asked, Quirks()))[-1]
    assert {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    } == last["usage"]


def test_frames() -> None:
    """Frames end their lines as the server's quirks say."""
    assert b"data: x\n\n" == Frame("x").encode(Quirks())
    assert b"event: e\r\ndata: x\r\n\r\n" == Frame("x", "e").encode(Quirks(crlf=True))
    assert "abcdefghij" == "".join(fragments("abcdefghij"))
