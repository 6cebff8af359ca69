"""Rounds over the library: one process killed again and again, and two on one file."""

from __future__ import annotations

import os
import signal

from crashhelp import Zygote
from world import KILLED, KILLS_MAX, LIFE_S, World, later


def one_process(world: World) -> None:
    """Killed at random times, then the work is finished; every fifth time with shell jobs."""
    bash = world.chance.random() < 0.2
    jobs = world.chance.randint(1, 4)
    for _ in range(KILLS_MAX):
        status = world.live(world.order(jobs=jobs, bash=bash), world.chance.uniform(0.005, 0.12))
        assert status in (0, KILLED), f"a life ended with {status}"
    world.finish(jobs, bash=bash)


def two_processes(world: World) -> None:
    """Two processes on one file send the same messages; both are killed at random times."""
    jobs = world.chance.randint(2, 4)
    assert world.live(world.order(jobs=0)) == 0
    for _ in range(KILLS_MAX // 2):
        ends = world.chance.uniform(0.01, 0.2), world.chance.uniform(0.01, 0.2)
        statuses = _both(world, world.order(jobs=jobs), ends)
        assert set(statuses) <= {0, KILLED}, f"lives ended with {statuses}"
        world.kills += statuses.count(KILLED)
    world.finish(jobs)


def _both(world: World, order: dict[str, object], ends: tuple[float, float]) -> list[int]:
    """Run two lives at once, each killed at its time."""
    pids = [zygote.start(order) for zygote in (world.one, world.two)]
    with later(ends[0], lambda: _kill(pids[0])), later(ends[1], lambda: _kill(pids[1])):
        return [
            _wait(zygote, pid) for zygote, pid in zip((world.one, world.two), pids, strict=True)
        ]


def _wait(zygote: Zygote, pid: int) -> int:
    with later(LIFE_S, lambda: _kill(pid)):
        return zygote.wait()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
