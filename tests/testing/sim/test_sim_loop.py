"""Virtual time, and processes that can be killed at any step."""

from __future__ import annotations

import asyncio
import time

import pytest

from holdfast.testing.sim.loop import (
    EPOCH_MS,
    ROUNDS_MAX,
    Owner,
    SimClock,
    Stuck,
    VirtualLoop,
    owner_now,
)
from simhelp import randomness


def test_time_jumps_and_nobody_waits() -> None:
    """A virtual hour takes no real second, and timers fire in their order."""
    loop, order = VirtualLoop(), []

    async def rest(seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((seconds, loop.time()))

    async def work() -> None:
        await asyncio.gather(rest(3600), rest(10), rest(60))

    began = time.monotonic()
    loop.run_until_complete(work())
    assert [(10, 10.0), (60, 60.0), (3600, 3600.0)] == order
    assert time.monotonic() - began < 2.0
    loop.close()


def test_a_world_that_waits_for_ever_is_stuck() -> None:
    """With nothing ready and no timer there is no waiting."""
    loop = VirtualLoop()
    with pytest.raises(Stuck, match="no timer is set"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_a_world_that_spins_is_stuck() -> None:
    """Rounds are counted; `count_anew` begins again."""
    loop = VirtualLoop()
    loop._virtual.rounds = ROUNDS_MAX - 5

    async def spin(times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="no end after"):
        loop.run_until_complete(spin(10))
    loop.count_anew()
    loop.run_until_complete(spin(10))
    loop.close()


def test_a_killed_process_takes_no_further_step_until_it_is_exhumed() -> None:
    """Not even `finally` happens; afterwards it unwinds."""
    loop, owner, seen = VirtualLoop(), Owner("one"), []

    async def victim() -> None:
        assert owner is owner_now()
        try:
            seen.append("begins")
            await asyncio.sleep(1)
            seen.append("lives")
        finally:
            seen.append("finally")

    async def work() -> None:
        task = loop.spawn(owner, victim())
        await asyncio.sleep(0.5)
        assert owner_now() is None
        owner.alive = False
        task.cancel()
        await asyncio.sleep(10)
        assert ["begins"] == seen
        owner.exhume(loop)
        await asyncio.wait({task})

    loop.run_until_complete(work())
    assert "finally" == seen[-1] and "lives" not in seen[:1]
    loop.close()


def test_a_process_dies_at_the_step_it_is_told_to() -> None:
    """`die_at` kills before the step, which is parked."""
    loop, seen, died = VirtualLoop(), [], []

    def kill() -> None:
        died.append(owner.steps)
        owner.alive = False

    owner = Owner("one", kill)
    owner.die_at = 3

    async def victim() -> None:
        for number in range(5):
            seen.append(number)
            await asyncio.sleep(0)

    async def work() -> None:
        task = loop.spawn(owner, victim())
        await asyncio.sleep(1)
        assert ([0, 1], [3]) == (seen, died)
        owner.exhume(loop)
        await task

    loop.run_until_complete(work())
    loop.close()


def test_the_clock_is_virtual_and_only_the_wall_clock_jumps() -> None:
    """Milliseconds follow the loop's seconds; bytes follow the seed."""
    loop = VirtualLoop()
    clock = SimClock(loop, randomness(7))
    loop.run_until_complete(clock.sleep(2.5))
    assert (EPOCH_MS + 2500, 2.5) == (clock.now_ms(), clock.monotonic())
    clock.jump_ms = -1000
    assert (EPOCH_MS + 1500, 2.5) == (clock.now_ms(), clock.monotonic())
    assert SimClock(loop, randomness(7)).random_bytes(8) == clock.random_bytes(8)
    loop.close()
