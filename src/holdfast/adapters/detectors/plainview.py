"""Views: a text as the rules read it, with the way back to the text as given.

Rules
- A view has one byte for each of its characters, so that a place in the bytes is a
  place in the view; characters above Latin-1 are all one placeholder byte.
- ASCII text is its own view; nothing is folded, nothing is mapped.
- Other text is folded first: full-width forms, digits of other scripts, dashes and
  blanks become their ASCII twins; zero-width and direction marks go.
- Where something went, a second view has blanks in its place: a mark that joins
  must not hide what it could also part.
- Any text is accepted, lone surrogates included.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Canonical = Callable[[str], tuple[str, Sequence[int] | None]]
"""Folds a text: the folded text, and for each of its characters the place in the
text as given, or None if every character kept its place."""

PLACEHOLDER = b"\xff"
_FOLDS_MAX = 20_000
_DASHES = frozenset("\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
# Zero-width, joiners, directions, variation selectors, tags: what is not seen.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


class _Folds(dict[int, int]):
    """What single characters are folded to, found on first sight."""

    def __missing__(self, code: int) -> int:
        folded = _fold(chr(code)) if code > 127 else code
        if len(self) < _FOLDS_MAX:
            self[code] = folded
        return folded


def _fold(char: str) -> int:
    if char in _DASHES:
        return ord("-")
    if char.isspace():
        return ord("\n") if char in "\u0085\u2028\u2029" else ord(" ")
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return ord("0") + digit
    if 0xFF01 <= ord(char) <= 0xFF5E:
        return ord(char) - 0xFEE0
    return ord(char)


_FOLDS = _Folds()


def _placeholders(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return PLACEHOLDER * (error.end - error.start), error.end


codecs.register_error("holdfast.placeholder", _placeholders)


@dataclass(frozen=True, slots=True)
class View:
    """A text as the rules read it.

    Args:
        text: folded; without lone surrogates.
        raw: the same, one byte for each character.
        lower: `raw` with ASCII letters in lower case.
        places: for each character its place in the text as given; None: the same.
    """

    text: str
    raw: bytes
    lower: bytes
    places: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a place that is not empty back to the text as given."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> tuple[str, Sequence[int] | None]:
    """Fold a text as the views need it at least (a `Canonical`)."""
    folded = text.translate(_FOLDS)
    if not _UNSEEN.search(text):
        return folded, None
    gone = {match.start() for match in _UNSEEN.finditer(text)}
    places = [place for place in range(len(text)) if place not in gone]
    return "".join([folded[place] for place in places]), places


def views_of(text: str, canonical: Canonical = fold) -> tuple[View, ...]:
    """The views of a text: one, or two where marks that are not seen part its characters.

    Args:
        canonical: folds text that is not ASCII.
    """
    if text.isascii():
        raw = text.encode("ascii")
        return (View(text, raw, raw.lower()),)
    folded, places = canonical(text)
    first = _view(folded, places)
    if places is None:
        return (first,)
    parted = _UNSEEN.sub(" ", text).translate(_FOLDS)
    return first, _view(parted, None)


def _view(text: str, places: Sequence[int] | None) -> View:
    raw = text.encode("latin-1", "holdfast.placeholder")
    return View(_SURROGATES.sub("\ufffd", text), raw, raw.lower(), places)
