"""Patterns that take linear time, whatever the text: RE2, over UTF-8.

The engine's own class takes time in Python for each match in a `str`; here the text
is encoded once and its places are counted back only where something was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast

import re2  # type: ignore[import-untyped]  # the wheel has no types; this module gives them

MEMORY_MAX = 32 << 20


class _Match(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Engine(Protocol):
    def finditer(self, text: bytes) -> Iterator[_Match]: ...
    def search(self, text: bytes) -> _Match | None: ...


class Encoded:
    """A text as the engine takes it.

    Args:
        text: must hold no lone surrogate.
    """

    __slots__ = ("data", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode()

    def count(self, start: int, end: int) -> int:
        """Count the characters of a stretch of the data."""
        if len(self.data) == len(self.text):
            return end - start
        return len(self.data[start:end].decode())


class Linear:
    """A compiled pattern.

    Args:
        source: in RE2's syntax; what it does not take is a ValueError.
    """

    __slots__ = ("_engine", "source")

    def __init__(self, source: str) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = MEMORY_MAX
        options.never_capture = True
        self.source = source
        try:
            self._engine = cast(_Engine, re2.compile(source.encode(), options))
        except re2.error as fault:
            raise ValueError(f"not a pattern of RE2: {source}") from fault

    def found(self, text: Encoded) -> bool:
        """Say whether it matches anywhere."""
        return self._engine.search(text.data) is not None

    def spans(self, text: Encoded, most: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield the places of its matches in characters, at most so many."""
        done, place = 0, 0
        for number, match in enumerate(self._engine.finditer(text.data)):
            if number == most:
                return
            start, end = match.span()
            # Counted on from the last place: counting from the start would be quadratic.
            first = place + text.count(done, start)
            done, place = end, first + text.count(start, end)
            yield first, place
