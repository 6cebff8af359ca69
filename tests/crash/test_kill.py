"""kill -9 in real processes: nothing acknowledged is lost and nothing is done twice."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from crashhelp import Zygote, check

KILLED = 137
KILLS_MAX = 4  # a model call is repeated four times, then given up


def live_on(zygote: Zygote, order: dict[str, Any], jobs: int, *, bash: bool = False) -> None:
    """Let the work be finished after a kill, and check."""
    assert 0 == zygote.live({**order, "kill_at": None})
    check(Path(order["folder"]), jobs, bash=bash)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 3, 5, 8, 12])
def test_a_kill_at_a_write_loses_and_repeats_nothing(
    zygote: Zygote, tmp_path: Path, number: int, when: str
) -> None:
    """Killed right before or right after the n-th commit, the session goes on truthfully."""
    order = {"folder": str(tmp_path), "jobs": 2, "kill_at": number, "kill_when": when}
    assert KILLED == zygote.live(order)
    live_on(zygote, order, 2)


def test_a_life_without_a_kill_ends_well(zygote: Zygote, tmp_path: Path) -> None:
    """The checks hold where nothing went wrong, and every call ran exactly once."""
    order: dict[str, Any] = {"folder": str(tmp_path), "jobs": 2}
    assert 0 == zygote.live(order)
    report = check(tmp_path, 2)
    # three calls of the model a job, 15 tokens each
    assert 2 * 3 * 15 == report["usage"]
    assert 8 == len((tmp_path / "ledger").read_text().splitlines()) + 2


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_every_write(zygote: Zygote, tmp_path: Path, when: str) -> None:
    """There is no write at which a kill does harm; shell jobs included."""
    kills = 0
    for number in range(1, 100):
        folder = tmp_path / str(number)
        folder.mkdir()
        order = {
            "folder": str(folder),
            "jobs": 2,
            "bash": True,
            "kill_at": number,
            "kill_when": when,
        }
        if zygote.live(order) == 0:
            break
        kills += 1
        live_on(zygote, order, 2, bash=True)
    assert 20 <= kills < 99


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_kills_at_random_times(zygote: Zygote, tmp_path: Path, part: int) -> None:
    """Killed at any time, again and again, the work is finished once."""
    chance = random.Random(part)
    kills = stores = 0
    while kills < 75:
        stores += 1
        folder = tmp_path / str(stores)
        folder.mkdir()
        bash = stores % 5 == 0
        order = {"folder": str(folder), "jobs": 3, "bash": bash}
        for _ in range(KILLS_MAX):
            status = zygote.live(order, kill_after_s=chance.uniform(0.005, 0.12))
            assert status in (0, KILLED)
            kills += status == KILLED
        live_on(zygote, order, 3, bash=bash)
