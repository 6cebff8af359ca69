"""Many worlds, and the command line: `python -m holdfast.testing.sim`."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from holdfast.testing.sim.world import World, describe, run_seed

FeaturesOf = Callable[[int], Collection[str]]

CHUNK = 25
LINES_MAX = 400


@dataclass(frozen=True, slots=True)
class Result:
    """What one seed came to.

    Args:
        performed: tools that ran and models that were asked, each judged (`sim.judging`).
    """

    seed: int
    problems: tuple[str, ...]
    digest: str
    events: int
    features: frozenset[str]
    performed: int = 0


@dataclass(slots=True)
class Summary:
    """What many seeds came to."""

    runs: int = 0
    events: int = 0
    performed: int = 0
    seconds: float = 0.0
    failed: list[Result] = field(default_factory=list)
    features: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        """The summary in lines for people."""
        rate = self.runs / self.seconds if self.seconds else 0.0
        lines = [
            f"{self.runs} worlds, {self.events} events, {self.performed} actions,"
            f" {self.seconds:.1f} s ({rate:.0f} a second)",
            f"{len(self.failed)} with violations",
        ]
        lines += [f"  seed {one.seed}: {one.problems[0]}" for one in self.failed[:20]]
        return "\n".join(lines)


def run_one(seed: int, features: FeaturesOf | None = None) -> Result:
    """Run one seed; what it raises is a violation as well.

    Args:
        features: says what is switched on in a seed's world; it draws by itself without.
    """
    try:
        outcome = run_seed(seed, None if features is None else features(seed))
    except Exception as error:  # a world that breaks is a finding with a seed
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        return Result(seed, (text,), "", 0, frozenset())
    return Result(
        seed=seed,
        problems=outcome.problems,
        digest=outcome.digest,
        events=outcome.events,
        features=outcome.features,
        performed=outcome.performed,
    )


def run_many(
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    seconds: float | None = None,
    stop_at_first: bool = False,
    features: FeaturesOf | None = None,
    performed: int | None = None,
) -> Summary:
    """Run seeds in order.

    Args:
        jobs: processes to spread them over.
        seconds: stop after about so long on the real clock.
        stop_at_first: stop at the first violation.
        features: as of `run_one`; a function at the top of a module.
        performed: stop when so many actions were performed and judged.
    """
    summary = Summary()
    began = time.monotonic()
    for result in _results(seeds, jobs, features):
        summary.runs += 1
        summary.events += result.events
        summary.performed += result.performed
        summary.features.update(result.features)
        if result.problems:
            summary.failed.append(result)
        late = seconds is not None and time.monotonic() - began > seconds
        enough = performed is not None and summary.performed >= performed
        if late or enough or (stop_at_first and summary.failed):
            break
    summary.seconds = time.monotonic() - began
    return summary


def _results(seeds: Sequence[int], jobs: int, features: FeaturesOf | None) -> Iterator[Result]:
    run = partial(run_one, features=features)
    if jobs <= 1:
        yield from map(run, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, initializer=quiet) as pool:
        yield from pool.imap(run, seeds, CHUNK)


def quiet() -> None:
    """Keep the library's log to itself in this process."""
    logging.getLogger("holdfast").disabled = True  # planted faults are not news


def replay(seed: int) -> Iterable[str]:
    """The history of a seed in lines for people: what was done, then every log."""
    world = World(seed)
    outcome = world.run()
    yield f"seed {seed}: {', '.join(sorted(outcome.features))}"
    yield from outcome.trace
    for log in world.observer.logs.values():
        yield f"the log of {log.session_id}"
        for recorded in log.events[:LINES_MAX]:
            state = log.views[recorded.version].state.title
            yield f"{recorded.version:4} e{recorded.epoch} {state:10} {describe(recorded.event)}"
    yield f"digest {outcome.digest}"
    yield from outcome.problems or ("no violations",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m holdfast.testing.sim", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--seconds", type=float, help="stop after about so long")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--first", action="store_true", help="stop at the first violation")
    parser.add_argument("--replay", type=int, metavar="SEED", help="print one seed's history")
    given = parser.parse_args(arguments)
    before = logging.getLogger("holdfast").disabled
    quiet()
    try:
        if given.replay is not None:
            for line in replay(given.replay):
                print(line)
            return 0
        summary = run_many(
            range(given.seed, given.seed + given.runs),
            jobs=given.jobs,
            seconds=given.seconds,
            stop_at_first=given.first,
        )
    finally:
        logging.getLogger("holdfast").disabled = before
    print(summary.text())
    for failed in summary.failed[:1]:
        print("\n".join(replay(failed.seed)))
    return 1 if summary.failed else 0
