"""What is owed in each state of a session."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.owed import Owed, owed
from holdfast.core.settings import Limits, Settings
from holdfast.core.view import Call, OpenEffect, Question, SessionView, Turn

ACTIVE = SessionState.PROCESSING


def running(*calls: Call, open: tuple[int, ...] = (), **fields: object) -> SessionView:
    """A session whose answer of version 9 has these calls; some run."""
    turn = Turn(id=2, cause=9, clock_ms=1_000, answer=9)
    effects = tuple(effect(ordinal) for ordinal in open)
    view = SessionView(version=9, state=ACTIVE, turn=turn, calls=calls, open=effects)
    return replace(view, **fields)


def effect(ordinal: int, cause: int = 9) -> OpenEffect:
    """An intent without an outcome."""
    return OpenEffect(
        ref=EffectRef(cause, ordinal),
        effect="tool",
        name="t",
        digest="d",
        attempt=1,
        engine="e",
        version=8,
    )


def question(ordinal: int, due_ms: int | None = None) -> Question:
    """A question about a call."""
    return Question(
        id=7,
        ref=EffectRef(9, ordinal),
        about="approval",
        name="t",
        digest="d",
        choices=("approve",),
        due_ms=due_ms,
        asked_ms=0,
    )


def side(ordinal: int) -> Call:
    """A call that may run beside others."""
    return Call(ordinal, f"c{ordinal}", "look", parallel=True)


def alone(ordinal: int) -> Call:
    """A call that runs alone."""
    return Call(ordinal, f"c{ordinal}", "pay")


def starts(view: SessionView) -> list[int]:
    """Ordinals that may start."""
    return [ref.ordinal for ref in owed(view).start]


def test_session_at_rest_owes_nothing() -> None:
    """No turn, nothing owed."""
    assert Owed() == owed(SessionView(state=SessionState.ACTIVE))


def test_turn_without_calls_owes_the_model() -> None:
    """The model is asked about what it has not seen yet, within the turn's time."""
    expected = Owed(start=(EffectRef(9, 0),), turn_ends_ms=3_601_000)
    assert expected == owed(running())


def test_open_model_call_is_to_run() -> None:
    """What is open must run, and nothing else starts."""
    view = running(open=(0,))
    assert Owed(run=view.open, turn_ends_ms=3_601_000) == owed(view)


@pytest.mark.parametrize(
    ("calls", "open", "expected"),
    [
        ((side(1), side(2), side(3)), (), [1, 2]),
        ((side(1), side(2), side(3)), (1,), [2]),
        ((side(1), side(2), side(3)), (1, 2), []),
        ((side(2), side(3)), (2,), [3]),
        ((alone(1), side(2)), (), [1]),
        ((alone(1), side(2)), (1,), []),
        ((side(1), alone(2), side(3)), (), [1]),
        ((side(1), alone(2), side(3)), (1,), []),
        ((alone(2), side(3)), (), [2]),
        ((alone(1), alone(2)), (), [1]),
        ((alone(2),), (), [2]),
        ((side(3),), (), [3]),
    ],
)
def test_calls_start_in_order(
    calls: tuple[Call, ...], open: tuple[int, ...], expected: list[int]
) -> None:
    """Read-only ones side by side up to the limit, all others alone."""
    settings = Settings(limits=Limits(parallel_tools=2))
    assert expected == starts(running(*calls, open=open, settings=settings))


def test_an_older_answers_effect_takes_no_room() -> None:
    """Only calls of the answer that is worked on are counted."""
    assert [1] == starts(replace(running(alone(1)), open=(effect(1, cause=3),)))


def test_call_with_a_question_waits() -> None:
    """A call that is asked about does not start, nor what comes after it."""
    assert [] == starts(running(alone(1), alone(2), questions=(question(1),)))
    assert [2] == starts(running(side(1), side(2), questions=(question(1),)))


def test_question_stops_the_clock() -> None:
    """While a person thinks the turn's time does not run; the next due time is told."""
    view = running(alone(1), questions=(question(1, 50), question(1, 40), question(1)))
    due = owed(view)
    assert (None, 40, view.questions) == (due.turn_ends_ms, due.question_lapses_ms, due.ask)


def test_no_model_call_while_a_question_waits() -> None:
    """A question without a call left still holds the model back."""
    assert [] == starts(running(questions=(question(1),)))


@pytest.mark.parametrize(
    "state",
    [s for s in SessionState if s not in (SessionState.ACTIVE, SessionState.PROCESSING)],
)
def test_states_that_do_not_work_owe_no_effect(state: SessionState) -> None:
    """Paused, completed, failed or ended: nothing starts and nothing is to run."""
    due = owed(running(side(1), side(2), open=(1,), state=state))
    assert ((), ()) == (due.start, due.run)
    assert (None, None) == (due.turn_ends_ms, due.question_lapses_ms)


def test_paused_session_still_asks() -> None:
    """Its questions stay open."""
    view = running(alone(1), questions=(question(1),), state=SessionState.PAUSED)
    assert Owed(ask=view.questions) == owed(view)


def test_cancelled_turn_owes_no_effect() -> None:
    """What runs for it is surplus."""
    turn = Turn(id=2, cause=9, clock_ms=0, answer=9, cancel="user")
    assert Owed() == owed(running(side(1), open=(1,), turn=turn))


@pytest.mark.parametrize(
    "left",
    [{"open": (effect(1),)}, {"host_open": (effect(1),)}, {"questions": (question(1),)}],
)
def test_wipe_waits_until_all_has_stopped(left: dict[str, object]) -> None:
    """Nothing may run any more when the key goes."""
    ending = SessionView(state=SessionState.TERMINATING)
    assert Owed(start_wipe=True) == owed(ending)
    assert Owed() == owed(replace(ending, **left))


def test_wipe_owes_the_key_until_it_is_gone() -> None:
    """From intent to attestation exactly the key is owed; then nothing."""
    wiping = SessionView(state=SessionState.TERMINATING, wiping=True)
    assert Owed(destroy_key=True) == owed(wiping)
    assert Owed() == owed(replace(wiping, wiped=True))
    assert Owed() == owed(SessionView(state=SessionState.TERMINATED, wiping=True, wiped=True))
    assert Owed() == owed(SessionView(state=SessionState.TERMINATED, wiped=True))
