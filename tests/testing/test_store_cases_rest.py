"""The cases on listing, feed, blobs, erasing and closing catch broken stores."""

from __future__ import annotations

import pytest
from store_mutants import (
    Careless,
    Hoarder,
    Restless,
    Skipping,
    Undead,
    Unfiltered,
    Unmoved,
    caught,
)

from holdfast.adapters.store.memory import MemoryStore
from holdfast.testing.store_cases_rest import other_cases


@pytest.mark.parametrize(
    "mutant", [Careless, Hoarder, Restless, Skipping, Undead, Unfiltered, Unmoved]
)
def test_a_broken_rule_is_caught(mutant: type[MemoryStore]) -> None:
    """At least one case fails for a store that breaks a rule."""
    assert [] != caught(mutant, other_cases())
