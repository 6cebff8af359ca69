"""RE2 behind types."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.linear import (
    AnyOf,
    BadPattern,
    answer,
    compile_bytes,
    compile_text,
)


def test_bytes_are_latin_1() -> None:
    """A byte above 127 is one character."""
    match = compile_bytes("a(.)b").search(b"xa\xffb")
    assert match is not None
    assert (1, 4, (2, 3)) == (match.start(), match.end(), match.span(1))


def test_a_place_has_what_stands_before_it() -> None:
    """A word boundary looks behind the place where the search begins."""
    assert None is compile_bytes(r"\bb").search(b"ab", 1)


def test_text_may_ignore_case() -> None:
    """Case matters unless it is said that it does not."""
    assert None is compile_text("Ä").search("ä")
    assert None is not compile_text("Ä", case_sensitive=False).search("ä")


@pytest.mark.parametrize("pattern", ["(", "a{2000}", "(?=a)", "\\1", "[z-a]"])
def test_what_is_no_re2_is_refused_without_being_repeated(pattern: str) -> None:
    """The message says the kind of fault alone."""
    with pytest.raises(BadPattern) as caught:
        compile_text(pattern)
    assert pattern not in str(caught.value)
    with pytest.raises(BadPattern):
        AnyOf([pattern])


def test_lone_surrogates_are_no_pattern() -> None:
    """They cannot be encoded."""
    with pytest.raises(BadPattern):
        compile_text("\ud800")


def test_a_set_names_the_patterns_that_match() -> None:
    """By their numbers; none is an empty list."""
    both = AnyOf([r"\d", "@"])
    assert ([], [0], {0, 1}) == (
        both.matching(b"x"), both.matching(b"1"), set(both.matching(b"1@") or ())
    )  # fmt: skip


def test_a_set_that_gives_up_says_so() -> None:
    """An answer without the pattern that always matches is no answer."""
    assert (None, None) == (answer([]), answer(None))
    assert ([], [0, 4]) == (answer([0]), answer([1, 0, 5]))


def test_a_set_needs_its_memory() -> None:
    """Too little is refused when it is made."""
    with pytest.raises(BadPattern):
        AnyOf(["(?i)[0-9a-f]{30}.{20}q"], memory=1000)
