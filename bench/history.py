"""Long sessions: what an append costs at 10, 1,000 and 100,000 events, and opening.

The session is written through the journal in turns of the coding mix. Its window
is cleared whenever it holds 180,000 tokens, as a program must that talks to a
real model, and is nearly full at the end. Opening is measured in a new process
each time, with the file in the page cache: from an opened manager to the session
being led and ready for a turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from append import event
from common import median, pick, report, scratch
from mix import Mix
from sessions import WINDOW_TOKENS, Writer, backend, manager

from holdfast.runtime.snapshot import load_state

NAME = "long"
PLACES = (10, 1_000)


async def _grow(writer: Writer, mix: Mix, until: int) -> None:
    """Write turns, several to an append, until the log has so many events."""
    waiting: list[object] = []
    while writer.version + len(waiting) < until:
        waiting += mix.turn(writer.version + len(waiting) + 1)
        if len(waiting) > 60:
            await writer.append(waiting)
            waiting = []
            await writer.clear_if_large()
    if waiting:
        await writer.append(waiting)


async def _one_ms(writer: Writer) -> float:
    """One append of one event, in ms."""
    one = event(os.urandom(16))
    started = time.perf_counter()
    await writer.append([one])
    return (time.perf_counter() - started) * 1000


async def build(directory: Path, last: int) -> dict[int, float]:
    """Make the long session; p50 of an append at each place, measured in turn.

    Three sessions of different length stand in one file and are appended to in
    turn, so that a busy moment of the machine meets all.
    """
    async with backend(directory) as found:
        writers = {}
        for place in (*PLACES, last):
            writer = await Writer.create(found, NAME if place == last else f"at-{place}")
            await _grow(writer, Mix(coding=True), place)
            writers[place] = writer
        long = writers[last]
        # The next turns fill the window without clearing it again.
        mix = Mix(coding=True, seed=2)
        while long.loaded.view.window.tokens < WINDOW_TOKENS * 0.9:
            await long.append(mix.turn(long.version + 1))
        await long.snapshot()
        costs: dict[int, list[float]] = {place: [] for place in writers}
        for _ in range(pick(1000, 200)):
            for place, writer in writers.items():
                costs[place].append(await _one_ms(writer))
        await long.snapshot()
        shown = long.loaded.view.window
        print(f"the window holds {shown.count} messages, about {shown.tokens} tokens", flush=True)
    return {place: median(found) for place, found in costs.items()}


async def open_once(directory: Path, kind: str) -> dict[str, float]:
    """Open the manager and a session or two; ms of each step.

    Args:
        kind: "warm": the short session first, then the long one. "first": the long
            one at once. "cold": fold the long one from its first event.
    """
    spent: dict[str, float] = {}
    started = time.perf_counter()
    async with manager(directory) as sessions:
        spent["store"] = (time.perf_counter() - started) * 1000
        for name in (f"at-{PLACES[0]}", NAME) if kind == "warm" else (NAME,):
            started = time.perf_counter()
            session = await sessions.get_session(name)
            if kind == "cold":
                journal = session.where.backend.journal(session.where.row)
                await load_state(journal, use_snapshot=False)
            else:
                await sessions.engine(session.where)
            spent[name] = (time.perf_counter() - started) * 1000
    return spent


def in_new_process(directory: Path, kind: str) -> dict[str, float]:
    """Open in a new process; its figures."""
    command = [sys.executable, __file__, kind, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Take all figures of long sessions."""
    last = pick(100_000, 20_000)
    with scratch() as directory:
        costs = asyncio.run(build(directory, last))
        for place, cost in costs.items():
            report(f"append at {place:,} events, p50", cost, "ms")
        report(
            f"append at {last:,} events over 10",
            costs[last] / costs[PLACES[0]],
            "ratio",
            at_most=1.2,
        )
        warm = [in_new_process(directory, "warm") for _ in range(pick(11, 5))]
        first = [in_new_process(directory, "first") for _ in range(pick(5, 3))]
        cold = [in_new_process(directory, "cold") for _ in range(pick(3, 1))]
    long = f"open {last:,} events, new process"
    report(
        f"{long}, snapshot, p50",
        median([one[NAME] for one in warm]),
        "ms",
        at_most=20,
        against="get_session to led, after a first session was opened in that process",
    )
    small = median([one[f"at-{PLACES[0]}"] for one in warm])
    report(
        "open a session of 10 events as a process's first",
        small,
        "ms",
        against="folds its log; readers are made once a process",
    )
    report(f"{long}, snapshot, as its first session", median([one[NAME] for one in first]), "ms")
    report("open the store and its keys, new process", median([one["store"] for one in warm]), "ms")
    report(
        f"{long}, cold fold",
        median([one[NAME] for one in cold]) / 1000,
        "s",
        at_most=3,
        against="as the process's first session"
        + ("" if last == 100_000 else "; a quick run folds fewer events"),
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        result = asyncio.run(open_once(Path(sys.argv[2]), sys.argv[1]))
        print(json.dumps(result))
    else:
        main()
