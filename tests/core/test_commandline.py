"""Command lines as values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from holdfast.core.commandline import MEMO_MAX, CommandLine, Segment


def test_they_are_values() -> None:
    """Equal by content, hashable, and never changed."""
    assert CommandLine((Segment(("ls",)),)) == CommandLine((Segment(("ls",)),))
    assert 1 == len({Segment(("ls",), pipe=1), Segment(("ls",), pipe=1)})
    found: Any = CommandLine()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.unclear = "x"


def test_what_is_kept_of_a_line_is_no_part_of_it() -> None:
    """Two equal lines stay equal, a changed copy keeps nothing, and there is a bound."""
    line = CommandLine((Segment(("ls",)),))
    line.keep("key", "found")
    assert "found" == line.kept("key")
    assert line.kept("other") is None
    fresh = CommandLine((Segment(("ls",)),))
    assert (fresh, hash(fresh), repr(fresh)) == (line, hash(line), repr(line))
    assert dataclasses.replace(line, unclear="x").kept("key") is None
    for number in range(MEMO_MAX):
        line.keep(number, number)
    assert line.kept("key") is None
    assert MEMO_MAX - 1 == line.kept(MEMO_MAX - 1)
