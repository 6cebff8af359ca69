"""Levels: a text, then all that can be decoded from it, then all from that.

Bounded: at most `DEPTH_MAX` levels below the text, each at most `GROWTH_MAX` times
its size and some more. What is over that is not looked through; only streams that
are packed many times over get there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, pairwise

from holdfast.adapters.taints.decoding import (
    GAP,
    Least,
    Locate,
    Place,
    Segment,
    base32_segments,
    base64_segments,
    escape_segments,
    has_escapes,
    has_hex,
    hex_segments,
)
from holdfast.adapters.taints.folding import fold, positions, width

DEPTH_MAX = 3
GROWTH_MAX = 16
LEVEL_BYTES_MIN = 512 * 1024


class Level:
    """One level; what it is made of is worked out when it is asked for."""

    __slots__ = (
        "_above",
        "_folded",
        "_folded_starts",
        "_positions",
        "_segments",
        "_starts",
        "data",
        "depth",
    )

    def __init__(
        self, data: bytes, above: Level | None = None, segments: tuple[Segment, ...] = ()
    ) -> None:
        self.data = data
        self.depth: int = above.depth + 1 if above else 0
        self._above = above
        self._segments = segments
        self._folded: bytes | None = None
        self._folded_starts: list[int] | None = None
        self._positions: list[int] | None = None
        self._starts: list[int] = []
        at = 0
        for segment in segments:
            self._starts.append(at)
            at += len(segment.data) + len(GAP)

    @property
    def folded(self) -> bytes:
        """The fold of the level."""
        if self._folded is None:
            self._folded = fold(self.data)
        return self._folded

    def unfold(self, start: int, end: int) -> Place:
        """From a place in the fold to the place in the level."""
        where = self._where()
        last = where[end - 1]
        return where[start], last + width(self.data, last)

    def _where(self) -> list[int]:
        if self._positions is None:
            self._positions = positions(self.data)
        return self._positions

    def _folded_bounds(self) -> list[int]:
        """Where in the fold segments begin, and where the fold ends."""
        if self._folded_starts is None:
            where = self._where() if self.is_split else []
            starts = [bisect_left(where, start) for start in self._starts[1:]]
            self._folded_starts = [0, *starts, len(self.folded)]
        return self._folded_starts

    def folded_end(self, at: int) -> int:
        """Where in the fold the segment ends that a place of the fold lies in."""
        bounds = self._folded_bounds()
        return bounds[bisect_right(bounds, at, hi=len(bounds) - 1)]

    @property
    def is_split(self) -> bool:
        """Whether it has more than one segment."""
        return len(self._segments) > 1

    def bounds(self, at: int) -> Place:
        """The place of the segment that a place lies in."""
        if not self._segments:
            return 0, len(self.data)
        segment, offset = self._segment(at)
        return offset, offset + len(segment.data)

    def exact_at(self, at: int) -> bool:
        """Whether a place is in the text as it is, or as its escapes resolve."""
        if self._above is None:
            return True
        segment, offset = self._segment(at)
        inside = min(at - offset, len(segment.data) - 1)
        return segment.exact and self._above.exact_at(segment.locate(inside, inside + 1)[0])

    def root(self, start: int, end: int) -> tuple[int, int, tuple[str, ...]] | None:
        """From a place in the level to the place in the text, and through what.

        None for a place that lies in more than one segment.
        """
        names: list[str] = []
        level = self
        while level._above is not None:
            segment, offset = level._segment(start)
            if end > offset + len(segment.data):
                return None
            start, end = segment.locate(start - offset, end - offset)
            names.append(segment.name)
            level = level._above
        return start, end, tuple(reversed(names))

    def _segment(self, at: int) -> tuple[Segment, int]:
        index = bisect_right(self._starts, at) - 1
        return self._segments[index], self._starts[index]

    def _escapes(self) -> Iterator[Segment]:
        """Resolve the escapes of each segment: what was made of two is not beside each other."""
        if not self.is_split or not has_escapes(self.data):
            yield from escape_segments(self.data)
            return
        for first, one in zip(self._starts, self._segments, strict=True):
            for made in escape_segments(one.data):
                yield replace(made, locate=partial(_further, made.locate, first))

    def _hex(self, least: Least) -> Iterator[Segment]:
        """Decode runs of hex of each segment."""
        if not self.is_split or not has_hex(self.folded, least):
            yield from hex_segments(self.folded, self.unfold, least)
            return
        for first, last in pairwise(self._folded_bounds()):
            unfold = partial(_from_further, self.unfold, first)
            yield from hex_segments(self.folded[first:last], unfold, least)

    def _below(self, least: Least, limit: int) -> Level | None:
        """All that can be decoded from this level, or None."""
        segments: list[Segment] = []
        left = limit
        for segment in chain(
            self._escapes(),
            base64_segments(self.data, least),
            self._hex(least),
            base32_segments(self.data, least),
        ):
            left -= len(segment.data) + len(GAP)
            if left < 0:
                break
            segments.append(segment)
        if not segments:
            return None
        return Level(GAP.join([one.data for one in segments]), self, tuple(segments))


def _further(locate: Locate, by: int, start: int, end: int) -> Place:
    first, last = locate(start, end)
    return first + by, last + by


def _from_further(locate: Locate, by: int, start: int, end: int) -> Place:
    return locate(start + by, end + by)


def levels(data: bytes, least: Least) -> Iterator[Level]:
    """Yield a text as level 0 and the levels below it."""
    limit = max(LEVEL_BYTES_MIN, GROWTH_MAX * len(data))
    level: Level | None = Level(data)
    while level is not None:
        yield level
        level = level._below(least, limit) if level.depth < DEPTH_MAX else None
