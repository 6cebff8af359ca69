"""Views: one byte a character, and the way back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.detectors.plainview import fold, views_of

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def test_ascii_is_its_own_view() -> None:
    """Nothing is folded, nothing is mapped, and there is one view only."""
    (view,) = views_of("Card 41 \x00")
    assert ("Card 41 \x00", b"Card 41 \x00", b"card 41 \x00", None) == (
        view.text, view.raw, view.lower, view.places
    )  # fmt: skip


def test_forms_of_ascii_are_folded() -> None:
    """Full-width forms, digits of other scripts, dashes and blanks have ASCII twins."""
    folded, places = fold("４１１１－\u0661\u0967\u2013\u00a0\u2003\u2028＠")
    assert ("4111-11-  \n@", None) == (folded, places)


def test_what_is_not_seen_joins_and_parts() -> None:
    """Where a mark went, the first view joins and the second has a blank."""
    joined, parted = views_of("41\u200b11\u202e!")
    assert (b"4111!", b"41 11 !") == (joined.raw, parted.raw)
    assert (0, 5) == joined.span(0, 4)
    assert (3, 5) == joined.span(2, 4)
    assert (0, 5) == parted.span(0, 5)


def test_others_are_one_byte_each() -> None:
    """Characters above Latin-1 and lone surrogates keep their place."""
    (view,) = views_of("密a\ud800é")
    assert (b"\xffa\xff\xe9", "密a\ufffdé") == (view.raw, view.text)


def test_a_canonical_of_the_caller_is_used() -> None:
    """It is asked for text that is not ASCII, and for no other."""

    def canonical(text: str) -> tuple[str, list[int]]:
        return "xy", [1, 2]

    assert b"xy" == views_of("é密é", canonical)[0].raw
    assert (1, 3) == views_of("é密é", canonical)[0].span(0, 2)
    assert b"abc" == views_of("abc", canonical)[0].raw


@given(ANY_TEXT)
def test_places_are_in_the_text(text: str) -> None:
    """Each character of each view has a place in the text, in order."""
    for view in views_of(text):
        assert len(view.text) == len(view.raw) == len(view.lower)
        places = [view.span(at, at + 1) for at in range(len(view.raw))]
        assert places == sorted(places)
        assert all(0 <= start < end <= len(text) for start, end in places)


def test_places_are_a_sequence() -> None:
    """With a length and slices."""
    _, places = fold("a\u200bbc")
    assert places is not None
    assert (3, [2, 3], 0) == (len(places), places[1:], places[0])
