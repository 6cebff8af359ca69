"""`make bench-content`: the bars of content security, each as a RESULT line; QUICK=1 is short.

Each script is a process of its own, one after the other. AgentDojo has an environment
of its own, `DOJO_VENV`; where it could not be made its lines are left out, and said so.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from common import QUICK, machine_lines, parse_line, scratch
from run import HERE, closing, run

SCRIPTS = ("content_inspect", "content_classify", "content_injection", "content_taints")
PACKAGES = ("holdfast", "google-re2", "ahocorasick-rs")
IN_DOJO = ("content/dojorun.py",)
HERE_TOO = ("content/injecrun.py",)


def run_with(python: Path, script: str) -> tuple[list[dict[str, object]], int]:
    """Run a script under another interpreter; its results and its exit code."""
    print(f"\n--- {script}", flush=True)
    started = time.monotonic()
    source = str(HERE.parent / "src")
    known = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [str(python), str(HERE / script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": known},
        check=False,
    )
    print(done.stdout, end="", flush=True)
    print(f"({script}: {time.monotonic() - started:.0f} s)", flush=True)
    rows = [row for line in done.stdout.splitlines() if (row := parse_line(line)) is not None]
    return rows, done.returncode


def main() -> int:
    """Run all, or the scripts named as arguments; 1 means that a measurement broke."""
    chosen = sys.argv[1:]
    print("\n".join(machine_lines(PACKAGES)))
    print(f"run: {'quick' if QUICK else 'full'}", flush=True)
    rows: list[dict[str, object]] = []
    broken = []
    dojo = Path(os.environ.get("DOJO_VENV", ".dojo-venv")) / "bin" / "python"
    with scratch() as directory:
        for script in SCRIPTS:
            if not chosen or script in chosen or script.removeprefix("content_") in chosen:
                found, code = run(script, directory / "facts.json")
                rows += found
                broken += [script] if code else []
    for script in (*IN_DOJO, *HERE_TOO):
        if chosen and Path(script).stem not in chosen:
            continue
        python = dojo if script in IN_DOJO else Path(sys.executable)
        if not python.exists():
            print(f"{script}: its environment could not be made")
            continue
        found, code = run_with(python, script)
        rows += found
        broken += [script] if code else []
    return closing(rows, broken)


if __name__ == "__main__":
    sys.exit(main())
