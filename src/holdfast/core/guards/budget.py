"""The budget guard: every account must have room for the most a call may cost.

Exactly the limit is allowed. What is over it is asked about once, and the answer
raises the limit or denies the call (rulings 3.12). What an allowance or a capability
permits is charged like everything else (astrid#T-22).
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.accounts import (
    COSTS,
    HOLDS_MAX,
    Account,
    Holder,
    Period,
    Unit,
    amount_text,
    only_costs,
    problem_of,
)
from holdfast.core.actions import Action, ActionKind, Cost
from holdfast.core.facts import Facts
from holdfast.core.holds import accounts_of
from holdfast.core.verdicts import ALLOW, Allow, Ask, Deny, Takes, Verdict
from holdfast.core.view import SessionView

NAME = "budget"
ABOUT = "budget"
PRICE_IT = "set its prices (input_usd and output_usd; --input-usd, --output-usd)"
CHARGED = (ActionKind.MODEL, ActionKind.TOOL)


@dataclass(frozen=True, slots=True)
class Shortage:
    """An account has not enough left for a call.

    Args:
        wanted: the most the call may cost, in the account's unit.
        estimated: no price is known of the model.
    """

    account: Account
    wanted: int
    estimated: bool = False

    @property
    def enough(self) -> int:
        """The limit at which the call would just be allowed."""
        return self.account.used + self.account.held + self.wanted

    @property
    def text(self) -> str:
        """What is short, for people."""
        account, unit = self.account, self.account.unit
        limit = amount_text(unit, account.limit or 0)
        wanted = f"may cost up to {amount_text(unit, self.wanted)}"
        if unit is Unit.WALL_MS:
            wanted = "takes time"
        if account.holder is Holder.ACTION:
            return f"this call {wanted}; the limit of one action is {limit}{self._advice}"
        left = amount_text(unit, account.left or 0)
        said = f"this call {wanted}; the account {account.label!r} has {left} of {limit} left"
        return said + self._advice

    @property
    def _advice(self) -> str:
        """What helps where the amount is only a guess; a person cannot know otherwise."""
        if not self.estimated or self.account.unit is not Unit.MICROS:
            return ""
        other = "action_usd" if self.account.holder is Holder.ACTION else "the limit"
        return f"; no price of this model is known: {PRICE_IT}, or raise {other}"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by what it may cost."""
    if action.kind not in CHARGED:
        return ALLOW
    if action.kind is ActionKind.TOOL and _costs_nothing(view, facts, action.cost):
        return ALLOW
    problem = problem_of(view.settings.budget)
    accounts = accounts_of(view, facts)
    if problem or not _sound(accounts):
        return Deny(NAME, "unreadable", f"an account cannot be read: {problem or 'negative'}")
    takes, short = _charge(view, accounts, action)
    if short is not None:
        return Ask(NAME, "exceeded", short.text, about=ABOUT)
    if not takes:
        return ALLOW
    held = len(takes)
    for effect in (*view.open, *view.host_open):
        held += len(effect.takes)
    if held > HOLDS_MAX:
        return Deny(NAME, "too_many", f"calls that run hold at most {HOLDS_MAX} amounts together")
    return Allow(takes=takes)


def _costs_nothing(view: SessionView, facts: Facts, cost: Cost) -> bool:
    """Whether no account can be drawn on: the call is free, and only what it costs is counted.

    Most tool calls are such; where this is not certain, the accounts are looked at.
    """
    if cost.micros or cost.tokens or cost.window or view.open or view.host_open:
        return False
    if not only_costs(view.settings.budget):
        return False
    for account in facts.authority.accounts:
        if account.unit not in COSTS or not account.sound:
            return False
    return True


def _sound(accounts: dict[str, Account]) -> bool:
    return all(account.sound for account in accounts.values())


def shortage(view: SessionView, facts: Facts, action: Action) -> Shortage | None:
    """The first account that has not enough left for an action, by name, or None."""
    return _charge(view, accounts_of(view, facts), action)[1]


def wanted(view: SessionView, action: Action, account: Account) -> int:
    """The most an action may draw on an account, in its unit.

    Time is not known before: half of what is left is held, so that calls side by
    side each find some, and what it really took is settled.
    """
    return _wanted(view, action, account, action.cost.with_context(view.context_tokens))


def _wanted(view: SessionView, action: Action, account: Account, cost: Cost) -> int:
    unit = account.unit
    if unit is Unit.MICROS:
        return cost.micros
    if unit is Unit.TOKENS:
        return cost.tokens
    is_tool = action.kind is ActionKind.TOOL
    if unit is Unit.CALLS:
        return 1 if is_tool else 0
    limits = view.settings.limits
    longest = (limits.tool_s if is_tool else limits.turn_s) * 1000
    return max(1, min(longest, ((account.left or 0) + 1) // 2))


def _charge(
    view: SessionView, accounts: dict[str, Account], action: Action
) -> tuple[Takes, Shortage | None]:
    takes: list[tuple[str, int]] = []
    budget = view.settings.budget
    cost = action.cost.with_context(view.context_tokens)
    if cost.micros > budget.action_micros:
        return (), Shortage(action_account(budget.action_micros), cost.micros, cost.estimated)
    for id in sorted(accounts):
        account = accounts[id]
        amount = _wanted(view, action, account, cost)
        if amount <= 0:
            continue
        left = account.left
        if left is None:
            continue
        if amount > left:
            return (), Shortage(account, amount, cost.estimated)
        takes.append((id, amount))
    return tuple(takes), None


def action_account(limit: int) -> Account:
    """The limit of one action: an account that nothing is ever left on."""
    return Account(
        id="a.m", holder=Holder.ACTION, period=Period.TOTAL, unit=Unit.MICROS, limit=limit
    )
