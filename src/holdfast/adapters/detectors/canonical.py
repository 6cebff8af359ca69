"""The canonical form of a text, with the way back to the text as it was given.

Rules
- Each character is folded by itself (`lookalikes.folded`), so that the form is
  linear in the text and takes any text, lone surrogates included.
- Order: the invisible and tag characters, compatibility (NFKC), look-alikes, marks,
  case, and at last white space: a run becomes one space, or one line feed if it
  holds a line's end. The outcome is Latin letters with no marks, and other scripts
  as they were, save their letters that are drawn like Latin ones.
- The form is for looking, never for showing: places are given in the original.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.adapters.detectors.lookalikes import LOOKALIKES, folded

# More than a text of 100 KB can hold, so that one text empties the memory once at most.
MEMORY_MAX = 50_000
_RUN = re.compile(r"[ \n]{2,}")
# Stretches in which each character stands for itself: words with single blanks between.
_EVEN = re.compile(r"[!-~]+(?:[ \n][!-~]+)*")
# What plain text is made of; anything else of ASCII is folded.
_PLAIN = bytes(range(0x20, 0x7F)) + b"\n"
_STRANGE = re.compile(r"[^ -~\n]+")
_DOUBLES = (" \n", "\n ", "\n\n")


class _Table(dict[int, str]):
    """What each character becomes, worked out when it is first met."""

    def __init__(self, fold_case: bool) -> None:
        super().__init__()
        self._fold_case = fold_case

    def __missing__(self, code: int) -> str:
        found = folded(code)
        if self._fold_case and (small := found.casefold()) != found:
            found = "".join(LOOKALIKES.get(part, part) for part in small).casefold()
        if len(self) >= MEMORY_MAX:
            self.clear()
        self[code] = found
        return found


_TABLES = {True: _Table(True), False: _Table(False)}


class Canonical:
    """A canonical text that knows where each of its characters came from.

    Args:
        text: the canonical text; it can be encoded as UTF-8.
        original: the text as it was given.
    """

    __slots__ = ("_ends", "_starts", "_table", "original", "text")

    def __init__(self, text: str, original: str, table: _Table | None) -> None:
        self.text = text
        self.original = original
        self._table = table
        # Worked out when a place is first asked for: most texts hold nothing to place.
        self._starts: list[int] | None = None
        self._ends: list[int] | None = None

    def lower(self) -> Canonical:
        """Return the same text in lower case (casefold); cheaper than to fold again."""
        if self.text.isascii():
            return Canonical(self.text.lower(), self.original, self._table)
        return canonical(self.original)

    @property
    def spans(self) -> Sequence[tuple[int, int]]:
        """The start and end in the original of each canonical character."""
        starts, ends = self._places()
        return list(zip(starts, ends, strict=True))

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """Return the place in the original of a stretch of the canonical text.

        Args:
            start, end: a stretch of `text`; an empty one has an empty origin.
        """
        if self._table is None:
            return start, end
        starts, ends = self._places()
        if start >= end:
            place = starts[start] if start < len(starts) else len(self.original)
            return place, place
        return starts[start], ends[end - 1]

    def _places(self) -> tuple[list[int], list[int]]:
        if self._starts is None or self._ends is None:
            self._starts, self._ends = _placed(self.original, self._table)
        return self._starts, self._ends


def canonical(text: str, *, fold_case: bool = True) -> Canonical:
    """Return the canonical form of a text.

    Args:
        fold_case: whether upper case becomes lower case (casefold).
    """
    if text.isascii() and not _needs_folding(text):
        return Canonical(text.lower() if fold_case else text, text, None)
    table = _TABLES[fold_case]
    # A table is asked character by character, so only for what is not plain.
    plain = _STRANGE.sub(lambda found: found[0].translate(table), text)
    if fold_case:  # of plain text: all else is folded, and Cherokee's small letters are capitals
        plain = plain.encode().lower().decode()
    return Canonical(_RUN.sub(_one_blank, plain), text, table)


def _needs_folding(text: str) -> bool:
    if "  " in text or ("\n" in text and any(double in text for double in _DOUBLES)):
        return True
    return bool(text.encode().translate(None, _PLAIN))


def _one_blank(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "


def _placed(original: str, table: _Table | None) -> tuple[list[int], list[int]]:
    """Work out where each canonical character came from."""
    if table is None:
        return list(range(len(original))), list(range(1, len(original) + 1))
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for stretch in _EVEN.finditer(original):
        start, end = stretch.span()
        _place(original, (done, start), table, (starts, ends))
        starts.extend(range(start, end))
        ends.extend(range(start + 1, end + 1))
        done = end
    _place(original, (done, len(original)), table, (starts, ends))
    return starts, ends


def _place(
    original: str, span: tuple[int, int], table: _Table, found: tuple[list[int], list[int]]
) -> None:
    """Place the characters of a stretch one by one; it starts after none or no blank."""
    starts, ends = found
    after_blank = False
    for place in range(*span):
        for part in table[ord(original[place])]:
            blank = part in " \n"
            if blank and after_blank:
                ends[-1] = place + 1
            else:
                starts.append(place)
                ends.append(place + 1)
            after_blank = blank
