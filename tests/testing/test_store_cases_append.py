"""The cases on appends, leases, counters and commands catch broken stores."""

from __future__ import annotations

import pytest
from store_mutants import (
    Forgetful,
    NoAsserts,
    NoFence,
    NoTakes,
    Partly,
    Thief,
    VersionFirst,
    caught,
)

from holdfast.adapters.store.memory import MemoryStore
from holdfast.testing.store_cases_append import append_cases


@pytest.mark.parametrize(
    "mutant", [Forgetful, NoAsserts, NoFence, NoTakes, Partly, Thief, VersionFirst]
)
def test_a_broken_rule_is_caught(mutant: type[MemoryStore]) -> None:
    """At least one case fails for a store that breaks a rule."""
    assert [] != caught(mutant, append_cases())
