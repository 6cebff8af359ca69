"""Tables, facts and times."""

from __future__ import annotations

import pytest

from holdfast.cli import output


def test_plain_tables_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell, and cells are harmless."""
    output.table(("id", "n"), [("a\x1b[2J", 1), ("long name", 22)])
    assert "id         n\na␛[2J      1\nlong name  22\n" == capsys.readouterr().out


def test_terminal_tables_show_foreign_text_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like markup is not taken for it, and escapes stay harmless."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    output.table(("title",), [("[red]x[/red] \x1b]0;t\x07",)])
    out = capsys.readouterr().out
    assert (True, False) == ("[red]x[/red] ␛]0;t␇" in out, "\x07" in out)


def test_facts_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Names stand in one column."""
    output.facts([("a", "x"), ("long", 2)])
    assert "a     x\nlong  2\n" == capsys.readouterr().out


def test_no_time_is_empty() -> None:
    """0 means never."""
    assert ("", 19) == (output.when(0), len(output.when(1_700_000_000)))


def test_lines_with_marks(capsys: pytest.CaptureFixture[str]) -> None:
    """Our own mark comes before the foreign text."""
    output.print_line("\x07", mark="!")
    output.print_line("x", end=" y\n")
    assert "! ␇\nx y\n" == capsys.readouterr().out
    assert "FINDING" == output.warn_heading("FINDING")
