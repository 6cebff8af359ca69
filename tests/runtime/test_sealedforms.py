"""What is said of a sealed session comes back as it was, and bodies are overwritten."""

from __future__ import annotations

import pytest

from holdfast.core.errors import (
    AttestationFailed,
    HoldfastError,
    ProviderFailed,
    SessionSealed,
    Stale,
    Unavailable,
    Unreadable,
)
from holdfast.core.labels import TRUSTED
from holdfast.core.messages import user
from holdfast.core.quantities import Usage
from holdfast.runtime import sealedforms as forms
from holdfast.runtime.asking import Approval, WiderPattern
from holdfast.runtime.codec import dump
from holdfast.runtime.config import AgentResult
from holdfast.runtime.stream import StreamEvent


def test_results_events_and_questions_come_back() -> None:
    """As they were; the buffer that was read is zeros."""
    result = AgentResult(
        text="é\U0001f600",
        messages=(user("a"), user("b")),
        usage=Usage(input_tokens=3),
        tool_calls_count=2,
        version=7,
        label=TRUSTED,
    )
    body = forms.result_body(result)
    assert result == forms.result_of(body)
    assert bytes(len(body)) == body
    event = StreamEvent(
        type="text_delta", session="s", version=3, time_ms=4, run=1, data={"text": "x"}, live=True
    )
    body = forms.event_body(event)
    assert event == forms.event_of(body)
    assert bytes(len(body)) == body
    asked = forms.Asked(
        approvals=(
            Approval(
                id="s:1",
                session_id="s",
                question=1,
                about="approval",
                tool="t",
                text="?",
                choices=("once", "deny"),
                asked_ms=5,
                patterns=(WiderPattern("x", ("y",)),),
                due_ms=None,
            ),
        )
    )
    assert asked == forms.read(forms.Asked, bytearray(dump(asked)))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[[1,2],{}]", b"\xff"])
def test_what_is_none_is_unreadable(body: bytes) -> None:
    """Nothing is made of it, and what it says is not repeated."""
    with pytest.raises((Unreadable, UnicodeDecodeError)):
        forms.event_of(bytearray(body))


@pytest.mark.parametrize(
    "error",
    [
        SessionSealed("x"),
        ProviderFailed("y", retryable=True),
        AttestationFailed("z", code="tcb"),
        Stale("scope"),
    ],
)
def test_errors_come_back_with_what_they_carry(error: HoldfastError) -> None:
    """Kind, line, and the rest of it."""
    again = forms.error_of(forms.error_meta(error))
    assert type(error) is type(again)
    assert error.message == again.message
    assert vars(error) == vars(again)


def test_an_unknown_error_is_unavailable() -> None:
    """It is never taken for a success."""
    again = forms.error_of({"reason": "no such", "message": "m", "more": 1})
    assert type(again) is Unavailable and "m" == again.message
