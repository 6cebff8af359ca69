"""Deciding about approvals: what is asked, of whom, for how long, and what covers it.

Whether a person must be asked is the guards' word; how is the session's
`ConfirmationPolicy`. A question is asked once for identical calls of an answer
(astrid#AW-38) and lapses when its time runs out (astrid#AW-21).
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action
from holdfast.core.decide.common import Draft
from holdfast.core.decide.money import named, reason_of
from holdfast.core.decide.refusing import end_call, refuse_model
from holdfast.core.events import Answered, Asked, Lapsed, Outcome
from holdfast.core.granting import samples, wider_patterns
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import WORKING
from holdfast.core.principals import is_person
from holdfast.core.settings import TimeoutAction
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import CONSENT, Question, SessionView

CHOICES: dict[str, tuple[str, ...]] = {
    "approval": ("once", "session", "workspace", "always", "deny", "edit"),
    "escape": ("once", "session", "workspace", "always", "deny"),
    "budget": ("raise", "deny"),
    CONSENT: ("once", "deny"),
}
"""What may be answered; the order is that in which questions about one call are asked."""

TIMEOUT = "runtime:timeout"
"""Who answers when nobody did, where the policy says so."""

PATTERN_CHARS_MAX = 300
PREVIEW_CHARS_MAX = 4_000


def label_of(view: SessionView) -> str:
    """What the session has seen so far, as an approval is bound to it."""
    return f"{int(view.label.sensitivity)}.{int(view.label.integrity)}"


def may_answer(
    by: str, *, requester: str, acting: str = "", quorum: int = 1, about: str = ""
) -> str:
    """Why a principal may not answer a question, or "".

    Models, tools and agents never answer, a person's own among them, and neither does
    the token that the run acts with. Where more than one person must say yes, whose
    session it is does not count as one of them. Where one suffices, they may: an
    installation with a single user has nobody else (rulings R15; Service brings
    principals).

    Args:
        by: the principal who answers.
        requester: the principal whose session it is.
        acting: the principal that the run's own token names, if it has one.
        quorum: how many different people must say yes.
        about: what is asked; consent about one's own data is its author's to give.
    """
    if about == CONSENT and by and by != requester:
        return "only the author may say what becomes of what they told"
    if not is_person(by) or (acting and by == acting):
        return "only a person answers what a model, a tool or an agent asks for"
    if quorum > 1 and not by:
        return "this needs the names of those who say yes"
    if quorum > 1 and by == requester:
        return "who asked for it is not one of those who say yes to it"
    return ""


def settled(draft: Draft, ref: EffectRef, verdict: Ask, action: Action) -> Verdict:
    """What of a question is left once the answers given and the policy are counted in."""
    policy = draft.view.settings.confirmation
    covered = _covered(draft, ref, action)
    parts = zip(verdict.parts, verdict.codes, strict=True)
    left = [part for part, code in parts if code not in covered]
    if not left:
        return Allow(verdict.obligations, verdict.takes, verdict.grants)
    if not policy.enabled:
        return Deny("confirmation", "disabled", f"nobody is asked here: {left[0].question}")
    about = min((part.about for part in left), key=_order)
    first, *more = (part for part in left if part.about == about)
    return replace(first, more=tuple(more))


def _covered(draft: Draft, ref: EffectRef, action: Action) -> tuple[str, ...]:
    """Codes a person said yes to for this very action, under what holds now."""
    call = draft.view.call(ref.ordinal)
    if call is None or not action.digest or call.approved != action.digest:
        return ()
    now = (draft.facts.authority.version, label_of(draft.view))
    return call.codes if call.bound == now[: len(call.bound)] else ()


def _order(about: str) -> int:
    known = tuple(CHOICES)
    return known.index(about) if about in known else len(known)


def ask_person(draft: Draft, ref: EffectRef, action: Action, verdict: Ask) -> None:
    """Put a question on record; it is owed until it is answered or lapses."""
    if any(question.covers(ref) for question in draft.view.questions):
        return
    quorum = max(part.quorum for part in verdict.parts)
    grants = quorum == 1 and ref.ordinal > 0 and verdict.about != "budget"
    patterns = _patterns(action) if grants else {}
    draft.add(
        Asked(
            cause=ref.cause,
            ordinal=ref.ordinal,
            about=verdict.about,
            name=action.name,
            digest=action.digest,
            text="; ".join(part.question for part in verdict.parts),
            choices=_choices(draft, ref, action, verdict.about, quorum),
            due_ms=due_ms(draft),
            codes=verdict.codes,
            policy=draft.facts.authority.version,
            label=label_of(draft.view),
            preview=action.preview[:PREVIEW_CHARS_MAX],
            patterns=tuple(patterns),
            quorum=quorum,
            also=_identical(draft, ref, action) if verdict.about != "budget" else (),
            samples=tuple(patterns.values()),
        )
    )


def due_ms(draft: Draft) -> int | None:
    """When a question asked now lapses; None holds it for ever."""
    policy = draft.view.settings.confirmation
    attended = draft.facts.authority.attended
    seconds = policy.attended_s if attended else policy.unattended_s
    return None if seconds is None else draft.facts.now_ms + seconds * 1000


def _choices(
    draft: Draft, ref: EffectRef, action: Action, about: str, quorum: int
) -> tuple[str, ...]:
    choices = CHOICES.get(about, ("once", "deny"))
    tried = draft.view.open_at(ref) is not None
    gone = set()
    if tried or not ref.ordinal:
        gone.add("edit")  # an attempt that may have happened is not turned into another
    if quorum > 1 or not ref.ordinal:
        gone |= {"session", "workspace", "always"}  # what needs people each time is not granted
    if not action.has_workspace:
        gone.add("workspace")
    return tuple(choice for choice in choices if choice not in gone)


def _patterns(action: Action) -> dict[str, tuple[str, ...]]:
    """Wider rules that may be chosen instead of the literal one, with what they would match."""
    found = [one for one in wider_patterns(action) if len(one) <= PATTERN_CHARS_MAX]
    return {one: samples(one, action) for one in found}


def _identical(draft: Draft, ref: EffectRef, action: Action) -> tuple[int, ...]:
    """Other calls of the answer that are the same and nobody has been asked about."""
    view = draft.view
    if not ref.ordinal or not action.digest:
        return ()
    found = []
    for call in view.calls:
        other = EffectRef(ref.cause, call.ordinal)
        waits = any(question.covers(other) for question in view.questions)
        if call.ordinal == ref.ordinal or view.open_at(other) is not None or waits:
            continue
        same = draft.facts.actions.get(other)
        if same is not None and (same.digest, same.name) == (action.digest, action.name):
            found.append(call.ordinal)
    return tuple(found)


def lapse_due(draft: Draft) -> None:
    """Let the questions lapse whose time has run out; a denial unless the policy says else.

    While a session is paused nothing lapses: it does as soon as it goes on.
    """
    view = draft.view
    if view.state not in WORKING or view.turn is None or view.turn.cancel:
        return
    for question in view.questions:
        if question.due_ms is not None and draft.facts.now_ms >= question.due_ms:
            _lapse(draft, question)


def _lapse(draft: Draft, question: Question) -> None:
    action = draft.view.settings.confirmation.timeout_action
    risky = question.about != "approval" or question.quorum > 1 or "once" not in question.choices
    if action is TimeoutAction.UNSAFE_AUTO_APPROVE and not risky:
        note = "unsafe_auto_approve: nobody answered in time"
        also = still_waiting(draft.view, question)
        draft.add(Answered(question=question.id, decision="once", note=note, by=TIMEOUT, also=also))
        return
    refs = [question.ref, *_others(draft.view, question)]
    draft.add(Lapsed(question=question.id, why="expired"))
    for ref in refs:
        text = named(draft, question, "denied: nobody answered in time")
        again = "nobody allowed another attempt in time"
        refuse_call(draft, ref, text, again, reason_of(question, "approval.expired"))


def refuse_call(draft: Draft, ref: EffectRef, text: str, again: str, reason: str) -> None:
    """End a call that no person let happen; the model reads why.

    Args:
        text: its result; again: if an earlier attempt may have happened.
    """
    if not ref.ordinal:
        refuse_model(draft, ref, reason, text)
    elif draft.view.open_at(ref) is not None:
        end_call(draft, ref, Outcome.LOST, f"[outcome unknown; {again}]", reason=reason)
    else:
        end_call(draft, ref, Outcome.REFUSED, f"[{text}]", reason=reason)


def still_waiting(view: SessionView, question: Question) -> tuple[int, ...]:
    """Ordinals of the identical calls that still wait for a question's answer."""
    return tuple(ref.ordinal for ref in _others(view, question))


def _others(view: SessionView, question: Question) -> list[EffectRef]:
    waiting = {call.ordinal for call in view.calls}
    refs = [EffectRef(question.ref.cause, ordinal) for ordinal in question.also]
    return [ref for ref in refs if ref.ordinal in waiting and view.open_at(ref) is None]
