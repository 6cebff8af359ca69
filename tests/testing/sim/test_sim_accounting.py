"""Accounts, judged: planted disagreements of counters and events are found."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.events import EffectEnded, EffectStarted, Event
from holdfast.ports.store import Counter
from holdfast.testing.sim.accounting import balances
from holdfast.testing.sim.observer import Log
from simhelp import ASKS, answered, log_of, started


def takes(*amounts: tuple[str, int]) -> Event:
    """The intent of a model call that reserves."""
    event = started(2)
    assert isinstance(event, EffectStarted)
    return replace(event, takes=amounts)


def settles(*amounts: tuple[str, int, int]) -> Event:
    """Its outcome, which settles."""
    event = answered(2)
    assert isinstance(event, EffectEnded)
    return replace(event, settles=amounts)


def found(log: Log, *counters: tuple[str, int, int]) -> str:
    """What is wrong with these counters (id, used, held)."""
    kept = {id: Counter(id=id, limit=9, used=used, held=held) for id, used, held in counters}
    return "\n".join(balances([log], kept))


def test_counters_that_are_what_the_events_say_are_right() -> None:
    """Of the session, of its run, shared, and the uses of a grant."""
    taken = [("s.m", 5), ("r2.c", 1), ("u.t", 7), ("grant:aa", 1)]
    log = log_of(ASKS, takes(*taken), settles(*((id, n, n) for id, n in taken)))
    right = [("s1.m", 5, 0), ("s1.r2.c", 1, 0), ("u:abc.t", 7, 0), ("grant:aa", 1, 0)]
    assert "" == found(log, *right)
    for place in range(4):
        assert "the events say" in found(log, *right[:place], *right[place + 1 :])


def test_a_reserve_that_is_not_released_is_found() -> None:
    """In the log, and in the store."""
    log = log_of(ASKS, takes(("s.m", 5)), settles())
    problems = found(log, ("s1.m", 0, 5))
    assert "was taken by (2, 0) and not released" in problems
    assert "at the end 5 is held on s1.m" in problems


def test_more_settled_than_taken_is_found() -> None:
    """Also where the counter agrees."""
    log = log_of(ASKS, takes(("s.m", 5)), settles(("s.m", 6, 6)))
    assert "settles more than was taken" in found(log, ("s1.m", 6, -1))


def test_a_grant_that_was_used_too_often_is_found() -> None:
    """Its counter has a limit."""
    log = log_of(ASKS, takes(("grant:aa", 10)), settles(("grant:aa", 10, 10)))
    assert "was used 10 times and may be 9 times" in found(log, ("grant:aa", 10, 0))


def test_a_damaged_log_says_nothing_about_money() -> None:
    """Another judgement reports the damage."""
    log = log_of(ASKS, takes(("s.m", 5)))
    log.damage = "torn"
    assert "" == found(log)
