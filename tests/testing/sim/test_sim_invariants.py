"""Every invariant fires on a history that breaks it, and is silent on a good one."""

from __future__ import annotations

import pytest

from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    Ended,
    Event,
    Lapsed,
    Outcome,
    Paused,
    Refused,
    StateSet,
    Wiped,
    WipeStarted,
)
from holdfast.core.messages import user
from holdfast.testing.sim.invariants import (
    CHECKS,
    admitted_by,
    by_hand,
    effects,
    ended,
    judge_logs,
    lifecycle,
    limits,
    order,
    questions,
    wiped,
)
from simhelp import ASKS, answered, evidence_of, log_of, result, started

GOOD: tuple[Event, ...] = (
    ASKS,
    started(2),
    answered(2, "look", "put"),
    started(4, 1, name="look"),
    result(4, 1, "look"),
    started(4, 2, name="put"),
    result(4, 2, "put"),
    started(8),
    answered(8),
)
WIPED = (WipeStarted(), Wiped(destroyed_at_ms=1, key_epoch=1), Ended())
ASKED = Asked(
    cause=4, ordinal=1, about="approval", name="look", digest="", text="?", choices=("yes",)
)
DOWN = StateSet(state="Terminating")


def test_a_good_history_breaks_nothing() -> None:
    """A turn with two calls and an end by hand passes every check."""
    log = log_of(*GOOD, StateSet(state="Completed"))
    assert [] == list(judge_logs(evidence_of(log)))
    wiped_log = log_of(*GOOD, DOWN, *WIPED)
    assert [] == list(judge_logs(evidence_of(wiped_log)))


@pytest.mark.parametrize(
    ("check", "events", "problem"),
    [
        (lifecycle, (StateSet(state="Completed"), StateSet(state="Error")), "Completed to Error"),
        (ended, (Paused(), ASKS), "Admitted while Paused"),
        (ended, (ASKS, Paused(), started(2)), "EffectStarted while Paused"),
        (
            ended,
            (ASKS, Paused(), result(2, 1, "look", outcome=Outcome.REFUSED)),
            "was judged while Paused",
        ),
        (ended, (ASKS, started(2)), "at the end something is open"),
        (ended, (DOWN,), "the wipe was begun and not ended"),
        (ended, (DOWN, WIPED[0], Refused(action="a", guard="g", reason="r")), "after the wipe"),
        (ended, (DOWN, *WIPED, Lapsed(question=1, why="")), "after the end"),
        (effects, (*GOOD, answered(8)), "has 2 outcomes"),
        (effects, (*GOOD, started(8)), "starts (8, 0) after its outcome"),
        (effects, (ASKS, started(2, attempt=2), answered(2)), "is attempt 2"),
        (effects, (ASKS, started(2)), "has 0 outcomes"),
        (effects, GOOD[:3], "has no single result"),
        (order, (*GOOD[:3], started(4)), "while calls are open"),
        (order, (*GOOD[:3], started(4, 2, name="put")), "overtakes an earlier one"),
        (order, (*GOOD[:3], started(4, 7)), "none of the answer's"),
        (limits, (ASKS, *(started(2, attempt=n) for n in range(1, 7))), "is attempt 6"),
        (questions, (*GOOD[:3], Answered(question=4, decision="yes")), "no open question"),
        (questions, (*GOOD[:3], ASKED, Answered(question=5, decision="no")), "is no"),
        (by_hand, (ASKS, StateSet(state="Completed")), "and not its turn"),
        (wiped, (DOWN, WIPED[1], WIPED[0], WIPED[2]), "the wipe is told as"),
    ],
)
def test_an_invariant_fires(check: object, events: tuple[Event, ...], problem: str) -> None:
    """A planted bad history is found by the check that is there for it."""
    assert check in CHECKS
    found = list(check(log_of(*events)))  # type: ignore[operator]  # one of CHECKS
    assert [one for one in found if problem in one], found


def test_time_that_goes_back_is_found() -> None:
    """An event may not be older than the one before."""
    log = log_of(*GOOD)
    log.events[3], log.events[4] = log.events[4], log.events[3]
    assert any("is older than" in problem for problem in lifecycle(log))


def test_the_limit_of_rounds_is_kept_to() -> None:
    """A model call over the limit is found."""
    log = log_of(*GOOD)
    rounds = log.view.settings.limits.max_rounds
    events: list[Event] = [ASKS]
    for _ in range(rounds + 1):
        cause = len(events) + 1
        events += [started(cause), answered(cause, "look")]
        events += [started(cause + 2, 1, name="look"), result(cause + 2, 1, "look")]
    assert any("over the limit" in problem for problem in limits(log_of(*events)))
    assert [] == list(limits(log))


def test_a_nonce_and_damage_are_found() -> None:
    """A nonce used twice is found; of a damaged log only the damage is told."""
    offered = ((1, 1, bytes(12) + b"a"), (1, 1, bytes(12) + b"b"))
    log = log_of(*GOOD)
    found = list(judge_logs(evidence_of(log, offered=offered)))
    assert ["stream 1: a nonce was used twice"] == found
    log.damage = "event 2 is not there"
    assert ["s1: event 2 is not there"] == list(judge_logs(evidence_of(log)))


def test_admissions_are_found_by_their_command() -> None:
    """Only messages that came with a command id are told."""
    log = log_of(ASKS, CancelAsked(why="user"), Admitted(message=user("x"), tokens=1))
    assert {"c1": [2]} == {id: [r.version for r in found] for id, found in admitted_by(log).items()}
