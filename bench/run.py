"""Run all measurements side by side and print their RESULT lines and a summary.

Each is a process of its own, one after the other. Exit code 0 means that all
could be taken, whatever the bars say; 1 that a measurement broke.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from common import QUICK, machine_lines, parse_line, scratch

HERE = Path(__file__).parent
SCRIPTS = ("peerrun", "append", "toolturn", "history", "disk", "many")
PACKAGES = ("holdfast", "apsw-sqlite3mc", "pydantic", "cryptography")


def run(script: str, facts: Path) -> tuple[list[dict[str, object]], int]:
    """Run one script; its results and its exit code."""
    print(f"\n--- {script}", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "BENCH_FACTS": str(facts)}
    command = [sys.executable, str(HERE / f"{script}.py")]
    found: list[dict[str, object]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None, "its output is a pipe"
        for line in child.stdout:
            print(line, end="", flush=True)
            row = parse_line(line)
            if row is not None:
                found.append(row)
        code = child.wait()
    print(f"({script}: {time.monotonic() - started:.0f} s)", flush=True)
    return found, code


def summary(rows: list[dict[str, object]]) -> list[str]:
    """One line for each figure that has a bar."""
    lines = []
    for row in rows:
        if row["bar"]:
            state = {True: "ok", False: "NOT MET"}.get(row["ok"], "not taken")
            lines.append(f"{state:9} {row['name']}: {row['value']} {row['unit']} ({row['bar']})")
    return lines


def run_all(scripts: Iterable[str]) -> tuple[list[dict[str, object]], list[str]]:
    """Run scripts one after the other; returns their rows and those that broke."""
    rows: list[dict[str, object]] = []
    broken = []
    with scratch() as directory:
        for script in scripts:
            found, code = run(script, directory / "facts.json")
            rows += found
            if code:
                broken.append(script)
    return rows, broken


def closing(rows: list[dict[str, object]], broken: list[str]) -> int:
    """Print what a run came to; 1 means that a measurement broke."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    print(f"\nload average after the run: {load}\n")
    print("\n".join(summary(rows)))
    if broken:
        print(f"broken: {', '.join(broken)}")
    return 1 if broken else 0


def main() -> int:
    """Run all, or the scripts named as arguments."""
    chosen = sys.argv[1:] or list(SCRIPTS)
    print("\n".join(machine_lines(PACKAGES)))
    print(f"run: {'quick' if QUICK else 'full'}", flush=True)
    return closing(*run_all(chosen))


if __name__ == "__main__":
    sys.exit(main())
