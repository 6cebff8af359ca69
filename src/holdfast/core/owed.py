"""`owed`: what the world is owed in a state of the session. Derived, never stored.

The shell compares this with what is running, starts what is missing and cancels
what is surplus. Resuming after a crash is the same comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import ENDED, WORKING
from holdfast.core.view import OpenEffect, Question, SessionView


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What is owed now.

    Args:
        start: effects whose intent may be judged and appended now.
        run: effects with an intent; each must be running or be in doubt.
        ask: questions that wait for a person.
        destroy_key: the wipe has begun and the key must go.
        start_wipe: everything has stopped; the wipe may begin.
        turn_ends_ms: when the turn's wall clock runs out, or None.
        question_lapses_ms: when the next question lapses, or None.
    """

    start: tuple[EffectRef, ...] = ()
    run: tuple[OpenEffect, ...] = ()
    ask: tuple[Question, ...] = ()
    destroy_key: bool = False
    start_wipe: bool = False
    turn_ends_ms: int | None = None
    question_lapses_ms: int | None = None


def owed(view: SessionView) -> Owed:
    """Derive what is owed. An ended, paused or cancelled session owes no effect."""
    if view.wiping:
        return Owed(destroy_key=not view.wiped)
    if view.state in ENDED:
        return Owed(start_wipe=not (view.open or view.host_open or view.questions or view.wiped))
    turn = view.turn
    if turn is None or turn.cancel or view.state not in WORKING:
        return Owed(ask=view.questions)
    limit_ms = view.settings.limits.turn_s * 1000
    dues = [question.due_ms for question in view.questions if question.due_ms is not None]
    return Owed(
        start=_startable(view),
        run=view.open,
        ask=view.questions,
        turn_ends_ms=None if view.questions else turn.clock_ms + limit_ms,
        question_lapses_ms=min(dues, default=None),
    )


def _startable(view: SessionView) -> tuple[EffectRef, ...]:
    turn = view.turn
    assert turn is not None
    if view.calls:
        return _startable_calls(view, turn.answer)
    if view.open or view.questions:
        return ()
    return (EffectRef(turn.cause, 0),)


def _startable_calls(view: SessionView, answer: int) -> tuple[EffectRef, ...]:
    """Calls that may start: read-only ones side by side, all others alone, in order."""
    busy = {effect.ref.ordinal for effect in view.open if effect.ref.cause == answer}
    for question in view.questions:
        busy |= {question.ref.ordinal, *question.also}
    room = max(1, view.settings.limits.parallel_tools) - len(busy)
    start: list[EffectRef] = []
    for call in view.calls:
        if call.ordinal in busy:
            if call.parallel:
                continue
            break
        if not call.parallel:
            if not busy and not start:
                start.append(EffectRef(answer, call.ordinal))
            break
        if len(start) >= room:
            break
        start.append(EffectRef(answer, call.ordinal))
    return tuple(start)
