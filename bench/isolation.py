"""`make bench-isolation`: the bars of isolation, each as a RESULT line; QUICK=1 for a short run.

Each part is a script and a process of its own, one after the other. What the tests
already know how to make or read is theirs, and is taken from there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from common import QUICK, machine_lines
from run import closing, run_all

PARTS = {
    "audit": "isolation_audit",
    "tamper": "isolation_tamper",
    "attestation": "isolation_attestation",
    "egress": "isolation_egress",
    "enclave": "isolation_enclave",
    "sandbox": "isolation_sandbox",
    "memory": "isolation_memory",
}
"""The script of each part; parts can be named as arguments."""

PACKAGES = ("holdfast", "cryptography", "cbor2", "dcap-qvl")
TESTS = Path(__file__).parents[1] / "tests"
PLACES = (TESTS, TESTS / "adapters" / "attestation")


def main() -> int:
    """Run all parts, or those named as arguments; 1 means that a measurement broke."""
    unknown = sorted(set(sys.argv[1:]) - set(PARTS))
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
        return 1
    known = [*map(str, PLACES), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, known))
    print("\n".join(machine_lines(PACKAGES)))
    print(f"run: {'quick' if QUICK else 'full'}", flush=True)
    return closing(*run_all([PARTS[part] for part in sys.argv[1:] or PARTS]))


if __name__ == "__main__":
    sys.exit(main())
