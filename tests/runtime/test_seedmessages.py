"""Messages of the seeds' session files, to and from our own form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused
from holdfast.core.labels import Integrity
from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.runtime.seedmessages import (
    IMPORTED,
    RAW_ARGUMENTS,
    from_blocks,
    from_contents,
    to_blocks,
    to_contents,
)
from seedfile_strategies import ARGUMENTS, JSON_VALUES, conversations


def meaning(messages: tuple[Message, ...]) -> list[object]:
    """Return messages with the arguments read, so that spacing does not count."""
    told: list[object] = []
    for message in messages:
        parts: list[object] = []
        for part in message.parts:
            if isinstance(part, ToolUse):
                try:
                    value = json.dumps(json.loads(part.arguments))
                except (ValueError, RecursionError):
                    value = part.arguments
                parts.append((part.id, part.name, value))
            else:
                parts.append(part)
        told.append((message.role, parts, message.label))
    return told


@given(conversations(thinking=True, mixed=True))
def test_blocks_round_trip(messages: tuple[Message, ...]) -> None:
    """What is written as blocks reads back as the same messages."""
    assert meaning(messages) == meaning(from_blocks(to_blocks(messages)))


@given(conversations(thinking=False, mixed=False))
def test_contents_round_trip(messages: tuple[Message, ...]) -> None:
    """What is written as contents reads back as the same messages."""
    assert meaning(messages) == meaning(from_contents(to_contents(messages)))


@given(conversations(thinking=True, mixed=True))
def test_contents_keep_every_part_but_thinking(messages: tuple[Message, ...]) -> None:
    """Mixed messages are written as several; only thinking has no place."""
    back = from_contents(to_contents(messages))
    expected = [
        (message.role, part)
        for message in meaning_of_parts(messages)
        for part in message.parts
        if not isinstance(part, Thinking)
    ]
    assert expected == [(m.role, part) for m in meaning_of_parts(back) for part in m.parts]


def meaning_of_parts(messages: tuple[Message, ...]) -> list[Message]:
    """Return messages whose calls have no arguments, to compare order and identity."""
    return [
        Message(
            role=message.role,
            parts=tuple(
                ToolUse(part.id, part.name) if isinstance(part, ToolUse) else part
                for part in message.parts
            ),
        )
        for message in messages
    ]


@given(ARGUMENTS)
def test_arguments_survive_both_forms(arguments: str) -> None:
    """Arguments keep their meaning, and their text where they are not JSON."""
    message = Message(role=Role.ASSISTANT, parts=(ToolUse("1", "t", arguments),), label=IMPORTED)
    for read, write in ((from_blocks, to_blocks), (from_contents, to_contents)):
        written = json.loads(json.dumps(write([message])))
        assert meaning((message,)) == meaning(read(written))


def test_arguments_of_one_name_twice_are_kept_as_text() -> None:
    """JSON that means two things is not made to mean one."""
    message = Message(role=Role.ASSISTANT, parts=(ToolUse("1", "t", '{"a":1,"a":2}'),))
    assert {RAW_ARGUMENTS: '{"a":1,"a":2}'} == to_blocks([message])[0]["content"][0]["input"]


@given(st.lists(JSON_VALUES, max_size=3))
def test_odd_messages_are_refused_or_read(raw: list[object]) -> None:
    """Whatever stands there: messages, or a refusal that says where."""
    for read in (from_blocks, from_contents):
        try:
            messages = read(raw)
        except ImportRefused as error:
            assert error.message.startswith("messages[")
        else:
            assert [] == raw == list(messages)


def test_imported_messages_are_untrusted() -> None:
    """Every message of a file is labelled untrusted and of origin import."""
    (message,) = from_contents([{"role": "system", "content": "Obey."}])
    assert Integrity.UNTRUSTED is message.label.integrity
    assert ("import",) == message.label.origins
    assert Role.SYSTEM is message.role


def test_results_take_their_tool_from_the_call() -> None:
    """A result has the name of the call it answers, in both forms."""
    blocks = [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "ls", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "a"}]},
    ]
    contents = [
        {"role": "assistant", "content": [{"id": "1", "name": "ls", "arguments": {}}]},
        {"role": "tool", "content": {"call_id": "1", "content": "a"}},
    ]
    expected = (
        Message(role=Role.ASSISTANT, parts=(ToolUse("1", "ls"),), label=IMPORTED),
        Message(role=Role.TOOL, parts=(ToolResult("1", "ls", "a"),), label=IMPORTED),
    )
    assert expected == from_blocks(blocks)
    assert expected == from_contents(contents)


def test_result_without_a_call_has_an_unknown_tool() -> None:
    """A result that answers nothing in the file is kept."""
    (message,) = from_contents([{"role": "tool", "content": {"call_id": "9", "content": ""}}])
    assert (ToolResult("9", "unknown", ""),) == message.parts


def test_user_message_of_results_and_text_becomes_two() -> None:
    """Results are the tools' and text is the user's, in the file's order."""
    raw = [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "a"},
                {"type": "tool_result", "tool_use_id": "2", "content": "b", "is_error": None},
                {"type": "text", "text": "go on"},
            ],
        }
    ]
    tool, user = from_blocks(raw)
    assert (Role.TOOL, 2) == (tool.role, len(tool.parts))
    assert (Role.USER, (Text("go on"),)) == (user.role, user.parts)


def test_reasoning_comes_first() -> None:
    """Reasoning beside the blocks is thinking before them; null is none."""
    raw = {"role": "assistant", "content": [{"type": "text", "text": "4"}]}
    (message,) = from_blocks([raw | {"reasoning_content": "2 + 2"}])
    assert (Thinking("2 + 2", None), Text("4")) == message.parts
    (message,) = from_blocks([raw | {"reasoning_content": None}])
    assert (Text("4"),) == message.parts


def test_tool_call_with_more_names_is_a_tool_call() -> None:
    """A list whose items all have id, name and arguments is a list of calls."""
    call = {"id": "1", "name": "ls", "arguments": {}, "type": "function"}
    (message,) = from_contents([{"role": "assistant", "content": [call]}])
    assert (ToolUse("1", "ls"),) == message.parts


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ({"role": "admin", "content": []}, "messages[1].role: unknown role 'admin'"),
        ({"role": "User", "content": []}, "messages[1].role: unknown role 'User'"),
        ({"content": []}, "messages[1].role: missing"),
        ({"role": "user"}, "messages[1].content: missing"),
        ({"role": "user", "content": "hi"}, "messages[1].content: not a list"),
        ({"role": "user", "content": [1]}, "messages[1].content[0]: not an object"),
        ({"role": "user", "content": [{"type": "image"}]},
         "messages[1].content[0].type: unknown block type 'image'"),
        ({"role": "user", "content": [{"type": "text", "text": 1}]},
         "messages[1].content[0].text: not a string"),
        ({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "x"}]},
         "messages[1].content[0].input: missing"),
        ({"role": "user", "content": [{"type": "tool_use", "id": "1", "name": "x", "input": 1}]},
         "messages[1]: a tool_use part in a message of role user"),
        ({"role": "assistant",
          "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]},
         "messages[1]: a tool_result part in a message of role assistant"),
        ({"role": "user", "content": [], "reasoning_content": "hm"},
         "messages[1]: a thinking part in a message of role user"),
        ({"role": "user",
          "content": [{"type": "tool_result", "tool_use_id": "1", "content": "", "is_error": 1}]},
         "messages[1].content[0].is_error: neither true nor false"),
    ],
)  # fmt: skip
def test_malformed_block_message_is_refused_with_its_place(
    message: dict[str, object], where: str
) -> None:
    """The index and the field of a malformed message are named."""
    with pytest.raises(ImportRefused) as caught:
        from_blocks([{"role": "user", "content": []}, message])
    assert where == caught.value.message


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ({"role": "robot", "content": "hi"}, "messages[1].role: unknown role 'robot'"),
        ({"role": "user"}, "messages[1].content: missing"),
        ({"role": "user", "content": None}, "messages[1].content: neither text"),
        ({"role": "user", "content": 7}, "messages[1].content: neither text"),
        ({"role": "tool", "content": {"content": "x"}}, "messages[1].content.call_id: missing"),
        ({"role": "tool", "content": "x"}, "messages[1]: a text part in a message of role tool"),
        ({"role": "assistant", "content": [{"id": "1", "name": "ls"}]},
         "messages[1].content[0].type: missing"),
        ({"role": "user", "content": [{"type": "image", "data": "", "media_type": "image/png"}]},
         "messages[1].content[0].type: an image cannot be taken over"),
        ({"role": "user", "content": [{"type": "video"}]},
         "messages[1].content[0].type: unknown type 'video'"),
    ],
)  # fmt: skip
def test_malformed_content_message_is_refused_with_its_place(
    message: dict[str, object], where: str
) -> None:
    """The index and the field of a malformed message are named."""
    with pytest.raises(ImportRefused) as caught:
        from_contents([{"role": "user", "content": "hi"}, message])
    assert caught.value.message.startswith(where)
