"""`make bench-service`: the bars of the service, each as a RESULT line; QUICK=1 for a short run.

Each part is a script and a process of its own, one after the other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import QUICK, machine_lines
from run import closing, run_all

PARTS = {"identity": "identity", "server": "server", "streams": "service_streams"}
"""The script of each part; parts can be named as arguments."""

PACKAGES = ("holdfast", "apsw", "cryptography", "fastapi", "uvicorn")
TESTS = Path(__file__).parents[1] / "tests"


def main() -> int:
    """Run all parts, or those named as arguments; 1 means that a measurement broke."""
    unknown = sorted(set(sys.argv[1:]) - set(PARTS))
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 1
    known = [str(TESTS), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, known))
    print("\n".join(machine_lines(PACKAGES)))
    print(f"run: {'quick' if QUICK else 'full'}", flush=True)
    return closing(*run_all([PARTS[part] for part in sys.argv[1:] or PARTS]))


if __name__ == "__main__":
    sys.exit(main())
