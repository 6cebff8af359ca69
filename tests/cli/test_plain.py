"""Text made harmless for a terminal."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.plain import one_line, safe

HOSTILE = {
    "\x1b[2J\x1b[1;1H": "␛[2J␛[1;1H",
    "\x1b]52;c;cm0gLXJm\x07": "␛]52;c;cm0gLXJm␇",
    "\x9b31m": "<U+009B>31m",
    "safe\rEVIL": "safe␍EVIL",
    "a\x08b\x7f": "a␈b␡",
    "\u202egpj.exe": "<U+202E>gpj.exe",
    "\u2066x\u2069": "<U+2066>x<U+2069>",
    "\U000e0041": "<U+E0041>",
    "one\u2028two": "one<U+2028>two",
    "\ud800": "\ufffd",
    "\ufeffx": "<U+FEFF>x",
}


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    """Escapes, clipboard writes, bidi marks and invisible tags become visible signs."""
    assert HOSTILE == {text: safe(text) for text in HOSTILE}


def test_ordinary_text_stays() -> None:
    """Newlines, tabs, scripts and joined emoji are left alone."""
    text = "Grüße\n\tпривет 你好 \U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert (text, "a\nb") == (safe(text), safe("a\r\nb"))


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    """Whatever comes in, only newline, tab and joiners are left of Cc, Cf and Cs."""
    left = {c for c in safe(text) if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert set() == left - set("\n\t\u200c\u200d")


@given(st.text(), st.text())
def test_pieces_are_as_safe_as_the_whole(first: str, second: str) -> None:
    """A stream made safe piece by piece is the whole made safe, but for a split CRLF."""
    if not (first.endswith("\r") and second.startswith("\n")):
        assert safe(first + second) == safe(first) + safe(second)


@given(st.text(), st.integers(2, 50))
def test_one_line_is_one_short_line(text: str, width: int) -> None:
    """It has no newline and is never wider than asked."""
    line = one_line(text, width)
    assert ("\n" not in line, True) == (True, len(line) <= width)
