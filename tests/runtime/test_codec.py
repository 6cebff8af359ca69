"""The wire form: round trips, tolerance, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.commands import Answer, Cancel, Configure, Pause, Send, SetContext
from holdfast.core.errors import NewerProgram, Unreadable
from holdfast.core.events import (
    MUST_UNDERSTAND,
    Admitted,
    EffectEnded,
    Outcome,
    Paused,
    Unknown,
)
from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse, user
from holdfast.core.quantities import Usage
from holdfast.runtime.codec import (
    COMMANDS,
    asked_by,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
    expected_by,
    load,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PARTS = st.one_of(
    st.builds(Text, TEXT),
    st.builds(Thinking, TEXT),
    st.builds(ToolUse, TEXT, TEXT, TEXT),
    st.builds(ToolResult, TEXT, TEXT, TEXT, st.booleans()),
)
MESSAGES = st.builds(Message, st.sampled_from(Role), st.lists(PARTS, max_size=4).map(tuple))


@given(MESSAGES, st.integers(0, 2**40))
def test_a_message_survives_in_an_event(message: Message, tokens: int) -> None:
    """Whatever is in a message is there again."""
    event = Admitted(message=message, tokens=tokens)
    kind, payload = encode_event(event)
    assert event == decode_event(kind, payload)


def test_an_outcome_survives() -> None:
    """Enums, usage and nested values are read as what they were."""
    event = EffectEnded(
        cause=3,
        ordinal=2,
        effect="tool",
        outcome=Outcome.LOST,
        usage=Usage(input_tokens=1, cost_micros=2),
        parallel=(1, 2),
    )
    assert event == decode_event(*encode_event(event))


@pytest.mark.parametrize(
    "command",
    [
        Send(message=user("x")),
        Cancel(),
        Pause(why="w"),
        Answer(question=3, decision="d"),
        SetContext(reason="clear"),
        Configure(title="t", tags=("a",)),
    ],
)
def test_a_command_survives(command: object) -> None:
    """Commands of other processes arrive as they were sent."""
    assert command == decode_command(encode_command(command))
    assert expected_by(encode_command(command)) is None
    for version in (0, 1, 10**17):
        data = encode_command(command, version)
        assert (command, version, b"") == (decode_command(data), expected_by(data), asked_by(data))
        data = encode_command(command, version, b"d" * 16)
        found = (decode_command(data), expected_by(data), asked_by(data))
        assert (command, version, b"d" * 16) == found
    assert b"d" == asked_by(encode_command(command, asked=b"d"))


@pytest.mark.parametrize("version", [b"", b"-1", b"1.5", b"x", b" 1", b"9" * 19, b"1\x00"])
def test_a_condition_that_is_none_is_unreadable(version: bytes) -> None:
    """Nothing is carried out as if there were no condition."""
    data = b"expects " + version + b"\n" + encode_command(Cancel())
    with pytest.raises(Unreadable):
        expected_by(data)
    with pytest.raises(Unreadable):
        asked_by(b"asked x\xff\n" + encode_command(Cancel()))


def test_unknown_fields_are_ignored_and_defaults_left_out() -> None:
    """A newer program's extra field does no harm; nothing is written for a default."""
    kind, payload = encode_event(Paused())
    assert b"{}" == payload
    assert Paused(why="x") == decode_event(kind, b'{"why":"x","later":{"a":1}}')


def test_unknown_kinds() -> None:
    """A kind that may be ignored is kept as such; one that must be understood is refused."""
    assert Unknown(77) == decode_event(77, b"{}")
    with pytest.raises(NewerProgram):
        decode_event(MUST_UNDERSTAND | 77, b"{}")


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"why":5}', b"\xff\xfe"])
def test_what_is_not_what_was_written_is_unreadable(payload: bytes) -> None:
    """Garbage is Unreadable, and the error does not repeat it."""
    kind, _ = encode_event(Paused())
    with pytest.raises(Unreadable):
        decode_event(kind, payload)
    with pytest.raises(Unreadable):
        load(Usage, b'{"input_tokens":"many"}')
    with pytest.raises(Unreadable):
        decode_command(payload)


def test_every_command_has_a_name() -> None:
    """Names are unique, so that a queue written today is read tomorrow."""
    assert len(COMMANDS) == len(set(COMMANDS.values()))
