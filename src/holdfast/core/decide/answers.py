"""Deciding about answers: what a person's decision on a question comes to.

An answer is for one action: it is bound to the digest of the final arguments,
the version of the policies and the session's label at the time of asking. If one
of them has changed, a yes is refused, the question lapses and is asked anew
(astrid#AW-21, astrid#AW-23); a no holds in any case. It is used once.
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action
from holdfast.core.commands import Answer
from holdfast.core.decide.approvals import (
    label_of,
    may_answer,
    refuse_call,
    still_waiting,
)
from holdfast.core.decide.common import Draft
from holdfast.core.decide.doubt import lose
from holdfast.core.decide.effects import served, start_effect
from holdfast.core.decide.grants import SCOPE_OF, grant_from_answer
from holdfast.core.decide.money import named, raise_limit, reason_of
from holdfast.core.errors import (
    AlreadyAnswered,
    ApprovalExpired,
    ApprovalStale,
    ApprovalWithdrawn,
    ApproverRefused,
    InvalidInput,
    NotNow,
    QuestionNotFound,
    UnknownDecision,
)
from holdfast.core.events import Answered, EffectEnded, Granted, Lapsed, Outcome, Refused
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import WORKING
from holdfast.core.messages import estimate_tokens, tool_result
from holdfast.core.view import YES, OpenEffect, Question, SessionView

_CLOSED: dict[str, type[QuestionNotFound]] = {
    "answered": AlreadyAnswered,
    "expired": ApprovalExpired,
}


def answer(draft: Draft, command: Answer, command_id: str) -> None:
    """Record a person's decision and act on it.

    Raises:
        QuestionNotFound: there is no such question; if there was one, a subclass
            says why it is closed: answered, expired or withdrawn.
        UnknownDecision: the decision is not one of the question's choices.
        ApproverRefused: who answers may not.
        NotNow: the session is paused or ended, or this runner does not offer the tool, or
            the hooks before the call have not spoken yet.
        InvalidInput: the changed arguments, the pattern or the grant's end are wrong.
    """
    question = _open_question(draft, command)
    if command.decision == "approve" and "once" in question.choices:
        command = replace(command, decision="once")
    if command.decision not in question.choices:
        choices = ", ".join(question.choices)
        raise UnknownDecision(f"{command.decision!r} is not one of: {choices}")
    if draft.view.state not in WORKING:
        raise NotNow(f"the session is {draft.view.state.title}")
    _check_person(draft, question, command)
    if question.about == "in_doubt":
        if command.decision == "run_again" and not served(draft, question.ref):
            raise NotNow(f"{question.name!r} cannot be run here now; answer again a moment later")
        draft.add(_answered(question, command))
        effect = draft.view.open_at(question.ref)
        if effect is not None:
            _doubt(draft, effect, command)
        return
    if command.decision not in ("deny", "raise") and _stale(draft, question):
        draft.add(Lapsed(question=question.id, why="stale"))
        error = ApprovalStale("what was asked about has changed since; it is asked anew")
        draft.add(Refused(action="answer", guard="decide", reason=error.reason, command=command_id))
        draft.error = error
        return
    _decided(draft, question, command)


def _open_question(draft: Draft, command: Answer) -> Question:
    question = draft.view.question(command.question)
    if question is None:
        raise why_gone(draft.view, command.question)
    if question.due_ms is not None and draft.facts.now_ms >= question.due_ms:
        raise ApprovalExpired(f"the time for question {question.id} has run out")
    return question


def why_gone(view: SessionView, number: int) -> QuestionNotFound:
    """What to say of a question that is not open: answered, lapsed, withdrawn or unknown."""
    why = dict(view.closed).get(number)
    if why is None:
        return QuestionNotFound(f"no open question {number}")
    return _CLOSED.get(why, ApprovalWithdrawn)(f"question {number} is closed: {why}")


def _check_person(draft: Draft, question: Question, command: Answer) -> None:
    quorum = question.quorum if command.decision in YES else 1
    acting = f"agent:{draft.view.session_id}"
    refused = may_answer(
        command.by,
        requester=draft.view.user_id,
        acting=acting,
        quorum=quorum,
        about=question.about if command.decision in YES else "",
    )
    if refused:
        raise ApproverRefused(refused)
    if quorum > 1 and command.by in question.yes:
        raise AlreadyAnswered(f"{command.by!r} has said yes already; another person must")


def _stale(draft: Draft, question: Question) -> bool:
    """Whether what the question was about has changed; a tool unknown here cannot tell."""
    action = draft.facts.actions.get(question.ref) if question.ref.ordinal else None
    other = action is not None and action.known and action.digest != question.digest
    now = (draft.facts.authority.version, label_of(draft.view))
    return other or now != (question.policy, question.label)


def _answered(question: Question, command: Answer, also: tuple[int, ...] = ()) -> Answered:
    return Answered(
        question=question.id,
        decision=command.decision,
        note=command.note,
        by=command.by,
        arguments=command.arguments if command.decision == "edit" else "",
        also=also,
        amount=command.amount,
    )


def _decided(draft: Draft, question: Question, command: Answer) -> None:
    match command.decision:
        case "edit":
            edited = _edited(draft, question, command)
            draft.add(_answered(question, command))
            draft.learn({question.ref: edited})
        case "raise":
            raise_limit(draft, question, command)
        case "deny":
            also = still_waiting(draft.view, question)
            draft.add(_answered(question, command, also))
            _deny(draft, question, command, also)
        case _:
            grants = command.decision in SCOPE_OF
            if grants and command.pattern and command.pattern not in question.patterns:
                raise InvalidInput("the pattern is not one that was offered")
            action = _action(draft, question) if grants else None
            draft.add(_answered(question, command, still_waiting(draft.view, question)))
            if action is not None:
                for grant in grant_from_answer(draft, question, command, action):
                    draft.add(Granted(grant=grant))


def _action(draft: Draft, question: Question) -> Action:
    action = draft.facts.actions.get(question.ref)
    if action is None or not action.known:
        raise NotNow(f"{question.name!r} is not offered here: only once and deny can be said")
    return action


def _edited(draft: Draft, question: Question, command: Answer) -> Action:
    """The action with the changed arguments; it is judged from the start."""
    _action(draft, question)
    if not command.arguments:
        raise InvalidInput("an edit needs the changed arguments, as a JSON object")
    action = draft.facts.edited
    if action is None:
        raise NotNow(f"the arguments of {question.name!r} cannot be changed here")
    if action.problem:
        raise InvalidInput(action.problem)
    return action


def _deny(draft: Draft, question: Question, command: Answer, also: tuple[int, ...]) -> None:
    note = f": {command.note}" if command.note else ""
    for ordinal in (question.ref.ordinal, *also):
        ref = EffectRef(question.ref.cause, ordinal)
        text = named(draft, question, f"denied by a person{note}; do not try again")
        again = f"a person denied another attempt{note}"
        refuse_call(draft, ref, text, again, reason_of(question, "denied_by_person"))


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
