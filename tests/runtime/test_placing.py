"""A log says where something failed, and nothing of what it was about."""

from __future__ import annotations

import pytest

from holdfast.runtime.placing import place_of

SECRET = "sk-live-4242424242"


def fails() -> None:
    """Raise with content in the message."""
    raise ValueError(SECRET)


def test_the_place_is_told_and_not_the_message() -> None:
    """Type, function, file and line."""
    with pytest.raises(ValueError, match=SECRET) as caught:
        fails()
    told = place_of(caught.value)
    assert told.startswith("ValueError in fails (test_placing.py:")
    assert SECRET not in told


def test_a_failure_that_was_never_raised_has_no_place() -> None:
    """Only its type is known."""
    assert place_of(KeyError(SECRET)) == "KeyError"
