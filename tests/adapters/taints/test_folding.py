"""Folding makes equal what is written in different ways, and knows where it came from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.taints import folding
from holdfast.adapters.taints.folding import (
    backwards,
    fold,
    is_word,
    positions,
    rot13,
    width,
)


def folded(text: str) -> str:
    """The fold of a string."""
    return fold(text.encode("utf-8", "surrogatepass")).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sec-ret 1.2_3", "secret123"),
        ("s\u200be\u200bc\u00adret", "secret"),
        ("ｓｅｃｒｅｔ１", "secret1"),
        ("𝐬𝐞𝐜ⓇⒺⓉ", "secret"),
        ("Sécrét", "secret"),
        ("se\u0301cret", "secret"),
        ("ѕесrеt ΗΟΤ ηοτ", "secrethothot"),
        ("Straße", "strasse"),
        ("٣٤५", "345"),
        ("密码 是", "密码是"),
        ("\ud800a\udfff", "a"),
        ("İ", "i"),
        ("", ""),
    ],
)
def test_folds(text: str, expected: str) -> None:
    """Letters and digits stay, in one form."""
    assert expected == folded(text)


def test_what_is_no_utf8_is_left_out() -> None:
    """Rubbish between letters is like punctuation, and positions step over it alike."""
    data = b"\xffa\x80b\xc3c\xe5\xaf"
    assert b"abc" == fold(data)
    assert [1, 3, 5] == positions(data)


def test_forms_of_a_value() -> None:
    """Reversed by characters; rot13 moves ASCII letters alone."""
    assert "是b1".encode() == backwards("1b是".encode())
    assert b"\xff1ba" == backwards(b"ab1\xff")
    assert "noÄ1是NO".encode() == rot13("abÄ1是AB".encode())


@settings(max_examples=60)
@given(st.text(st.characters(codec=None), max_size=40))
def test_positions_lead_back(text: str) -> None:
    """Every byte of a fold has the place of the character that makes it."""
    data = text.encode("utf-8", "surrogatepass")
    whole, places = fold(data), positions(data)
    assert len(whole) == len(places)
    assert places == sorted(places)
    made = b""
    for place in dict.fromkeys(places):
        made += fold(data[place : place + width(data, place)])
    assert whole == made


def test_the_memory_of_folds_is_bounded() -> None:
    """Any number of different characters is folded with bounded memory."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))
    folding._folds.clear()
    kept, folding.FOLDS_KEPT_MAX = folding.FOLDS_KEPT_MAX, 100
    try:
        assert text == folded(text)
        assert len(folding._folds) <= 100
    finally:
        folding.FOLDS_KEPT_MAX = kept


@pytest.mark.parametrize(
    ("text", "at", "before", "after"),
    [
        ("ab", 1, True, True),
        ("a b", 1, True, False),
        ("", 0, False, False),
        ("éa", 2, True, True),
        ("密码", 3, False, False),
        ("a密", 1, True, False),
        ("🙂x", 4, False, True),
        ("дx", 2, True, True),
    ],
)
def test_words(text: str, at: int, before: bool, after: bool) -> None:
    """Letters and digits make words, except in scripts without spaces."""
    data = text.encode()
    assert (before, after) == (is_word(data, at, before=True), is_word(data, at, before=False))
