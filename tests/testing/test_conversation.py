"""What every provider demands of a conversation."""

from __future__ import annotations

import pytest

from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    assistant,
    tool_result,
    user,
)
from holdfast.testing.conversation import check_conversation


def said(*parts: Part) -> Message:
    """Make an assistant's message."""
    return Message(role=Role.ASSISTANT, parts=parts)


def told(*parts: Part) -> Message:
    """Make a tool message."""
    return Message(role=Role.TOOL, parts=parts)


USE = ToolUse("c1", "read", "{")
USE_2 = ToolUse("c2", "read", "{}")
DONE = ToolResult("c1", "read", "")
DONE_2 = ToolResult("c2", "read", "x")
SYSTEM = Message(role=Role.SYSTEM, parts=(Text("s"),))

VALID: dict[str, list[Message]] = {
    "one question": [user("a")],
    "an answer between": [user("a"), assistant("b"), user("c")],
    "users in a row": [user("a"), user("b")],
    "system messages": [SYSTEM, user("a"), SYSTEM, assistant("b"), user("c")],
    "a round": [user("a"), said(Text("t"), USE), told(DONE)],
    "parallel, one message": [user("a"), said(USE, USE_2), told(DONE_2, DONE)],
    "parallel, two messages": [user("a"), said(USE, USE_2), told(DONE), told(DONE_2)],
    "thinking": [user("a"), said(Thinking("t", None), USE), told(DONE), user("b")],
}

INVALID: dict[str, tuple[list[Message], str]] = {
    "empty": ([], "the conversation is empty"),
    "only system": ([SYSTEM], "the conversation is empty"),
    "begins with assistant": ([assistant("a"), user("b")], "begins with a message of role"),
    "ends with assistant": ([user("a"), assistant("b")], "ends with the assistant"),
    "assistant twice": ([user("a"), assistant("b"), assistant("c"), user("d")], "in a row"),
    "no parts": ([Message(role=Role.USER, parts=())], "message 0: no content"),
    "blank": ([user(" \n")], "message 0: blank text"),
    "only thinking": ([user("a"), said(Thinking("t", "s")), user("b")], "nothing but thinking"),
    "result by a user": (
        [user("a"), said(USE), Message(role=Role.USER, parts=(DONE,))],
        "a tool_result part in a message of role user",
    ),
    "call by a user": (
        [Message(role=Role.USER, parts=(USE,)), told(DONE)],
        "a tool_use part in a message of role user",
    ),
    "no id": ([user("a"), said(ToolUse("", "n")), tool_result("", "n", "x")], "without id or name"),
    "dangling": ([user("a"), said(USE), user("b")], "message 2: before it, no result for ['c1']"),
    "dangling at the end": ([user("a"), said(USE, USE_2), told(DONE)], "no result for ['c2']"),
    "late": ([user("a"), said(USE), user("b"), told(DONE)], "without a call right before"),
    "twice": ([user("a"), said(USE), told(DONE, DONE)], "without a call right before"),
    "orphan": ([user("a"), told(DONE)], "without a call right before"),
    "system between": ([user("a"), said(USE), SYSTEM, told(DONE)], "no result for"),
    "id again": (
        [user("a"), said(USE), told(DONE), said(USE), told(DONE)],
        "tool call id 'c1' is used twice",
    ),
    "id twice": ([user("a"), said(USE, USE), told(DONE)], "tool call id 'c1' is used twice"),
}


@pytest.mark.parametrize("messages", VALID.values(), ids=VALID)
def test_valid(messages: list[Message]) -> None:
    """A conversation every provider accepts has no problems."""
    assert [] == check_conversation(messages)


@pytest.mark.parametrize(("messages", "problem"), INVALID.values(), ids=INVALID)
def test_invalid(messages: list[Message], problem: str) -> None:
    """What a provider refuses is found and named."""
    assert any(problem in found for found in check_conversation(messages))
