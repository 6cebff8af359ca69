"""What a fixed plan and a lowered label make of a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import ENGINE, Talk
from holdfast.core.births import Admitted
from holdfast.core.events import EffectStarted, Event, PlanFixed, PlanStep, Relabelled
from holdfast.core.inspection import Inspected
from holdfast.core.labels import TRUSTED, UNTRUSTED, Integrity, Label, Sensitivity
from holdfast.core.messages import user
from holdfast.core.risk import NO_RISK, Exposure
from holdfast.core.view import SessionView

FOUND = Inspected(level=Sensitivity.CRITICAL, kinds=(("pin", 1),))
SECRET = Label(Sensitivity.CRITICAL, Integrity.UNTRUSTED, ("page",))
SAID = Admitted(message=user("x", SECRET), tokens=1, turn=False, found=FOUND)


def after(*events: Event) -> SessionView:
    """The view after a birth and these events."""
    talk = Talk()
    for event in events:
        talk.take(event)
    return talk.view


def plan(*times: int) -> PlanFixed:
    """A plan whose steps may be taken so often."""
    return PlanFixed(steps=tuple(PlanStep(tool="pay", times=one) for one in times))


def taken(step: int, attempt: int = 1) -> EffectStarted:
    """A call that takes a step."""
    return EffectStarted(
        cause=1, ordinal=1, effect="tool", name="pay", engine=ENGINE, step=step, attempt=attempt
    )


def test_a_plan_holds_and_replaces_the_one_before() -> None:
    """None of the new one's steps has been taken."""
    assert (0, ()) == (after().plan_at, after().plan_left)
    view = after(plan(2, 1))
    assert (2, (2, 1)) == (view.plan_at, view.plan_left)
    view = after(plan(2, 1), taken(1), plan(3))
    assert (4, (3,)) == (view.plan_at, view.plan_left)


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ((taken(1),), (1, 1)),
        ((taken(2),), (2, 0)),
        ((taken(2), taken(2)), (2, 0)),
        ((taken(1), taken(1), taken(1)), (0, 1)),
        ((taken(0),), (2, 1)),
        ((taken(9),), (2, 1)),
        ((taken(1), taken(1, attempt=2)), (1, 1)),
    ],
    ids=["first", "last", "never below none", "often", "no step", "unknown", "another attempt"],
)
def test_a_call_that_starts_takes_its_step(
    events: tuple[Event, ...], left: tuple[int, ...]
) -> None:
    """Once, however often it is attempted."""
    assert left == after(plan(2, 1), *events).plan_left


def test_a_label_holds_for_what_was_there_by_then() -> None:
    """It is remembered with its version; what comes later counts again."""
    lowered = Relabelled(label=Label(Sensitivity.NORMAL), why="w")
    view = after(SAID, lowered)
    assert (Label(Sensitivity.NORMAL), (3, Label(Sensitivity.NORMAL))) == (
        view.label,
        view.endorsed,
    )
    assert Exposure(level=Sensitivity.NORMAL, kinds=("pin",), at=2) == view.exposure
    later = after(SAID, lowered, SAID)
    assert (SECRET, (3, Label(Sensitivity.NORMAL))) == (later.label, later.endorsed)
    assert (Sensitivity.CRITICAL, 4) == (later.exposure.level, later.exposure.at)


def test_an_exposure_is_never_raised_by_it() -> None:
    """A label that is above it leaves it."""
    before = after(SAID)
    view = after(SAID, Relabelled(label=replace(SECRET, integrity=Integrity.TRUSTED), why="w"))
    assert before.exposure == view.exposure
    assert TRUSTED.integrity is view.label.integrity
    assert after().exposure == after(Relabelled(label=UNTRUSTED)).exposure


def test_the_risk_begins_anew_only_if_it_says_so() -> None:
    """And without a label nothing else changes."""
    before = after(SAID)
    assert (("pin", 1),) == tuple((kind, count) for kind, count, _ in before.risk.kinds)
    kept = after(SAID, Relabelled(label=TRUSTED))
    assert before.risk == kept.risk
    view = after(SAID, Relabelled(risk=True))
    assert (NO_RISK, before.label, before.exposure, None) == (
        view.risk,
        view.label,
        view.exposure,
        view.endorsed,
    )
    both = after(SAID, Relabelled(label=TRUSTED, risk=True))
    assert (NO_RISK, TRUSTED) == (both.risk, both.label)
