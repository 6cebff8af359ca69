"""Commands: which may come from outside."""

from __future__ import annotations

from typing import get_args

from holdfast.core import commands
from holdfast.core.commands import Command, External, Internal


def test_outside_and_inside_are_apart() -> None:
    """A report of the shell is never accepted from outside."""
    outside, inside = set(get_args(External)), set(get_args(Internal))
    assert set() == outside & inside
    assert outside | inside == set(get_args(Command))
    assert {commands.ModelEnded, commands.ToolEnded, commands.KeyGone} <= inside


def test_defaults_change_nothing() -> None:
    """A bare Configure asks for nothing; a bare context command clears."""
    assert commands.Configure() == commands.Configure(custom=())
    assert None is commands.SetContext(reason="clear").to_version
