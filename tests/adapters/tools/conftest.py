"""Fixtures of the tests of the tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools.beneath import kernel_has_openat2


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A workspace with something secret beside it."""
    return Bench(tmp_path)


@pytest.fixture(params=["openat2", "walking"])
def walking(request: pytest.FixtureRequest) -> bool:
    """Run the test in both ways of opening files."""
    if request.param == "openat2" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return bool(request.param == "walking")
