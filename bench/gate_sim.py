"""Complete mediation and races of approvals, in the simulator.

Half of the worlds have people who approve, deny, edit and cancel, questions that
expire, kills, restarts and a second process, beside what each draws of rules, grants,
budgets, hooks and children; in the others people do much. Each world is one
interleaving. Judged by the simulator's invariants, from the logs and from what really
ran.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from dataclasses import dataclass

from common import pick, report

from holdfast.testing.sim.gate import APPROVALS, drawn
from holdfast.testing.sim.runner import quiet
from holdfast.testing.sim.world import World, long_features

RACES = (APPROVALS, "crashes", "two_nodes", "lost_acks")
FIRST_SEED = 700_000
CHUNK = 20
UNPERMITTED = (
    "it started although",
    "it ran although",
    "without an intent",
    "with other arguments than were judged",
    "which no log knows",
)
"""Words of the simulator's judgement that something was performed without permission."""


@dataclass(frozen=True)
class Lived:
    """What one world came to.

    Args:
        performed: tools that ran and models that were asked.
    """

    seed: int
    performed: int
    problems: tuple[str, ...]


def live(order: tuple[int, bool]) -> Lived:
    """Live through one world: its seed, and whether it is one of races."""
    seed, races = order
    try:
        world = World(seed, drawn(seed) | set(RACES) if races else long_features(seed))
        outcome = world.run()
    except Exception as error:  # a world that breaks is a finding with a seed
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Lived(seed, 0, (f"{type(error).__name__}: {error} ({where.name})",))
    performed = len(world.ledger.dispatches) + len(world.ledger.requests)
    return Lived(seed, performed, outcome.problems)


def unpermitted(problems: tuple[str, ...]) -> int:
    """How many of the problems say that something ran which nobody had permitted."""
    return sum(any(words in problem for words in UNPERMITTED) for problem in problems)


def worlds(least: int, actions: int) -> tuple[list[Lived], list[Lived]]:
    """Worlds of races, at least so many, and others until so many actions were performed."""
    races: list[Lived] = []
    others: list[Lived] = []
    seeds = range(FIRST_SEED, FIRST_SEED + 100 * least)
    orders = ((seed, seed - FIRST_SEED < least) for seed in seeds)
    performed = 0
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count() or 1, initializer=quiet) as pool:
        for lived in pool.imap(live, orders, CHUNK):
            (races if lived.seed - FIRST_SEED < least else others).append(lived)
            performed += lived.performed
            if len(races) >= least and performed >= actions:
                break
        pool.terminate()
    return races, others


def main() -> None:
    """Take both figures of the same worlds."""
    least, actions = pick(10_000, 500), pick(100_000, 5_000)
    started = time.monotonic()
    races, others = worlds(least, actions)
    both = [*races, *others]
    performed = sum(one.performed for one in both)
    bad = sum(unpermitted(one.problems) for one in both)
    spent = time.monotonic() - started
    report(
        "complete mediation, effects that nobody had permitted",
        bad,
        "effects",
        bar=f"0 in >= {actions:,}",
        ok=bad == 0 and performed >= actions,
        against=f"{performed:,} performed in {len(both):,} worlds, {spent:.0f} s",
    )
    violated = [one for one in races if one.problems]
    report(
        "approve, cancel, expire, restart: interleavings with a violation",
        len(violated),
        "worlds",
        bar=f"0 in >= {least:,}",
        ok=not violated and len(races) >= least,
        against=f"{len(races):,} worlds of {', '.join(RACES)} and more",
        note=_told(violated),
    )
    violated = [one for one in others if one.problems]
    report(
        "other worlds with a violation",
        len(violated),
        "worlds",
        at_most=0,
        against=f"{len(others):,} worlds",
        note=_told(violated),
    )


def _told(violated: list[Lived]) -> str:
    return "; ".join(f"seed {one.seed}: {one.problems[0]}" for one in violated[:3])


if __name__ == "__main__":
    main()
