"""Who waits for the end of which turn."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.errors import Interrupted
from holdfast.core.view import FinishedTurn, SessionView, Turn
from holdfast.runtime.waiters import TurnWaiters

DONE = FinishedTurn(id=3, outcome="completed")


def test_a_turn_that_has_ended_is_told_at_once() -> None:
    """Nobody waits for what is over."""
    view = SessionView(last_turn=DONE)
    assert DONE == asyncio.run(TurnWaiters().wait(view, 3))


def test_a_turn_that_ended_before_another_is_not_told_as_the_other() -> None:
    """It ended while somebody else led: only the log knows how (simulator, seed 713143)."""
    over = SessionView(last_turn=DONE)
    assert asyncio.run(TurnWaiters().wait(over, 2)) is None
    running = SessionView(turn=Turn(id=3, cause=3, clock_ms=0))
    assert asyncio.run(TurnWaiters().wait(running, 2)) is None
    both = SessionView(turn=Turn(id=5, cause=5, clock_ms=0), last_turn=DONE)
    assert asyncio.run(TurnWaiters().wait(both, 2)) is None
    assert DONE == asyncio.run(TurnWaiters().wait(both, 3))


def test_a_waiter_that_missed_its_turn_is_told_so() -> None:
    """The end of another turn is not that of its own."""

    async def scene() -> FinishedTurn | None:
        waiters = TurnWaiters()
        now = asyncio.ensure_future(waiters.wait(SessionView(), 2))
        await asyncio.sleep(0)
        waiters.tell(SessionView(last_turn=DONE))
        return await now

    assert asyncio.run(scene()) is None


def test_waiters_of_a_turn_are_told_when_it_ends() -> None:
    """One whose turn is still to come goes on waiting."""

    async def scene() -> tuple[FinishedTurn, bool]:
        waiters = TurnWaiters()
        running = SessionView(turn=Turn(id=3, cause=3, clock_ms=0))
        now = asyncio.ensure_future(waiters.wait(running, 3))
        later = asyncio.ensure_future(waiters.wait(running, 9))
        await asyncio.sleep(0)
        waiters.tell(running)
        assert not now.done()
        waiters.tell(SessionView(last_turn=DONE))
        found = await now
        waiting = waiters.waiting
        later.cancel()
        return found, waiting

    assert (DONE, True) == asyncio.run(scene())


def test_nobody_is_left_waiting() -> None:
    """Whoever waits, or comes later, is told that it will not be told here."""

    async def scene() -> None:
        waiters = TurnWaiters()
        view = SessionView(turn=Turn(id=3, cause=3, clock_ms=0))
        early = asyncio.ensure_future(waiters.wait(view, 3))
        await asyncio.sleep(0)
        waiters.close("handed over")
        for waiting in (early, waiters.wait(view, 3)):
            with pytest.raises(Interrupted, match="handed over"):
                await waiting

    asyncio.run(scene())
