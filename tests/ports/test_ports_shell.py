"""The shell port."""

from __future__ import annotations

from holdfast.ports.shell import NoShell, ShellParser


def test_without_a_parser_nothing_is_clear() -> None:
    """A host without one asks about every command."""
    shell: ShellParser = NoShell()
    found = shell.parse("ls")
    assert "" != found.unclear
    assert () == found.segments
