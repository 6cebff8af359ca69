"""Command lines as values."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from holdfast.core.commandline import CommandLine, Segment


def test_they_are_values() -> None:
    """Equal by content, hashable, and never changed."""
    assert CommandLine((Segment(("ls",)),)) == CommandLine((Segment(("ls",)),))
    assert 1 == len({Segment(("ls",), pipe=1), Segment(("ls",), pipe=1)})
    found: Any = CommandLine()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.unclear = "x"
