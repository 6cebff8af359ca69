"""Likeness: finding a long value of which a few characters were changed.

A value of n characters may differ in 15 % of them. Cut into one piece more than it
may have changes, at least one piece is whole: the automata look for the pieces
(seeds), and where one is seen the stretch around it is compared once, with an
arithmetic that takes a few steps per character (Myers' bit vectors).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

CHARS_MIN = 16
CHARS_MAX = 256
CHANGES_SHARE = 0.15


def changes_max(size: int) -> int:
    """How many characters of a value may be changed, lost or added."""
    return int(size * CHANGES_SHARE + 1e-9)


def seeds(folded: bytes) -> list[tuple[int, bytes]]:
    """Cut a fold into pieces, with the place of each."""
    count = changes_max(len(folded)) + 1
    cuts = [index * len(folded) // count for index in range(count + 1)]
    return [(first, folded[first:last]) for first, last in pairwise(cuts)]


@dataclass(frozen=True, slots=True)
class _Nearest:
    end: int
    changes: int


def nearest(pattern: bytes, text: bytes) -> _Nearest:
    """Find where the stretch of `text` that is most like `pattern` ends."""
    size = len(pattern)
    where: dict[int, int] = {}
    for index, code in enumerate(pattern):
        where[code] = where.get(code, 0) | 1 << index
    mask, top = (1 << size) - 1, 1 << (size - 1)
    plus, minus, changes = mask, 0, size
    best = _Nearest(0, size)
    for at, code in enumerate(text):
        equal = where.get(code, 0)
        vertical = equal | minus
        across = (((equal & plus) + plus) ^ plus) | equal
        up = minus | ~(across | plus) & mask
        down = plus & across
        if up & top:
            changes += 1
        elif down & top:
            changes -= 1
        if changes < best.changes:
            best = _Nearest(at + 1, changes)
        up, down = up << 1 & mask, down << 1 & mask
        plus, minus = (down | ~(vertical | up)) & mask, up & vertical
    return best


def alike(folded: bytes, text: bytes, seed_at: int, at: int) -> tuple[int, int] | None:
    """Find a changed value around a seed; None if it is not like it, or just the same.

    Args:
        seed_at: where the seed stands in the value.
        at: where it was seen in the text.
    """
    allowed = changes_max(len(folded))
    first = max(at - seed_at - allowed, 0)
    window = text[first : at - seed_at + len(folded) + allowed]
    if folded in window:
        return None  # as it is, with no change
    if len(folded.translate(None, window)) > allowed:
        return None  # too many of its characters are nowhere around
    found = nearest(folded, window)
    if not 0 < found.changes <= allowed:
        return None
    back = nearest(folded[::-1], window[: found.end][::-1])
    return first + found.end - back.end, first + found.end
