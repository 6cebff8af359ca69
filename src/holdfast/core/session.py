"""`evolve`: what it means that an event happened. Pure and total.

Each kind of event has one small function in a table. The lifecycle is not
checked here: `decide` checks it before an event exists; a fold takes what the
log says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import eq

from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    ChildOpened,
    Configured,
    ContextSet,
    EffectEnded,
    EffectStarted,
    Ended,
    Event,
    Exported,
    Granted,
    Imported,
    Lapsed,
    Modified,
    Opened,
    Paused,
    PlanFixed,
    Refused,
    Relabelled,
    Resumed,
    Revoked,
    StateSet,
    Totals,
    Unknown,
    Warned,
    Wiped,
    WipeStarted,
)
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Label
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.lowering import plan_fixed, relabelled
from holdfast.core.messages import Role
from holdfast.core.risk import told
from holdfast.core.turns import (
    active,
    closed,
    effect_ended,
    effect_started,
    exposed,
    settle,
    short,
    show,
)
from holdfast.core.view import (
    CONSENT,
    WARNED_MAX,
    YES,
    Call,
    Question,
    Recorded,
    SessionView,
    Turn,
    Window,
    changed,
    put,
)


def evolve(view: SessionView, recorded: Recorded) -> SessionView:
    """Return the view after one more event."""
    assert recorded.version == view.version + 1, "events are folded without a gap"
    moved = changed(view, version=recorded.version, updated_ms=recorded.time_ms)
    return _HANDLERS[type(recorded.event)](moved, recorded)


def fold(events: Iterable[Recorded], view: SessionView | None = None) -> SessionView:
    """Fold events onto a view, or onto nothing."""
    state = view or SessionView()
    for recorded in events:
        state = evolve(state, recorded)
    return state


def _add_totals(view: SessionView, totals: Totals) -> SessionView:
    return put(
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
    view = put(
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
        git=event.git.bounded() if event.git else None,
        origin=event.origin,
        lineage=event.lineage,
        label=event.label,
        exposure=replace(event.exposure, at=recorded.version if event.exposure.level else 0),
        risk=replace(event.risk, grew_at=recorded.version if event.risk.kinds else 0),
        created_ms=recorded.time_ms,
        last_activity_ms=recorded.time_ms,
        window=Window(tokens=event.tokens, count=len(event.messages)),
        context_tokens=event.tokens,
    )
    for message in event.messages:
        view = put(view, label=view.label.join(message.label))
    return _add_totals(view, event.totals)


def _configured(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Configured)
    prompt_at = view.prompt_at
    if event.system_prompt is not None:
        prompt_at = recorded.version if event.system_prompt else 0
    if event.touched:
        view = active(view, recorded.time_ms)
    if event.raise_to is not None:
        view = exposed(put(view, label=view.label.join(Label(event.raise_to))), event.raise_to)
    return put(
        view,
        settings=event.settings or view.settings,
        prompt_at=prompt_at,
        details=event.details or view.details,
        git=event.git if event.git_checked else view.git,
        tee_active=view.tee_active or event.tee_active,
    )


def _imported(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Imported)
    view = put(
        view,
        window=changed(
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
        view = put(view, label=view.label.join(message.label))
    if event.found is not None:
        view = exposed(view, event.found.level, event.found.names)
    return _add_totals(view, event.totals)


def _admitted(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Admitted)
    view = active(show(view, event.message, event.tokens), recorded.time_ms)
    if event.message.role is Role.USER:
        view = put(view, message_count=view.message_count + 1)
    if event.found is not None:
        risk = told(view.risk, event.found, recorded.time_ms, recorded.version)
        view = exposed(put(view, risk=risk), event.found.level, event.found.names)
    if not event.turn:
        return view
    if view.turn is not None:
        bearer = view.turn.bearer or event.bearer
        return put(view, turn=changed(view.turn, cause=recorded.version, bearer=bearer))
    at = recorded.version
    turn = Turn(id=at, cause=at, clock_ms=recorded.time_ms, bearer=event.bearer)
    state = SessionState.PROCESSING if view.state is SessionState.ACTIVE else view.state
    return put(view, turn=turn, state=state)


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
        codes=event.codes,
        policy=event.policy,
        label=event.label,
        quorum=event.quorum,
        also=event.also,
        patterns=event.patterns,
    )
    return put(view, questions=(*view.questions, question))


def _answered(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Answered)
    question = view.question(event.question)
    if question is None:
        return view
    yes = event.decision in YES
    if question.about == CONSENT and yes:
        view = put(view, consent_at=recorded.version)
    people = tuple(sorted({*question.yes, event.by}))
    if yes and len(people) < question.quorum:
        waits = replace(question, yes=people)
        questions = tuple(waits if one.id == waits.id else one for one in view.questions)
        return put(view, questions=questions)
    view = _without_question(view, event.question, recorded.time_ms, "answered")
    ordinals = (question.ref.ordinal, *event.also)
    if event.decision == "edit":
        return put(view, calls=_edited(view, ordinals[:1], recorded.version))
    if not yes:
        return view
    calls = tuple(
        _approved(call, question) if call.ordinal in ordinals else call for call in view.calls
    )
    return put(view, calls=calls, approval_count=view.approval_count + 1)


def _approved(call: Call, question: Question) -> Call:
    """A call a person said yes to, beside what they said yes to before under the same.

    An identical call is not bound to the label: what the first one brought in may
    have raised it, and the person saw both.
    """
    bound: tuple[str, ...] = (question.policy, question.label)
    if call.ordinal != question.ref.ordinal:
        bound = bound[:1]
    codes: tuple[str, ...] = ()
    if call.approved == question.digest and all(map(eq, call.bound, bound)):
        codes, bound = call.codes, max(call.bound, bound, key=len)
    return replace(
        call,
        approved=question.digest,
        codes=tuple(sorted({*codes, *question.codes})),
        bound=bound,
    )


def _edited(view: SessionView, ordinals: tuple[int, ...], version: int) -> tuple[Call, ...]:
    """Calls whose arguments an event has changed: what was approved before is not these."""
    return tuple(
        replace(call, edited=version, approved="", codes=(), bound=())
        if call.ordinal in ordinals
        else call
        for call in view.calls
    )


def _modified(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Modified)
    return put(view, calls=_edited(view, (event.ordinal,), recorded.version))


def _warned(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Warned)
    kept = tuple(one for one in view.warned if one != event.subject)
    return put(view, warned=(*kept, event.subject)[-WARNED_MAX:])


def _lapsed(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Lapsed)
    return settle(_without_question(view, event.question, recorded.time_ms, short(event.why)))


def _without_question(view: SessionView, id: int, time_ms: int, why: str) -> SessionView:
    """Drop a question; the turn's wall clock starts anew, since people take time."""
    turn = changed(view.turn, clock_ms=time_ms) if view.turn else None
    questions = tuple(question for question in view.questions if question.id != id)
    return put(view, questions=questions, turn=turn, closed=closed(view, (id,), why))


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
    return put(view, window=window, context_tokens=event.tokens)


def _paused(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Paused)
    return put(view, state=SessionState.PAUSED, state_reason=short(event.why))


def _resumed(view: SessionView, recorded: Recorded) -> SessionView:
    turn = changed(view.turn, clock_ms=recorded.time_ms) if view.turn else None
    state = SessionState.PROCESSING if turn else SessionState.ACTIVE
    return put(view, state=state, state_reason="", turn=turn)


def _state_set(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, StateSet)
    return put(
        view,
        state=decode_state(event.state),
        state_reason=short(event.reason),
        tombstone=view.tombstone or event.tombstone,
        keep=event.keep,
    )


def _cancel_asked(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, CancelAsked)
    if view.turn is None:
        return view
    return settle(put(view, turn=changed(view.turn, cancel=short(event.why) or "cancelled")))


def _exported(view: SessionView, recorded: Recorded) -> SessionView:
    return put(view, exports=view.exports + 1)


def _wipe_started(view: SessionView, recorded: Recorded) -> SessionView:
    return put(view, wiping=True, state=SessionState.TERMINATING)


def _wiped(view: SessionView, recorded: Recorded) -> SessionView:
    return put(view, wiped=True)


def _over(view: SessionView, recorded: Recorded) -> SessionView:
    event = recorded.event
    assert isinstance(event, Ended)
    return put(view, state=SessionState.TERMINATED, tombstone=event.tombstone)


_HANDLERS: dict[type[Event], Callable[[SessionView, Recorded], SessionView]] = {
    Opened: _opened,
    Configured: _configured,
    Imported: _imported,
    Admitted: _admitted,
    Refused: _nothing,
    Asked: _asked,
    Answered: _answered,
    Lapsed: _lapsed,
    EffectStarted: effect_started,
    EffectEnded: effect_ended,
    ContextSet: _context_set,
    Paused: _paused,
    Resumed: _resumed,
    StateSet: _state_set,
    CancelAsked: _cancel_asked,
    Granted: _nothing,
    Revoked: _nothing,
    Warned: _warned,
    Modified: _modified,
    PlanFixed: plan_fixed,
    Relabelled: relabelled,
    ChildOpened: _nothing,
    Exported: _exported,
    WipeStarted: _wipe_started,
    Wiped: _wiped,
    Ended: _over,
    Unknown: _nothing,
}
