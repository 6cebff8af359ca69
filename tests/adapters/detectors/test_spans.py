"""Patterns of linear time."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.spans import Encoded, Linear


def test_places_are_counted_in_characters() -> None:
    """Whatever the text's width in bytes."""
    pattern = Linear("b+")
    assert [(1, 3), (4, 5)] == list(pattern.spans(Encoded("abbab")))
    assert [(1, 3), (4, 5)] == list(pattern.spans(Encoded("忽bb👩b")))
    assert [(1, 3)] == list(pattern.spans(Encoded("忽bb👩b"), 1))
    assert [] == list(pattern.spans(Encoded("")))


def test_found_says_whether() -> None:
    """Anywhere in the text."""
    assert Linear("b").found(Encoded("éb"))
    assert not Linear("b").found(Encoded("é"))


def test_what_needs_more_than_linear_time_is_refused() -> None:
    """A pattern that looks back cannot be compiled, and says so in silence."""
    with pytest.raises(ValueError, match="not a pattern"):
        Linear(r"(a)\1")


def test_many_matches_are_counted_along() -> None:
    """The last of many places is right: none is lost on the way."""
    text = "é1" * 5_000
    assert (9_999, 10_000) == list(Linear("1").spans(Encoded(text)))[-1]
