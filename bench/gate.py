"""`make bench-gate`: the bars of the gate, each as a RESULT line; QUICK=1 for a short run.

Each script is a process of its own, one after the other. What the tests already
know how to make, generate or judge is theirs, and is taken from there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import QUICK, machine_lines
from run import closing, run_all

SCRIPTS = ("gate_judge", "gate_tables", "gate_sim", "gate_processes", "gate_turn")
PACKAGES = ("holdfast", "apsw-sqlite3mc")
TESTS = Path(__file__).parents[1] / "tests"
PLACES = (TESTS, TESTS / "attack", TESTS / "crash")


def main() -> int:
    """Run all, or the scripts named as arguments; 1 means that a measurement broke."""
    chosen = [name if name.startswith("gate_") else f"gate_{name}" for name in sys.argv[1:]]
    known = [*map(str, PLACES), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, known))
    print("\n".join(machine_lines(PACKAGES)))
    print(f"run: {'quick' if QUICK else 'full'}", flush=True)
    return closing(*run_all(chosen or SCRIPTS))


if __name__ == "__main__":
    sys.exit(main())
