"""`evolve`: what it means that an event happened. Pure and total.

Each kind of event has one small function in a table. The lifecycle is not
checked here: `decide` checks it before an event exists; a fold takes what the
log says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    Configured,
    ContextSet,
    EffectEnded,
    EffectStarted,
    Ended,
    Event,
    Imported,
    Lapsed,
    Opened,
    Outcome,
    Paused,
    Refused,
    Resumed,
    StateSet,
    Totals,
    Unknown,
    Wiped,
    WipeStarted,
)
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.messages import Message, Role
from holdfast.core.view import (
    CALLS_MAX,
    HOST_EFFECTS,
    Call,
    FinishedTurn,
    OpenEffect,
    Question,
    Recorded,
    SessionView,
    Turn,
    Window,
)


def evolve(view: SessionView, recorded: Recorded) -> SessionView:
    """Return the view after one more event."""
    assert recorded.version == view.version + 1, "events are folded without a gap"
    moved = replace(view, version=recorded.version, updated_ms=recorded.time_ms)
    return _HANDLERS[type(recorded.event)](moved, recorded)


def fold(events: Iterable[Recorded], view: SessionView | None = None) -> SessionView:
    """Fold events onto a view, or onto nothing."""
    state = view or SessionView()
    for recorded in events:
        state = evolve(state, recorded)
    return state


# --- helpers -------------------------------------------------------------------------


def _show(view: SessionView, message: Message | None, tokens: int) -> SessionView:
    """Count a message into the window and its label into the high-water mark."""
    if message is None:
        return view
    window = replace(view.window, tokens=view.window.tokens + tokens, count=view.window.count + 1)
    return replace(
        view,
        window=window,
        context_tokens=view.context_tokens + tokens,
        label=view.label.join(message.label),
    )


def _active(view: SessionView, time_ms: int) -> SessionView:
    return replace(view, last_activity_ms=time_ms)


def _end_turn(view: SessionView, outcome: str, reason: str = "", detail: str = "") -> SessionView:
    turn = view.turn
    assert turn is not None, "a turn that ends has begun"
    finished = FinishedTurn(
        id=turn.id,
        outcome=outcome,
        answer=turn.answer,
        reason=reason,
        detail=detail,
        tool_calls=turn.tool_calls,
        usage=turn.usage,
        version=view.version,
    )
    state = SessionState.ACTIVE if view.state is SessionState.PROCESSING else view.state
    return replace(
        view, turn=None, calls=(), last_turn=finished, turn_count=view.turn_count + 1, state=state
    )


def _settle(view: SessionView) -> SessionView:
    """End a turn that is being cancelled once nothing of it is open."""
    if view.turn is None or not view.turn.cancel:
        return view
    if view.open or view.calls or view.questions:
        return view
    return _end_turn(view, "cancelled", view.turn.cancel)


def _add_totals(view: SessionView, totals: Totals) -> SessionView:
    return replace(
        view,
        message_count=view.message_count + totals.messages,
        turn_count=view.turn_count + totals.turns,
        round_count=view.round_count + totals.rounds,
        tool_call_count=view.tool_call_count + totals.tool_calls,
        approval_count=view.approval_count + totals.approvals,
        usage=view.usage + totals.usage,
    )


# --- one function a kind -------------------------------------------------------------


def _opened(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Opened)
    view = replace(
        view,
        session_id=event.session_id,
        tenant=event.tenant,
        user_id=event.user_id,
        channel_id=event.channel_id,
        chat_id=event.chat_id,
        state=SessionState.ACTIVE,
        settings=event.settings,
        prompt_at=recorded.version if event.system_prompt else 0,
        details=event.details,
        git=event.git,
        origin=event.origin,
        label=event.label,
        created_ms=recorded.time_ms,
        last_activity_ms=recorded.time_ms,
        window=Window(tokens=event.tokens, count=len(event.messages)),
        context_tokens=event.tokens,
    )
    for message in event.messages:
        view = replace(view, label=view.label.join(message.label))
    return _add_totals(view, event.totals)


def _configured(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Configured)
    prompt_at = view.prompt_at
    if event.system_prompt is not None:
        prompt_at = recorded.version if event.system_prompt else 0
    return replace(
        view,
        settings=event.settings or view.settings,
        prompt_at=prompt_at,
        details=event.details or view.details,
        git=event.git if event.git_checked else view.git,
    )


def _imported(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Imported)
    view = replace(
        view,
        window=replace(
            view.window,
            tokens=view.window.tokens + event.tokens,
            count=view.window.count + len(event.messages),
        ),
        context_tokens=event.totals.last_prompt_tokens or view.context_tokens + event.tokens,
        created_ms=event.created_ms or view.created_ms,
        last_activity_ms=event.updated_ms or view.last_activity_ms,
        inert_at=recorded.version if event.inert != "{}" else view.inert_at,
    )
    for message in event.messages:
        view = replace(view, label=view.label.join(message.label))
    return _add_totals(view, event.totals)


def _admitted(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Admitted)
    view = _active(_show(view, event.message, event.tokens), recorded.time_ms)
    if event.message.role is Role.USER:
        view = replace(view, message_count=view.message_count + 1)
    if not event.turn:
        return view
    if view.turn is not None:
        return replace(view, turn=replace(view.turn, cause=recorded.version))
    turn = Turn(id=recorded.version, cause=recorded.version, clock_ms=recorded.time_ms)
    state = SessionState.PROCESSING if view.state is SessionState.ACTIVE else view.state
    return replace(view, turn=turn, state=state)


def _nothing(view: SessionView, recorded: Recorded) -> SessionView:
    return view


def _asked(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Asked)
    ref = EffectRef(event.cause, event.ordinal)
    question = Question(
        id=recorded.version,
        ref=ref,
        about=event.about,
        name=event.name,
        digest=event.digest,
        choices=event.choices,
        due_ms=event.due_ms,
        asked_ms=recorded.time_ms,
    )
    return replace(view, questions=(*view.questions, question))


def _answered(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Answered)
    question = view.question(event.question)
    view = _without_question(view, event.question, recorded.time_ms)
    if question is None or event.decision != "approve":
        return view
    calls = tuple(
        replace(call, approved=question.digest) if call.ordinal == question.ref.ordinal else call
        for call in view.calls
    )
    return replace(view, calls=calls, approval_count=view.approval_count + 1)


def _lapsed(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Lapsed)
    return _settle(_without_question(view, event.question, recorded.time_ms))


def _without_question(view: SessionView, id: int, time_ms: int) -> SessionView:
    """Drop a question; the turn's wall clock starts anew, since people take time."""
    turn = replace(view.turn, clock_ms=time_ms) if view.turn else None
    questions = tuple(question for question in view.questions if question.id != id)
    return replace(view, questions=questions, turn=turn)


def _started(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, EffectStarted)
    ref = EffectRef(event.cause, event.ordinal)
    effect = OpenEffect(
        ref=ref,
        effect=event.effect,
        name=event.name,
        digest=event.digest,
        attempt=event.attempt,
        engine=event.engine,
        version=recorded.version,
    )
    if event.effect in HOST_EFFECTS:
        return replace(view, host_open=(*view.host_open, effect))
    others = tuple(one for one in view.open if one.ref != ref)
    turn = view.turn
    if turn is not None and event.attempt > 1:
        turn = replace(turn, clock_ms=recorded.time_ms)
    working = view.state is SessionState.ACTIVE and turn is not None
    state = SessionState.PROCESSING if working else view.state
    return replace(view, open=(*others, effect), turn=turn, state=state)


def _ended(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, EffectEnded)
    ref = EffectRef(event.cause, event.ordinal)
    if event.effect in HOST_EFFECTS:
        return _host_ended(view, event, ref)
    view = replace(
        view,
        open=tuple(one for one in view.open if one.ref != ref),
        questions=tuple(one for one in view.questions if one.ref != ref),
    )
    view = _active(_show(view, event.message, event.tokens), recorded.time_ms)
    if event.effect == "tool":
        return _settle(_tool_ended(view, ref, recorded))
    return _settle(_model_ended(view, event, recorded))


def _host_ended(view: SessionView, event: EffectEnded, ref: EffectRef) -> SessionView:
    """A call of the embedding program: money counts, the conversation is untouched."""
    left = tuple(one for one in view.host_open if one.ref != ref)
    calls = view.tool_call_count + (1 if event.effect == "host_tool" else 0)
    usage = view.usage + event.usage if event.usage else view.usage
    return replace(view, host_open=left, tool_call_count=calls, usage=usage)


def _tool_ended(view: SessionView, ref: EffectRef, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, EffectEnded)
    calls = tuple(call for call in view.calls if call.ordinal != ref.ordinal)
    ran = 0 if event.outcome is Outcome.REFUSED else 1
    turn = view.turn
    if turn is not None:
        turn = replace(turn, cause=recorded.version, tool_calls=turn.tool_calls + ran)
    return replace(view, calls=calls, turn=turn, tool_call_count=view.tool_call_count + ran)


def _model_ended(view: SessionView, event: EffectEnded, recorded: Recorded) -> SessionView:
    turn = view.turn
    if event.usage is not None:
        view = replace(view, usage=view.usage + event.usage)
        if event.usage.total_tokens:
            view = replace(view, context_tokens=event.usage.total_tokens)
        turn = replace(turn, usage=turn.usage + event.usage) if turn else None
        view = replace(view, turn=turn)
    if turn is None:
        return view
    if event.outcome is Outcome.DONE and event.message is not None:
        return _answered_by_model(view, turn, event, recorded)
    if event.outcome in (Outcome.FAILED, Outcome.REFUSED):
        return _end_turn(view, "failed", event.reason, event.detail)
    if event.message is not None:
        return replace(view, turn=replace(turn, answer=recorded.version))
    return view


def _answered_by_model(
    view: SessionView, turn: Turn, event: EffectEnded, recorded: Recorded
) -> SessionView:
    assert event.message is not None
    uses = event.message.tool_uses[:CALLS_MAX]
    calls = tuple(
        Call(ordinal, use.id, use.name, ordinal in event.parallel)
        for ordinal, use in enumerate(uses, start=1)
    )
    steered = turn.cause != event.cause
    turn = replace(
        turn,
        answer=recorded.version,
        rounds=turn.rounds + 1,
        cause=recorded.version if calls else turn.cause,
    )
    view = replace(view, calls=calls, round_count=view.round_count + 1, turn=turn)
    if calls or turn.cancel or steered:
        return view
    return _end_turn(view, "completed")


def _context_set(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, ContextSet)
    window = Window(
        closed=event.window,
        start=recorded.version + 1,
        tokens=event.tokens,
        count=event.count,
        summary=recorded.version if event.summary else 0,
    )
    return replace(view, window=window, context_tokens=event.tokens)


def _paused(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Paused)
    return replace(view, state=SessionState.PAUSED, state_reason=event.why)


def _resumed(view: SessionView, recorded: Recorded) -> SessionView:
    turn = replace(view.turn, clock_ms=recorded.time_ms) if view.turn else None
    state = SessionState.PROCESSING if turn else SessionState.ACTIVE
    return replace(view, state=state, state_reason="", turn=turn)


def _state_set(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, StateSet)
    return replace(
        view,
        state=decode_state(event.state),
        state_reason=event.reason,
        tombstone=view.tombstone or event.tombstone,
    )


def _cancel_asked(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, CancelAsked)
    if view.turn is None:
        return view
    return _settle(replace(view, turn=replace(view.turn, cancel=event.why)))


def _wipe_started(view: SessionView, recorded: Recorded) -> SessionView:
    return replace(view, wiping=True, state=SessionState.TERMINATING)


def _wiped(view: SessionView, recorded: Recorded) -> SessionView:
    return replace(view, wiped=True)


def _over(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Ended)
    return replace(view, state=SessionState.TERMINATED, tombstone=event.tombstone)


_HANDLERS: dict[type[Event], Callable[[SessionView, Recorded], SessionView]] = {
    Opened: _opened,
    Configured: _configured,
    Imported: _imported,
    Admitted: _admitted,
    Refused: _nothing,
    Asked: _asked,
    Answered: _answered,
    Lapsed: _lapsed,
    EffectStarted: _started,
    EffectEnded: _ended,
    ContextSet: _context_set,
    Paused: _paused,
    Resumed: _resumed,
    StateSet: _state_set,
    CancelAsked: _cancel_asked,
    WipeStarted: _wipe_started,
    Wiped: _wiped,
    Ended: _over,
    Unknown: _nothing,
}
