"""What single characters stand for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.detectors.lookalikes import LOOKALIKES, folded


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("a", "a"),
        ("7", "7"),
        ("а", "a"),
        ("Н", "H"),
        ("η", "n"),
        ("υ", "u"),
        ("ν", "v"),
        ("ο", "o"),
        ("ρ", "p"),
        ("Ν", "N"),
        ("Η", "H"),
        ("ｉ", "i"),
        ("𝐚", "a"),
        ("ﬁ", "fi"),
        ("é", "e"),
        ("İ", "I"),
        ("ё", "e"),
        ("ⓐ", "a"),
        ("🅰", "A"),
        ("ſ", "s"),
        ("’", "'"),
        ("“", '"'),
        ("—", "-"),
        ("…", "..."),
        ("\u200b", ""),
        ("\u202e", ""),
        ("\ufe0f", ""),
        ("\u0301", ""),
        ("\u00ad", ""),
        ("\0", ""),
        ("\U000e0069", "i"),
        ("\U000e0001", ""),
        ("\u00a0", " "),
        ("\u2003", " "),
        ("\t", " "),
        ("\u2028", "\n"),
        ("\r", "\n"),
        ("\ud800", "\ufffd"),
        ("忽", "忽"),
        ("が", "が"),
        ("한", "한"),
        ("ह", "ह"),
        ("ש", "ש"),
        ("👩", "👩"),
    ],
)
def test_what_a_character_stands_for(character: str, expected: str) -> None:
    """Look-alikes become ASCII, the invisible goes, other scripts stay."""
    assert expected == folded(ord(character))


def test_the_cases_of_a_cyrillic_letter_fold_alike() -> None:
    """A pattern in lower case meets text in upper case, whatever it looks like."""
    for code in range(0x410, 0x430):
        upper, lower = chr(code), chr(code).lower()
        assert folded(ord(upper)).lower() == folded(ord(lower)).lower(), upper


def test_the_table_maps_to_ascii_only() -> None:
    """A look-alike stands for characters that a rule can name, and none maps twice."""
    assert [] == [
        drawn for drawn, plain in LOOKALIKES.items() if not plain.isascii() or drawn.isascii()
    ]


@given(st.integers(0, 0x10FFFF))
def test_folding_is_settled_and_can_be_encoded(code: int) -> None:
    """Folding again changes nothing."""
    once = folded(code)
    once.encode()
    again = "".join(folded(ord(one)) for one in once)
    assert once == again or once.isspace()
