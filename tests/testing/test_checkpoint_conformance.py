"""Each check of the checkpoint port fails for a place that breaks its rule."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.testing.checkpoint_conformance import sink_checks


class Shelf:
    """A place in memory, whole or with one rule broken."""

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.notes: dict[int, bytes] = {}
        self.kept: dict[tuple[int, bytes], bytes] = {}

    async def newest(self) -> int:
        """The highest number."""
        return max(self.notes, default=1 if self.broken == "full" else 0)

    async def note(self, number: int) -> bytes | None:
        """A note."""
        return self.notes.get(number)

    async def leaves(self, number: int, root: bytes) -> bytes | None:
        """Leaves."""
        return self.kept.get((number, root))

    async def put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        """Keep."""
        if self.broken == "late":
            free = number not in self.notes
            await asyncio.sleep(0)
        elif self.broken == "replaces":
            free = True
        else:
            free = number not in self.notes
        if free:
            self.notes[number] = note
            self.kept[number, root] = leaves[:10] if self.broken == "short" else leaves
        return free


@pytest.mark.parametrize("broken", ["full", "late", "replaces", "short"])
def test_a_broken_rule_is_caught(broken: str) -> None:
    """At least one check fails for a place that breaks a rule, none for one that keeps all."""
    caught = 0
    for check in sink_checks():
        good, bad = Shelf(), Shelf(broken)
        asyncio.run(check(lambda place=good: place))  # type: ignore[misc] - a test hands in what it likes
        try:
            asyncio.run(check(lambda place=bad: place))  # type: ignore[misc] - a test hands in what it likes
        except AssertionError:
            caught += 1
    assert caught
