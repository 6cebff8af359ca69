"""Parallel calls of compatible servers are told apart."""

from __future__ import annotations

import pytest
from pydantic_ai.messages import ToolCallPart

from holdfast.adapters.models.openai_chat import ChatModel, ChatStream


@pytest.mark.parametrize(
    ("pieces", "indexes"),
    [
        ([(0, "a"), (0, None), (1, "b"), (0, None), (1, None)], [0, 0, 1, 0, 1]),
        ([(0, "a"), (0, None), (0, "b"), (0, None)], [0, 0, 1, 1]),
        ([(0, "a"), (0, "a"), (0, "a")], [0, 0, 0]),
        ([(None, "a"), (None, None), (None, "b"), (None, None)], [0, 0, 1, 1]),
        ([(0, None), (0, None), (3, None)], [0, 0, 1]),
        ([(0, ""), (0, "")], [0, 0]),
    ],
)
def test_indexes(pieces: list[tuple[int | None, str | None]], indexes: list[int]) -> None:
    """A new id under a known index is a call of its own; pieces without id continue the last."""
    stream = ChatStream.__new__(ChatStream)
    assert indexes == [stream._index_of(index, id_) for index, id_ in pieces]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{ "a": 1 }', '{ "a": 1 }'),
        ('{"a": 1', '{"INVALID_JSON":"{\\"a\\": 1"}'),
        ("[1]", '{"INVALID_JSON":"[1]"}'),
        ("[" * 100_000, None),
    ],
)
def test_arguments_sent_back(written: str, sent: str | None) -> None:
    """An object goes back byte for byte, anything else inside of an object."""
    call = ChatModel._map_tool_call(ToolCallPart("read", written, "c1"))
    found = call["function"]["arguments"]
    assert found.startswith("{")
    assert sent in (None, found)
