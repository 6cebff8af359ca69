"""`evolve` for turns and effects: how a turn starts, goes on and ends."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.events import (
    EffectEnded,
    EffectStarted,
    Outcome,
)
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import kept
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message
from holdfast.core.risk import Exposure
from holdfast.core.view import (
    BESIDE_TURN,
    CALLS_MAX,
    CLOSED_MAX,
    ENCLAVE,
    EXPOSED_KINDS_MAX,
    Call,
    FinishedTurn,
    OpenEffect,
    Recorded,
    SessionView,
    Turn,
    changed,
    put,
)

SHORT_CHARS_MAX = 300


def show(view: SessionView, message: Message | None, tokens: int) -> SessionView:
    """Count a message into the window and its label into the high-water mark."""
    if message is None:
        return view
    window = changed(view.window, tokens=view.window.tokens + tokens, count=view.window.count + 1)
    return put(
        view,
        window=window,
        context_tokens=view.context_tokens + tokens,
        label=view.label.join(message.label),
    )


def exposed(view: SessionView, level: Sensitivity, kinds: tuple[str, ...] = ()) -> SessionView:
    """Count in what a model is told that pseudonyms do not cover."""
    before = view.exposure
    kinds = tuple(kept(kind) for kind in kinds)
    if level <= Sensitivity.NORMAL or (level < before.level and set(kinds) <= set(before.kinds)):
        return view
    new = sorted(set(kinds) - set(before.kinds))  # none that is known makes room for it
    known = tuple(sorted((*before.kinds, *new[: max(0, EXPOSED_KINDS_MAX - len(before.kinds))])))
    level = max(level, before.level)
    return put(view, exposure=Exposure(level=level, kinds=known, at=view.version))


def short(text: str) -> str:
    """Cut a text that the fold keeps; the whole of it is in its event."""
    return text[:SHORT_CHARS_MAX]


def active(view: SessionView, time_ms: int) -> SessionView:
    """Note that a user, a model or a tool did something."""
    return put(view, last_activity_ms=time_ms)


def end_turn(view: SessionView, outcome: str, reason: str = "", detail: str = "") -> SessionView:
    """End the running turn."""
    turn = view.turn
    assert turn is not None, "a turn that ends has begun"
    finished = FinishedTurn(
        id=turn.id,
        outcome=outcome,
        answer=turn.answer,
        reason=short(reason),
        detail=short(detail),
        tool_calls=turn.tool_calls,
        usage=turn.usage,
        version=view.version,
    )
    state = SessionState.ACTIVE if view.state is SessionState.PROCESSING else view.state
    return put(
        view, turn=None, calls=(), last_turn=finished, turn_count=view.turn_count + 1, state=state
    )


def settle(view: SessionView) -> SessionView:
    """End a turn that is being cancelled once nothing of it is open."""
    if view.turn is None or not view.turn.cancel:
        return view
    if view.open or view.calls or view.questions:
        return view
    return end_turn(view, "cancelled", view.turn.cancel)


def effect_started(view: SessionView, recorded: Recorded) -> SessionView:
    """An intent is durable."""
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
        takes=event.takes,
        enclave=ENCLAVE in event.obligations,
    )
    if effect.enclave and not view.tee_active:
        view = put(view, tee_active=True)
    if event.effect in BESIDE_TURN:
        return put(view, host_open=(*view.host_open, effect))
    others = tuple([one for one in view.open if one.ref != ref])
    if any(call.approved and call.ordinal == ref.ordinal for call in view.calls):
        calls = tuple(  # a yes is for one attempt
            replace(call, approved="", codes=(), bound=()) if call.ordinal == ref.ordinal else call
            for call in view.calls
        )
        view = put(view, calls=calls)
    turn = view.turn
    if turn is not None and event.attempt > 1:
        turn = changed(turn, clock_ms=recorded.time_ms)
    if event.step and event.attempt == 1:
        view = put(view, plan_left=_taken(view.plan_left, event.step))
    working = view.state is SessionState.ACTIVE and turn is not None
    state = SessionState.PROCESSING if working else view.state
    return put(view, open=(*others, effect), turn=turn, state=state)


def _taken(left: tuple[int, ...], step: int) -> tuple[int, ...]:
    """A plan of which a step has been taken once more."""
    return tuple(
        max(0, times - 1) if place == step else times for place, times in enumerate(left, start=1)
    )


def effect_ended(view: SessionView, recorded: Recorded) -> SessionView:
    """An effect has its outcome."""
    event = recorded.event
    assert isinstance(event, EffectEnded)
    ref = EffectRef(event.cause, event.ordinal)
    if event.effect in BESIDE_TURN:
        return _host_ended(view, event, ref)
    view = put(view, open=tuple([one for one in view.open if one.ref != ref]))
    if view.questions:
        view = _without_questions(view, ref)
    view = active(show(view, event.message, event.tokens), recorded.time_ms)
    if event.effect == "tool":
        view = exposed(view, Sensitivity(max(0, min(event.exposes, 4))))
        return settle(_tool_ended(view, ref, recorded))
    return settle(_model_ended(view, event, recorded))


def _without_questions(view: SessionView, ref: EffectRef) -> SessionView:
    """Drop the questions about a call that has its result; identical ones ask for themselves."""
    gone = tuple([one.id for one in view.questions if one.ref == ref])
    if not gone:
        return view
    left = tuple([one for one in view.questions if one.ref != ref])
    return put(view, questions=left, closed=closed(view, gone, "over"))


def closed(view: SessionView, ids: tuple[int, ...], why: str) -> tuple[tuple[int, str], ...]:
    """The last closed questions, with these."""
    known = {one.id for one in view.questions}
    return (*view.closed, *((id, why) for id in ids if id in known))[-CLOSED_MAX:]


def _host_ended(view: SessionView, event: EffectEnded, ref: EffectRef) -> SessionView:
    """A call of the embedding program: money counts, the conversation is untouched."""
    left = tuple(one for one in view.host_open if one.ref != ref)
    calls = view.tool_call_count + (1 if event.effect == "host_tool" else 0)
    usage = view.usage + event.usage if event.usage else view.usage
    return put(view, host_open=left, tool_call_count=calls, usage=usage)


def _tool_ended(view: SessionView, ref: EffectRef, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, EffectEnded)
    calls = tuple([call for call in view.calls if call.ordinal != ref.ordinal])
    ran = 0 if event.outcome is Outcome.REFUSED else 1
    turn = view.turn
    if turn is not None:
        turn = changed(turn, cause=recorded.version, tool_calls=turn.tool_calls + ran)
    return put(view, calls=calls, turn=turn, tool_call_count=view.tool_call_count + ran)


def _model_ended(view: SessionView, event: EffectEnded, recorded: Recorded) -> SessionView:
    turn = view.turn
    if event.usage is not None:
        view = put(view, usage=view.usage + event.usage)
        if event.usage.total_tokens:
            view = put(view, context_tokens=event.usage.total_tokens)
        turn = changed(turn, usage=turn.usage + event.usage) if turn else None
        view = put(view, turn=turn)
    if turn is None:
        return view
    if event.outcome is Outcome.DONE and event.message is not None:
        return _answered_by_model(view, turn, event, recorded)
    if event.outcome in (Outcome.FAILED, Outcome.REFUSED):
        return end_turn(view, "failed", event.reason, event.detail)
    if event.message is not None:
        return put(view, turn=changed(turn, answer=recorded.version))
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
    turn = changed(
        turn,
        answer=recorded.version,
        rounds=turn.rounds + 1,
        cause=recorded.version if calls else turn.cause,
    )
    view = put(view, calls=calls, round_count=view.round_count + 1, turn=turn)
    if calls or turn.cancel or steered:
        return view
    return end_turn(view, "completed")
