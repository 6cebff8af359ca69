"""The store's conformance suite as a whole."""

from __future__ import annotations

from store_mutants import MutantHarness, Swallowing, caught

from holdfast.adapters.store.memory import MemoryStore
from holdfast.testing.store_conformance import Harness, conformance_cases


def test_cases_have_names_of_their_own() -> None:
    """Every case is listed once, in the same order each time."""
    names = [case.name for case in conformance_cases()]
    assert len(names) == len(set(names)) > 30
    assert names == [case.name for case in conformance_cases()]


def test_a_sound_store_passes_and_a_broken_one_does_not() -> None:
    """The suite tells one from the other."""
    harness: Harness = MutantHarness(MemoryStore)
    assert isinstance(harness, MutantHarness)
    assert [] == caught(MemoryStore, conformance_cases())
    assert 5 < len(caught(Swallowing, conformance_cases()))
