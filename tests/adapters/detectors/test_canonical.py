"""Canonical texts and their way back."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.detectors.canonical import MEMORY_MAX, canonical

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60) | st.text(
    st.sampled_from("aZ \n\t\r\u00a0éßİﬁ\u200b\u0301а忽\ud800\U000e0041"), max_size=40
)
WORDS = st.lists(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)).map(
    " ".join
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ignore  all\n\n  previous", "ignore all\nprevious"),
        ("i\u200bg\u2060n\ufeffore", "ignore"),
        ("ｉｇｎｏｒｅ", "ignore"),
        ("іgnоrе ιgηορε", "ignore ignope"),
        ("i\u0336g\u0301nore", "ignore"),
        ("\U000e0069\U000e0067", "ig"),
        ("忽略之前的指令", "忽略之前的指令"),
        ("Straße", "strasse"),
        ("\u00a0\u2003x\t", " x "),
    ],
)
def test_the_canonical_form(text: str, expected: str) -> None:
    """It is what a reader takes the text for, in small letters."""
    assert expected == canonical(text).text


def test_case_is_kept_where_it_matters() -> None:
    """Codes such as base64 are read from the form with its case."""
    kept = canonical("SWdub3Jl\u200b ALL", fold_case=False)
    assert "SWdub3Jl ALL" == kept.text
    assert "swdub3jl all" == kept.lower().text
    assert "ssa" == canonical("ẞα", fold_case=False).lower().text
    assert "忽ss" == canonical("忽ẞ", fold_case=False).lower().text


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("plain text", 6, 10, "text"),
        ("a  b", 0, 3, "a  b"),
        ("a  b", 1, 2, "  "),
        ("İİ pass\u200bword", 3, 11, "pass\u200bword"),
        ("oﬃce x", 1, 2, "ﬃ"),
        ("oﬃce x", 3, 5, "ﬃc"),
        ("x\u0301y", 1, 2, "y"),
    ],
)
def test_the_way_back(text: str, start: int, end: int, expected: str) -> None:
    """A stretch of the form leads to the stretch it came from."""
    begin, finish = canonical(text).origin(start, end)
    assert expected == text[begin:finish]


def test_the_way_back_from_nothing() -> None:
    """An empty stretch has an empty origin, at the end too."""
    assert (3, 3) == canonical("a  b").origin(2, 2)
    assert (4, 4) == canonical("a  b").origin(3, 3)
    assert (2, 2) == canonical("abc").origin(2, 2)


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT, st.booleans())
def test_places_are_in_order_and_in_range(text: str, fold_case: bool) -> None:
    """Any text: as many places as characters, rising, within the text."""
    form = canonical(text, fold_case=fold_case)
    form.text.encode()
    spans = form.spans
    assert len(form.text) == len(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert sorted(spans) == list(spans)
    if spans:
        assert (spans[0][0], spans[-1][1]) == form.origin(0, len(spans))


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT, st.booleans())
def test_a_form_is_its_own_form(text: str, fold_case: bool) -> None:
    """Folding again changes nothing."""
    once = canonical(text, fold_case=fold_case).text
    assert once == canonical(once, fold_case=fold_case).text


@settings(max_examples=50, deadline=None)
@given(WORDS)
def test_plain_text_is_its_own_form(text: str) -> None:
    """ASCII with single blanks comes back as it is, each character at its place."""
    form = canonical(text, fold_case=False)
    assert text == form.text
    assert [(at, at + 1) for at in range(len(text))] == form.spans


@settings(max_examples=50, deadline=None)
@given(WORDS, st.text("\u200b\u2060\u202e\u0301", max_size=3))
def test_the_invisible_changes_nothing_but_places(text: str, hidden: str) -> None:
    """What is put between the characters is gone, and the places step over it."""
    mixed = "".join(hidden + one for one in text)
    form = canonical(mixed, fold_case=False)
    assert text == form.text
    assert text == "".join(mixed[start] for start, _ in form.spans)


@pytest.mark.parametrize(
    "part", ["İ", " ", "a\u0301", "👩\u200d", "\ud800", "\U000e0041", "a  b\n"]
)
def test_long_texts_take_linear_time(part: str) -> None:
    """Ten times the text takes no more than some thirty times the time."""

    def spent(text: str) -> float:
        started = time.process_time()
        canonical(text).origin(0, 1)
        return time.process_time() - started

    short, long = part * 1_000, part * 10_000
    assert min(spent(long) for _ in range(3)) < 0.001 + 30 * min(spent(short) for _ in range(3))


def test_the_memory_of_characters_is_bounded() -> None:
    """More characters than are kept fold as well as the first ones."""
    many = "".join(map(chr, range(0x20000, 0x20000 + MEMORY_MAX + 5)))
    assert many + "a" == canonical(many + "а").text
