"""Messages in their durable form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import (
    Message,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    assistant,
    estimate_tokens,
    tool_result,
    user,
)

MIXED = Message(
    Role.ASSISTANT,
    (Text("a"), Thinking("hm", None), ToolUse("1", "look"), Text("b"), ToolUse("2", "put")),
)


def test_text_is_the_plain_text() -> None:
    """Thinking and calls are not part of a message's text."""
    assert "ab" == MIXED.text


def test_tool_uses_are_in_order() -> None:
    """The calls of a message, as they were written."""
    assert ("1", "2") == tuple(use.id for use in MIXED.tool_uses)


def test_makers() -> None:
    """The short forms make what they say."""
    assert Message(Role.USER, (Text("hi"),), UNTRUSTED) == user("hi", UNTRUSTED)
    assert Message(Role.ASSISTANT, (Text("hi"),)) == assistant("hi")
    expected = Message(Role.TOOL, (ToolResult("1", "look", "out", is_error=True),), UNTRUSTED)
    assert expected == tool_result("1", "look", "out", is_error=True, label=UNTRUSTED)


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (Message(Role.USER, ()), 4),
        (user("abcd"), 5),
        (user("é" * 4), 6),
        (user("\ud800"), 4),
        (Message(Role.ASSISTANT, (Thinking("abcdefgh", None),)), 6),
        (Message(Role.ASSISTANT, (ToolUse("1", "look", '{"a":"é"}'),)), 7),
        (tool_result("1", "look", "abcdefgh"), 6),
    ],
)
def test_estimate(message: Message, tokens: int) -> None:
    """Sixteen bytes for the message and its parts in UTF-8, four bytes a token."""
    assert tokens == estimate_tokens(message)


def test_part_nobody_knows_weighs_nothing() -> None:
    """An estimate never fails."""
    assert 4 == estimate_tokens(Message(Role.USER, (object(),)))


@given(st.text(), st.text())
def test_estimate_grows(one: str, more: str) -> None:
    """More text is never fewer tokens, and nothing is free."""
    assert 1 <= estimate_tokens(user(one)) <= estimate_tokens(user(one + more))
