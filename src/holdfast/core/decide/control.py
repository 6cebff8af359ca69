"""Deciding about control: cancel, pause, resume, the lifecycle, answers, the end."""

from __future__ import annotations

from holdfast.core.commands import Answer, Cancel, KeyGone, MoveTo, Pause, Terminate
from holdfast.core.decide.common import Draft
from holdfast.core.decide.doubt import lose
from holdfast.core.decide.effects import cancel_turn, end_call, start_effect
from holdfast.core.errors import IllegalTransition, InvalidInput, NotNow, QuestionNotFound
from holdfast.core.events import (
    Answered,
    EffectEnded,
    Ended,
    Outcome,
    Paused,
    Resumed,
    StateSet,
    Wiped,
)
from holdfast.core.lifecycle import (
    ENDED,
    WORKING,
    SessionState,
    can_move,
    check_move,
    decode_state,
)
from holdfast.core.messages import estimate_tokens, tool_result
from holdfast.core.view import OpenEffect, Question

BY_HAND = frozenset(
    {SessionState.ACTIVE, SessionState.PAUSED, SessionState.COMPLETED, SessionState.ERROR}
)


def cancel(draft: Draft, command: Cancel, by: str) -> None:
    """End the running turn; nothing happens if there is none (seed B11)."""
    cancel_turn(draft, command.why, by)


def pause(draft: Draft, command: Pause) -> None:
    """Pause; nothing happens unless the session is active or processing."""
    if can_move(draft.view.state, SessionState.PAUSED):
        draft.add(Paused(why=command.why))


def resume(draft: Draft) -> None:
    """Resume; nothing happens unless the session is paused."""
    if draft.view.state is SessionState.PAUSED:
        draft.add(Resumed())


def move_to(draft: Draft, command: MoveTo) -> None:
    """Walk one edge of the lifecycle by hand.

    Raises:
        IllegalTransition: the table has no such edge, or it is not one for people.
    """
    there = decode_state(command.state)
    if there not in BY_HAND:
        raise IllegalTransition(f"a session is not set to {there.title} by hand")
    check_move(draft.view.state, there)
    if there is SessionState.PAUSED:
        pause(draft, Pause(why=command.reason))
    elif draft.view.state is SessionState.PAUSED and there is SessionState.ACTIVE:
        resume(draft)
    elif draft.view.state is SessionState.PROCESSING and there is SessionState.ACTIVE:
        cancel_turn(draft, "user")
    else:
        cancel_turn(draft, "ended")
        draft.add(StateSet(state=there.title, reason=command.reason))


def terminate(draft: Draft, command: Terminate) -> None:
    """Begin the end: refuse what is new, stop what runs; the wipe follows."""
    if draft.view.state in ENDED:
        return
    cancel_turn(draft, "terminated")
    draft.add(
        StateSet(
            state=SessionState.TERMINATING.title, reason=command.why, tombstone=command.tombstone
        )
    )


def key_gone(draft: Draft, command: KeyGone) -> None:
    """Attest the wipe and end the log."""
    if not draft.view.wiping or draft.view.wiped:
        return
    draft.add(Wiped(destroyed_at_ms=command.destroyed_at_ms, key_epoch=command.key_epoch))
    draft.add(Ended(tombstone=draft.view.tombstone))


def answer(draft: Draft, command: Answer) -> None:
    """Record a person's decision and act on it.

    Raises:
        QuestionNotFound: unknown, already answered or lapsed.
        InvalidInput: the decision is not one of the question's choices.
        NotNow: the session is paused or ended.
    """
    question = draft.view.question(command.question)
    if question is None:
        raise QuestionNotFound(f"no open question {command.question}")
    if command.decision not in question.choices:
        choices = ", ".join(question.choices)
        raise InvalidInput(f"{command.decision!r} is not one of: {choices}")
    if draft.view.state not in WORKING:
        raise NotNow(f"the session is {draft.view.state.title}")
    draft.add(
        Answered(question=question.id, decision=command.decision, note=command.note, by=command.by)
    )
    effect = draft.view.open_at(question.ref)
    if question.about == "approval":
        _approval(draft, question, command)
    elif effect is not None:
        _doubt(draft, effect, command)


def _approval(draft: Draft, question: Question, command: Answer) -> None:
    if command.decision == "approve":
        return
    note = f": {command.note}" if command.note else ""
    outcome, text = Outcome.REFUSED, f"[denied by a person{note}; do not try again]"
    if draft.view.open_at(question.ref) is not None:
        outcome = Outcome.LOST
        text = f"[outcome unknown; a person denied another attempt{note}]"
    end_call(draft, question.ref, outcome, text, reason="denied_by_person")


def _doubt(draft: Draft, effect: OpenEffect, command: Answer) -> None:
    note = f" Note: {command.note}" if command.note else ""
    if command.decision == "skip":
        lose(draft, effect, f"a person said to go on without it.{note}")
    elif command.decision == "run_again":
        start_effect(draft, effect.ref, effect.attempt + 1)
    else:
        call = draft.view.call(effect.ref.ordinal)
        name, id = (call.name, call.id) if call else (effect.name, "")
        text = f"[its output was lost, but a person confirmed that it happened.{note}]"
        message = tool_result(id, name, text)
        draft.add(
            EffectEnded(
                cause=effect.ref.cause,
                ordinal=effect.ref.ordinal,
                effect="tool",
                outcome=Outcome.DONE,
                message=message,
                tokens=estimate_tokens(message),
                reason="confirmed_by_person",
            )
        )
