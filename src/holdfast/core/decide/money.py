"""Deciding about money: warnings, and what a person says when an account is short.

A breach is asked about once and parks the session: nothing further starts until
somebody raises the limit or denies the call (rulings 3.12).
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.accounts import (
    AMOUNT_MAX,
    SHARED,
    Account,
    BudgetSettings,
    Holder,
    Unit,
    amount_text,
    own_accounts,
)
from holdfast.core.actions import Action
from holdfast.core.commands import Answer
from holdfast.core.decide.common import Draft
from holdfast.core.errors import InvalidInput
from holdfast.core.events import Answered, Asked, Configured, Warned
from holdfast.core.guards import budget
from holdfast.core.holds import accounts_of
from holdfast.core.ids import EffectRef
from holdfast.core.verdicts import Takes
from holdfast.core.view import Question, SessionView

RAISE = "raise"
BUDGET_CHOICES = (RAISE, "deny")
ACTION_LABEL = "action total micros"
EXCEEDED = f"{budget.NAME}.exceeded"
_ACCOUNT = "account."


def parked(view: SessionView) -> bool:
    """Whether the session waits for somebody to raise a limit."""
    return any(question.about == budget.ABOUT for question in view.questions)


def ask_budget(
    draft: Draft, ref: EffectRef, action: Action, *, due_ms: int | None, label: str
) -> None:
    """Ask about the first account that is short; the next one is asked about after it."""
    short = budget.shortage(draft.view, draft.facts, action)
    assert short is not None, "only a call that is too dear is asked about"
    draft.add(
        Asked(
            cause=ref.cause,
            ordinal=ref.ordinal,
            about=budget.ABOUT,
            name=action.name,
            digest=action.digest,
            text=short.text,
            choices=BUDGET_CHOICES,
            due_ms=due_ms,
            label=label,
            codes=(EXCEEDED, f"{_ACCOUNT}{short.account.id}"),
            policy=draft.facts.authority.version,
            preview=action.preview,
        )
    )


def asked_account(question: Question) -> str:
    """The short name of the account a question is about, or ""."""
    found = (code for code in question.codes if code.startswith(_ACCOUNT))
    return next(found, "").removeprefix(_ACCOUNT)


def reason_of(question: Question, otherwise: str) -> str:
    """The code of a refusal: that of the account, if the question was about one."""
    return EXCEEDED if question.about == budget.ABOUT else otherwise


def named(draft: Draft, question: Question, why: str) -> str:
    """Why a call does not happen; about money, with the account's name."""
    if question.about != budget.ABOUT:
        return why
    account = accounts_of(draft.view, draft.facts).get(asked_account(question))
    name = account.label if account is not None else ACTION_LABEL
    return f"{why} (the account {name!r} has not enough left)"


def raise_limit(draft: Draft, question: Question, command: Answer) -> None:
    """Record an answer that raises a limit; the append writes it to the counter.

    Without an amount the limit becomes what this one call needs. A limit of the
    session's own is kept in its settings; one of a day that it shares with others
    is raised for that day only.

    Raises:
        InvalidInput: the amount is less than the limit, or too large.
    """
    account, least = _asked_about(draft, question)
    amount = command.amount or least
    limit = account.limit or 0
    if not limit <= amount <= AMOUNT_MAX:
        said = amount_text(account.unit, limit)
        raise InvalidInput(f"the limit of {account.label!r} is {said}; name a higher one")
    limits = () if account.holder is Holder.ACTION else ((account.id, amount),)
    draft.add(
        Answered(
            question=question.id,
            decision=command.decision,
            note=command.note,
            by=command.by,
            amount=amount,
            limits=limits,
        )
    )
    settings = draft.view.settings
    if account.holder not in SHARED:
        raised = settings.budget.raised(account, amount)
        draft.add(Configured(settings=replace(settings, budget=raised)))


def _asked_about(draft: Draft, question: Question) -> tuple[Account, int]:
    """The account a question is about, and the limit that would just do."""
    id, ref = asked_account(question), question.ref
    action = draft.facts.model if ref.ordinal == 0 else draft.facts.actions.get(ref)
    short = budget.shortage(draft.view, draft.facts, action) if action is not None else None
    if short is not None and short.account.id == id:
        return short.account, short.enough
    known = accounts_of(draft.view, draft.facts).get(id)
    if known is None:
        known = budget.action_account(draft.view.settings.budget.action_micros)
    return known, known.limit or 0


def changed_limits(draft: Draft, new: BudgetSettings) -> tuple[tuple[str, int | None], ...]:
    """What a change of the session's limits writes to its counters."""
    old = draft.view.settings.budget
    if new == old:
        return ()
    run = draft.view.turn.id if draft.view.turn else 0
    before = {one.id: one.limit for one in own_accounts(old, draft.facts.now_ms, run)}
    now = {one.id: one.limit for one in own_accounts(new, draft.facts.now_ms, run)}
    return tuple(
        (id, now.get(id)) for id in sorted({*before, *now}) if before.get(id) != now.get(id)
    )


def warn(draft: Draft, takes: Takes) -> None:
    """Record that accounts are nearly used up, each once a period."""
    if not takes:
        return
    share = draft.view.settings.budget.warn_percent
    accounts = accounts_of(draft.view, draft.facts)
    for id, _ in takes:
        account = accounts.get(id)
        if account is None or account.limit is None or id in draft.view.warned:
            continue
        spent = account.used + (0 if account.unit is Unit.WALL_MS else account.held)
        if spent * 100 >= account.limit * share:
            left = amount_text(account.unit, max(0, account.limit - spent))
            limit = amount_text(account.unit, account.limit)
            detail = f"the account {account.label!r} has {left} of {limit} left"
            draft.add(Warned(about=budget.ABOUT, subject=id, detail=detail))
