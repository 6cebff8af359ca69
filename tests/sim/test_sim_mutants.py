"""The simulator finds bugs: each planted one, in a copy of the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast
from holdfast.testing.sim.runner import run_one
from mutants import plant
from mutants_list import Mutant
from sim.sim_mutants import MUTANTS, RARE, START, SURVIVE

PACKAGE = Path(holdfast.__file__).parent
TESTS = Path(__file__).parents[1]
BUDGET_S = "90"
RARE_S = "8"
LIMIT_S = 150.0


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant[0] for mutant in MUTANTS])
def test_a_mutant_can_be_planted(mutant: tuple[str, str, str, str]) -> None:
    """Its text is in the package exactly once."""
    assert 1 == (PACKAGE / mutant[1]).read_text().count(mutant[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutant", [m for m in MUTANTS if m[0] not in SURVIVE], ids=lambda mutant: mutant[0]
)
def test_a_mutant_is_found(mutant: tuple[str, str, str, str], tmp_path: Path) -> None:
    """Within 10,000 worlds some invariant is violated that holds without the mutant."""
    source = plant(Mutant(*mutant, tests=()), tmp_path)
    start, told_by = RARE.get(mutant[0], (START.get(mutant[0], 10_000), ""))
    command = [sys.executable, "-m", "holdfast.testing.sim", "--first", "--runs", "10000"]
    done = subprocess.run(
        [*command, "--seed", str(start), "--seconds", RARE_S if told_by else BUDGET_S],
        env={**os.environ, "PYTHONPATH": str(source), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    found = re.search(r"^  seed (\d+): (.*)$", done.stdout, re.MULTILINE)
    if told_by and found is None and done.returncode == 0:
        pytest.skip(f"too rare to be found in {RARE_S} s here; {told_by} tells it")
    assert found is not None, (done.stdout[-1000:], done.stderr[-1000:])
    assert 1 == done.returncode
    assert () == run_one(int(found[1])).problems, "the seed fails without the mutant"


def test_no_mutant_is_given_up() -> None:
    """Every planted bug is found; one that is not needs a reason."""
    names = {mutant[0] for mutant in MUTANTS}
    assert 25 <= len(names) == len(MUTANTS)
    assert names >= set(SURVIVE) | set(RARE) | set(START)
    assert all((TESTS / told_by).is_file() for _, told_by in RARE.values())
    assert 24 <= len(names) - len(SURVIVE)
    assert all(SURVIVE.values())
