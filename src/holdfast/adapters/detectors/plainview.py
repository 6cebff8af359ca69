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

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

Canonical = Callable[[str], tuple[str, Sequence[int] | None]]
"""Folds a text: the folded text, and for each of its characters the place in the
text as given, or None if every character kept its place."""

PLACEHOLDER = b"\xff"
_TABLE_MAX = 20_000
_DASHES = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
# Zero-width, soft hyphens, joiners, directions, variation selectors, tags: what is not seen.
_UNSEEN = frozenset(
    chr(code)
    for first, last in (
        (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5),
        (0x180B, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2064),
        (0x2066, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)  # fmt: skip
_SURROGATES = re.compile("[\ud800-\udfff]")
# All that `_fold` or `_UNSEEN` changes, so that of a text with very many different
# characters only these are looked at one by one.
_CHANGING = re.compile(
    r"(?![\x00-\x7f])[\s\d\uff01-\uff5e\ud800-\udfff"
    + "".join(map(re.escape, sorted(_DASHES | _UNSEEN)))
    + "]"
)


class _Table(dict[int, int | None]):
    """What single characters become, found when one is first seen."""

    def __init__(self, become: Callable[[int], int | None]) -> None:
        super().__init__()
        self._become = become

    def __missing__(self, code: int) -> int | None:
        found = self._become(code)
        if len(self) < _TABLE_MAX:
            self[code] = found
        return found


def _fold(code: int) -> int:
    char = chr(code)
    if code < 128:
        return code
    if char in _DASHES:
        return ord("-")
    if 0xD800 <= code <= 0xDFFF:
        return 0xFFFD
    if char.isspace():
        return ord("\n") if char in "\u0085\u2028\u2029" else ord(" ")
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return ord("0") + digit
    return code - 0xFEE0 if 0xFF01 <= code <= 0xFF5E else code


_JOINED = _Table(lambda code: None if chr(code) in _UNSEEN else _fold(code))
_PARTED = _Table(lambda code: ord(" ") if chr(code) in _UNSEEN else _fold(code))
_REPLACED_MAX = 32  # of more characters that change, the table is faster
_ANY_BIT = b"\0" + PLACEHOLDER * 255


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


class _Places(Sequence[int]):
    """The places of what is seen of a text, found when one is first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[int] | None = None

    def _all(self) -> list[int]:
        if self._found is None:
            self._found = [at for at, char in enumerate(self._text) if char not in _UNSEEN]
        return self._found

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        return self._all()[at]

    def __len__(self) -> int:
        return len(self._all())


def _translate(text: str, table: _Table) -> str:
    """Put what a table says in the place of each character; ASCII stays."""
    changed = {}
    for char in _CHANGING.findall("".join(set(text))):
        if (becomes := table[ord(char)]) != ord(char):
            changed[char] = "" if becomes is None else chr(becomes)
    if len(changed) > _REPLACED_MAX:
        return text.translate({ord(char): new for char, new in changed.items()})
    for char, new in changed.items():
        text = text.replace(char, new)
    return text


def _one_byte(text: str) -> bytes:
    """One byte for each character, those above Latin-1 the placeholder."""
    wide = text.encode("utf-32-le", "surrogatepass")
    # What is not 0 in a higher byte makes all bits of the lowest one 1.
    high = int.from_bytes(wide[1::4].translate(_ANY_BIT)) | int.from_bytes(
        wide[2::4].translate(_ANY_BIT)
    )
    return (int.from_bytes(wide[0::4]) | high).to_bytes(len(text))


def fold(text: str) -> tuple[str, Sequence[int] | None]:
    """Fold a text as the views need it at least (a `Canonical`)."""
    folded = _translate(text, _JOINED)
    if len(folded) == len(text):
        return folded, None
    return folded, _Places(text)


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
    parted = _translate(text, _PARTED)
    return first, _view(parted, None)


def _view(text: str, places: Sequence[int] | None) -> View:
    if _SURROGATES.search(text):
        text = _SURROGATES.sub("\ufffd", text)
    raw = _one_byte(text)
    return View(text, raw, raw.lower(), places)
