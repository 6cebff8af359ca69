"""Printing tables, facts and JSON for people and programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from holdfast.cli.plain import one_line, safe

Cell = str | int


def print_json(value: object) -> None:
    """Write one JSON document on one line."""
    print(json.dumps(value, ensure_ascii=True), flush=True)


def print_line(text: str = "", *, mark: str = "", end: str = "\n") -> None:
    """Write a line that may hold foreign text, between words of our own."""
    print(f"{mark} {safe(text)}" if mark else safe(text), end=end, flush=True)


def note(text: str) -> None:
    """Say something beside the result, on stderr."""
    print(safe(text), file=sys.stderr, flush=True)


def when(seconds: int) -> str:
    """A time in epoch seconds as local text, "" for none."""
    if not seconds:
        return ""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, flexible: int = -1) -> None:
    """Print a table: coloured on a terminal, aligned columns otherwise.

    Args:
        flexible: the column that gives way when the terminal is narrow.
    """
    cells = [[one_line(str(cell), 200) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
        for line in [list(headers), *cells]:
            print("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())
        return
    # lazy: rich is slow to load and only a terminal needs it.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for place, header in enumerate(headers):
        gives_way = place == flexible % len(headers)
        made.add_column(header, no_wrap=True, overflow="ellipsis", ratio=1 if gives_way else None)
    for line in cells:
        made.add_row(*(Text(cell) for cell in line))
    Console(highlight=False).print(made)


def facts(pairs: Sequence[tuple[str, Cell]]) -> None:
    """Print named facts, one a line, the names aligned."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        print(f"{name.ljust(width)}  {safe(str(value))}".rstrip(), flush=True)


def warn_heading(text: str) -> str:
    """A word that is to be seen: red on a terminal, plain otherwise."""
    if not sys.stdout.isatty():
        return text
    return f"\x1b[1;31m{text}\x1b[0m"
