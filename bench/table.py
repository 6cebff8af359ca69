"""Turn a run's output into the table of docs/performance.md.

make bench | tee bench.log
.venv/bin/python bench/table.py bench.log                          prints it
.venv/bin/python bench/table.py bench.log docs/performance.md      writes it there
.venv/bin/python bench/table.py gate.log docs/performance.md gate  the one of that name
"""

from __future__ import annotations

import sys
from pathlib import Path

from common import parse_line

NAME = "results"
FACTS = ("machine:", "system:", "packages:", "load average", "run:")


def shown(value: object) -> str:
    """A figure for people."""
    if not isinstance(value, int | float):
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(lines: list[str]) -> str:
    """The run's facts and its figures as Markdown."""
    facts = [f"- {line}" for line in lines if line.startswith(FACTS)]
    rows = ["| figure | value | bar | met | against |", "|---|---|---|---|---|"]
    for line in lines:
        row = parse_line(line)
        if row is None:
            continue
        met = ""
        if row["bar"]:
            met = "not taken" if row["ok"] is None else "yes" if row["ok"] else "**no**"
        said = "; ".join(str(row[key]) for key in ("against", "note") if row.get(key))
        bar = str(row["bar"]).replace("|", "/")
        value = f"{shown(row['value'])} {row['unit']}"
        rows.append(f"| {row['name']} | {value} | {bar} | {met} | {said} |")
    return "\n".join([*facts, "", *rows])


def main() -> None:
    """Print the table, or write it between the marks of a page: `results`, or those named."""
    text = table(Path(sys.argv[1]).read_text().splitlines())
    if len(sys.argv) < 3:
        print(text)
        return
    page, name = Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else NAME
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(start)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        sys.exit(f"{page} has no place marked {start}")
    page.write_text(f"{before}{start}\n\n{text}\n\n{end}{after}")


if __name__ == "__main__":
    main()
