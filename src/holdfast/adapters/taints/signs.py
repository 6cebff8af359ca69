"""Signs: what a value begins and ends with beside its letters and digits, in a level.

They are followed one by one, each over a few other characters. That may cost as much
for each place as there are signs; so it is counted, and when it was the length of the
level all signs that stand around a value go with it.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from holdfast.adapters.taints.decoding import Place
from holdfast.adapters.taints.levels import Level

Around = tuple[bytes, bytes]
"""The signs before a value, and those after it."""

EDGE_GAP_MAX = 4
STEPS_MIN = 4_096
_WORDS = re.compile(rb"[0-9A-Za-z]+")


class Signs:
    """Follows signs in one level.

    Args:
        level: where values were found.
        steps_max: how many signs are followed; without it as many as the level has bytes.
    """

    __slots__ = ("_known", "_level", "_steps", "_words")

    def __init__(self, level: Level, *, steps_max: int = 0) -> None:
        self._level = level
        self._steps = steps_max or max(STEPS_MIN, len(level.data))
        self._known: dict[tuple[int, bytes, int, bool], int] = {}
        self._words: tuple[list[int], list[int]] | None = None

    def widen(self, place: Place, around: Around, *, loose: bool = False) -> Place:
        """Widen a place by signs, as far as they are there.

        What stands in another segment does not stand beside it.

        Args:
            loose: any signs count, as far as these could reach.
        """
        before, after = around
        if not before and not after:
            return place
        within = self._level.bounds(place[0])
        start = self._beside(place[0], before[::-1], -1, within, loose=loose)
        return start, self._beside(place[1], after, 1, within, loose=loose)

    def loosen(self, place: Place, count: int) -> Place:
        """Widen a place by any signs before it, as far as so many could reach."""
        within = self._level.bounds(place[0])
        return self._all(place[0], count, -1, within), place[1]

    def _beside(self, at: int, signs: bytes, step: int, within: Place, *, loose: bool) -> int:
        """Where signs end that begin at a place."""
        key = (at, signs, step, loose)
        known = self._known.get(key)
        if known is None:
            exact = None if loose else self._followed(at, signs, step, within)
            known = self._all(at, len(signs), step, within) if exact is None else exact
            self._known[key] = known
        return known

    def _followed(self, at: int, signs: bytes, step: int, within: Place) -> int | None:
        """Where just these signs end; None when too many were followed."""
        for code in signs:
            if self._steps <= 0:
                return None
            self._steps -= 1
            sign = _sign(self._level.data, code, at if step > 0 else at - 1, step, within)
            if sign is None:
                break
            at = sign[step > 0]
        return at

    def _all(self, at: int, count: int, step: int, within: Place) -> int:
        """Up to where so many signs could reach: before the next letter or digit of ASCII."""
        if self._words is None:
            spans = [found.span() for found in _WORDS.finditer(self._level.data)]
            self._words = [start for start, _ in spans], [end for _, end in spans]
        starts, ends = self._words
        if step > 0:
            index = bisect_left(starts, at)
            stop = starts[index] if index < len(starts) else within[1]
            return max(min(stop, at + EDGE_GAP_MAX * count, within[1]), at)
        index = bisect_right(ends, at) - 1
        stop = ends[index] if index >= 0 else 0
        return min(max(stop, at - EDGE_GAP_MAX * count, within[0]), at)


def _sign(data: bytes, code: int, at: int, step: int, within: Place) -> Place | None:
    """Find a sign from a place on, over a few others, before any letter; of full width too."""
    wide = chr(code + 0xFEE0).encode() if 0x21 <= code <= 0x7E else b""
    for index in range(at, at + step * EDGE_GAP_MAX, step):
        if not within[0] <= index < within[1]:
            return None
        if data[index] == code:
            return index, index + 1
        first = index if step > 0 else index - 2
        if wide and data[max(first, 0) : first + 3] == wide:
            return first, first + 3
        if chr(data[index]).isalnum() and data[index] < 0x80:
            return None
    return None
