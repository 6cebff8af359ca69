"""`python -m holdfast`."""

from __future__ import annotations

import subprocess
import sys

import holdfast


def test_the_module_is_the_program() -> None:
    """It is the same as the console script."""
    line = [sys.executable, "-m", "holdfast", "--version"]
    ran = subprocess.run(line, capture_output=True, text=True, check=True)
    assert f"holdfast {holdfast.__version__}\n" == ran.stdout
