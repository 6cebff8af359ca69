"""Settings of all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A busy machine is no failure of the code: no time limit for one example.
settings.register_profile("house", deadline=None, max_examples=200)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("house")

# Suites of real processes, sandboxes and provider protocols: `make quick` leaves
# them out as a whole, `make test` runs them.
SLOW_SUITES = (
    "tests/adapters/hooks/",
    "tests/adapters/models/test_pydantic_ai.py",
    "tests/adapters/sandbox/",
    "tests/adapters/store/test_sqlite.py",
    "tests/adapters/tools/test_bash.py",
    "tests/adapters/tools/test_gitstate.py",
    "tests/cli/test_chatting.py",
    "tests/cli/test_cli_approvals.py",
    "tests/cli/test_cli_budget.py",
    "tests/cli/test_cli_control.py",
    "tests/cli/test_driver.py",
    "tests/docs/test_docs_examples.py",
    "tests/crash/",
    "tests/server/test_streams_killed.py",
    "tests/sim/",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what stands in the slow suites, before anything is deselected."""
    for item in items:
        where = item.path.relative_to(config.rootpath).as_posix()
        if where.startswith(SLOW_SUITES):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _log_stays_on() -> Iterator[None]:
    """Whoever silences the library's log for all later tests is named at once."""
    yield
    assert not logging.getLogger("holdfast").disabled
