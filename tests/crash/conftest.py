"""The zygote of the crash tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from crashhelp import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """A warm process that forks lives."""
    found = Zygote()
    yield found
    found.close()
