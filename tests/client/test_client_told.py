"""Values of the core out of a server's JSON."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.client.told import LEVELS, label_of, level_name, message_of, usage_of
from holdfast.core.errors import BadAnswer
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.runtime.stream import _usage
from holdfast.server.forms import level_name as served_level
from holdfast.server.forms import message_form

PARTS = st.one_of(
    st.builds(Text, st.text()),
    st.builds(Thinking, st.text(), st.none() | st.text(), st.none() | st.text()),
    st.builds(ToolUse, st.text(), st.text(), st.text()),
    st.builds(ToolResult, st.text(), st.text(), st.text(), st.booleans()),
)
LABELS = st.builds(
    Label, sensitivity=st.sampled_from(Sensitivity), integrity=st.sampled_from(Integrity)
)


@settings(max_examples=100)
@given(
    message=st.builds(
        Message, st.sampled_from(Role), st.lists(PARTS, max_size=5).map(tuple), LABELS
    )
)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    """What the server writes, the client reads: role, every part, the label."""
    assert message == message_of(message_form(message).model_dump(mode="json"))


def test_levels_are_the_servers() -> None:
    """Every level has the server's name."""
    assert {served_level(level): level for level in Sensitivity} == LEVELS
    assert [level_name(level) for level in Sensitivity] == list(LEVELS)
    assert "Critical" == level_name("Critical")


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"role": "user", "parts": [], "trusted": True, "sensitivity": "Odd"},
        {"role": "judge", "parts": [], "trusted": True, "sensitivity": "Normal"},
        {"role": "user", "parts": [{"type": "image"}], "trusted": True, "sensitivity": "Normal"},
        {"role": "user", "parts": [{"type": []}], "trusted": True, "sensitivity": "Normal"},
        {"role": "user", "parts": ["x"], "trusted": True, "sensitivity": "Normal"},
        {"role": "user", "parts": [{"type": "text"}], "trusted": True, "sensitivity": "Normal"},
        {"role": "user", "parts": [], "trusted": 1, "sensitivity": "Normal"},
        {"role": "user", "parts": [], "trusted": True, "sensitivity": ["Normal"]},
    ],
)
def test_what_is_no_message_is_refused(value: object) -> None:
    """A part, a role or a level that is not known is never guessed."""
    with pytest.raises(BadAnswer):
        message_of(value)


def test_a_label_is_read() -> None:
    """Words of strangers stay words of strangers."""
    found = label_of({"sensitivity": "Sensitive", "trusted": False})
    assert (Sensitivity.SENSITIVE, Integrity.UNTRUSTED) == (found.sensitivity, found.integrity)


def test_usage_of_an_event_is_read() -> None:
    """The words of the events stand for the numbers of the library."""
    usage = Usage(10, 5, 2, 1, 3, 99)
    assert usage == usage_of(_usage(usage))
    with pytest.raises(BadAnswer):
        usage_of({"prompt_tokens": 1})
