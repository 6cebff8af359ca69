"""The simulator runs as a module."""

from __future__ import annotations

import subprocess
import sys


def test_the_module_is_the_command_line() -> None:
    """`python -m holdfast.testing.sim` prints a summary and ends well."""
    command = [sys.executable, "-m", "holdfast.testing.sim", "--runs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert done.stdout.startswith("2 worlds")
