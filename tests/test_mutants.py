"""Every planted bug is noticed by the tests of its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants import notice, plant
from mutants_list import MUTANTS, Mutant

TESTS = sorted({name for mutant in MUTANTS for name in mutant.tests})
NONE = Mutant("none", "core/owed.py", "def owed(", "def owed(", tuple(TESTS))


@pytest.mark.slow
def test_without_a_bug_nothing_is_noticed(tmp_path: Path) -> None:
    """The same tests pass on a copy that nobody touched."""
    noticed, said = notice(NONE, tmp_path)
    assert not noticed, said


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, tmp_path: Path) -> None:
    """Some test fails."""
    noticed, said = notice(mutant, tmp_path)
    assert noticed, said


def test_list_is_in_order() -> None:
    """At least sixteen, each with a name of its own, each changing something."""
    assert 16 <= len(MUTANTS)
    assert len(MUTANTS) == len({mutant.name for mutant in MUTANTS})
    assert [] == [mutant.name for mutant in MUTANTS if mutant.old == mutant.new]


def test_mutant_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    """A list that fell behind the code is no proof."""
    with pytest.raises(AssertionError, match=r"is not in core/owed.py once"):
        plant(Mutant("old", "core/owed.py", "nothing like it", "", ()), tmp_path)
