"""Accounts: what a session may spend, and what it has spent (contract 1.10).

Accounts are a set, not a nest: one call draws on every account that has a
limit. Money is integer micro-USD, so that neither NaN nor infinity nor a
negative amount can be written (astrid#AW-15).

In the log and in the fold an account has a short name such as `s.m` (session,
money in all) or `w.t20597` (workspace, tokens of that day); the shell knows which
counter of the store that is. So a child can draw on its root's counters, and what
is held for an effect stays small (contract 1.12).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from holdfast.core.quantities import micros_to_usd

DEFAULT_SESSION_MICROS = 100_000_000
DEFAULT_ACTION_MICROS = 10_000_000
WARN_PERCENT = 80
AMOUNT_MAX = 10**13
"""The largest limit: ten million dollars; it keeps what the fold holds short."""
LIMITS_MAX = 11
HOLDS_MAX = 256
"""Holds of all calls that run together; what more is wanted is refused, since the
fold keeps them (contract 1.12)."""

DAY_MS = 86_400_000


class Unit(StrEnum):
    """What an account counts."""

    MICROS = "micros"
    TOKENS = "tokens"
    CALLS = "calls"
    WALL_MS = "wall_ms"


class Holder(StrEnum):
    """Whose account it is; that of one action is only a limit and keeps nothing."""

    RUN = "run"
    SESSION = "session"
    WORKSPACE = "workspace"
    USER = "user"
    TENANT = "tenant"
    ACTION = "action"


class Period(StrEnum):
    """What time it is for: all, or the UTC day of the reservation (contract 2.6)."""

    TOTAL = "total"
    DAY = "day"


SHARED = (Holder.WORKSPACE, Holder.USER, Holder.TENANT)
"""Holders above the session, whose limits are kept in their counters."""

_HOLDER = {holder: holder.value[0] for holder in Holder}
_UNIT = {unit: unit.value[0] for unit in Unit}
_UNIT_OF = {letter: unit for unit, letter in _UNIT.items()}


def day_of(now_ms: int) -> int:
    """The UTC day of a time, as days since 1970."""
    return now_ms // DAY_MS


def account_id(holder: Holder, unit: Unit, *, day: int | None = None, run: int = 0) -> str:
    """The short name of an account.

    Args:
        day: of a day's account, the day.
        run: of a run's account, the turn.
    """
    return f"{_HOLDER[holder]}{run or ''}.{_UNIT[unit]}{'' if day is None else day}"


def unit_of(id: str) -> Unit | None:
    """What the account with that name counts; None if it is no account's name."""
    _, dot, name = id.partition(".")
    return _UNIT_OF.get(name[:1]) if dot else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account as it was read.

    Args:
        id: its short name, see the module.
        limit: None means unlimited.
        used, held: spent, and reserved for calls that run.
    """

    id: str
    holder: Holder
    period: Period
    unit: Unit
    limit: int | None
    used: int = 0
    held: int = 0

    @property
    def label(self) -> str:
        """How it is named to people, for example "session total micros"."""
        return f"{self.holder.value} {self.period.value} {self.unit.value}"

    @property
    def left(self) -> int | None:
        """What may still be reserved, or None if there is no limit."""
        return None if self.limit is None else max(0, self.limit - self.used - self.held)

    @property
    def sound(self) -> bool:
        """Whether it can be what a store keeps: no amount is below zero."""
        return self.used >= 0 and self.held >= 0 and (self.limit is None or self.limit >= 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit a person set on one account of a session or a run.

    Args:
        amount: in the unit: micro-USD, tokens, calls or milliseconds.
    """

    holder: Holder
    unit: Unit
    amount: int
    period: Period = Period.TOTAL


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """The limits of a session (rulings, 004 L79).

    Args:
        micros: of the session, micro-USD.
        action_micros: of one action, micro-USD.
        limits: of further accounts of the session and its runs.
        warn_percent: a warning is recorded from this share on.
    """

    micros: int = DEFAULT_SESSION_MICROS
    action_micros: int = DEFAULT_ACTION_MICROS
    limits: tuple[Limit, ...] = ()
    warn_percent: int = WARN_PERCENT

    @property
    def all(self) -> tuple[Limit, ...]:
        """Every limit that has an account, that of the session's money first."""
        own = Limit(holder=Holder.SESSION, unit=Unit.MICROS, amount=self.micros)
        return (own, *self.limits)

    def raised(self, account: Account, amount: int) -> BudgetSettings:
        """The same with another limit for one account of the session or its runs."""
        if account.holder is Holder.ACTION:
            return replace(self, action_micros=amount)
        if (account.holder, account.unit, account.period) == _OWN_MONEY:
            return replace(self, micros=amount)
        key = (account.holder, account.unit, account.period)
        limits = tuple(
            replace(one, amount=amount) if (one.holder, one.unit, one.period) == key else one
            for one in self.limits
        )
        return replace(self, limits=limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChange:
    """Limits to change; the others stay, so that two who change do not undo each other.

    Args:
        micros, action_micros, warn_percent: as of `BudgetSettings`; None leaves them.
        limits: of further accounts, new or in place of those of the same account.
        ended: accounts whose limit ends.
    """

    micros: int | None = None
    action_micros: int | None = None
    warn_percent: int | None = None
    limits: tuple[Limit, ...] = ()
    ended: tuple[tuple[Holder, Unit, Period], ...] = ()

    def applied(self, old: BudgetSettings) -> BudgetSettings:
        """The limits after the change; `problem_of` says whether they can be."""
        limits = {(one.holder, one.unit, one.period): one for one in old.limits}
        for key in self.ended:
            limits.pop(key, None)
        limits |= {(one.holder, one.unit, one.period): one for one in self.limits}
        return BudgetSettings(
            micros=old.micros if self.micros is None else self.micros,
            action_micros=old.action_micros if self.action_micros is None else self.action_micros,
            limits=tuple(limits[key] for key in sorted(limits)),
            warn_percent=old.warn_percent if self.warn_percent is None else self.warn_percent,
        )


COSTS = (Unit.MICROS, Unit.TOKENS)
"""Units of what a call costs; the others count every tool call."""

_OWN_MONEY = (Holder.SESSION, Unit.MICROS, Period.TOTAL)


def problem_of(budget: BudgetSettings) -> str:
    """Why these limits cannot be, or "" if they can."""
    return _known(budget).problem


def only_costs(budget: BudgetSettings) -> bool:
    """Whether these limits can be, and none of them counts calls or time."""
    return _known(budget).only_costs


def _problem(budget: BudgetSettings) -> str:
    amounts = (budget.micros, budget.action_micros, *(one.amount for one in budget.limits))
    if any(type(one) is not int or not 0 <= one <= AMOUNT_MAX for one in amounts):
        return "an amount is out of range"
    if not 1 <= budget.warn_percent <= 100:
        return "the share of a warning is out of range"
    keys = [(one.holder, one.unit, one.period) for one in budget.all]
    if len(keys) > LIMITS_MAX + 1 or len(set(keys)) < len(keys):
        return "an account has two limits"
    known = all(
        holder is Holder.SESSION or (holder is Holder.RUN and period is Period.TOTAL)
        for holder, _, period in keys
    )
    return "" if known else "only sessions and runs have limits of their own"


def own_accounts(budget: BudgetSettings, now_ms: int, run: int) -> tuple[Account, ...]:
    """The accounts of a session and its run that have a limit, with nothing on them.

    Args:
        run: the turn that runs, or 0.
    """
    return tuple(
        account or _empty(one, now_ms, run)
        for one, account in _known(budget).own or [(one, None) for one in budget.all]
        if one.holder is not Holder.RUN or run
    )


def _empty(limit: Limit, now_ms: int, run: int) -> Account:
    day = day_of(now_ms) if limit.period is Period.DAY else None
    run = run if limit.holder is Holder.RUN else 0
    return Account(
        id=account_id(limit.holder, limit.unit, day=day, run=run),
        holder=limit.holder,
        period=limit.period,
        unit=limit.unit,
        limit=limit.amount,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of some limits, worked out once: they are looked at before every call.

    Args:
        only_costs: there is no problem, and no limit counts calls or time.
        own: each limit, and its empty account unless that has another name each day or run.
    """

    budget: BudgetSettings
    problem: str
    own: tuple[tuple[Limit, Account | None], ...]
    only_costs: bool


_KNOWN: dict[int, _Known] = {}
_KNOWN_MAX = 1_024


def _known(budget: BudgetSettings) -> _Known:
    # By identity: 1 and 1.0 and True are equal, and only one of them is an amount.
    known = _KNOWN.get(id(budget))
    if known is None or known.budget is not budget:
        if len(_KNOWN) >= _KNOWN_MAX:
            _KNOWN.clear()
        problem = _problem(budget)
        own = tuple(
            (
                one,
                None if one.period is Period.DAY or one.holder is Holder.RUN else _empty(one, 0, 0),
            )
            for one in (() if problem else budget.all)
        )
        costs = not problem and all(one.unit in COSTS for one, _ in own)
        known = _KNOWN[id(budget)] = _Known(budget, problem, own, costs)
    return known


def accounts_now(
    budget: BudgetSettings, known: Iterable[Account], now_ms: int, run: int
) -> dict[str, Account]:
    """Every account a call may draw on at a time, by name.

    What was read counts; an account that began since (a new day, a new run, a new
    limit) has nothing on it yet, and the store tests whether that is true.

    Args:
        known: as they were read.
    """
    read = {account.id: account for account in known}
    found = {one.id: read.get(one.id, one) for one in own_accounts(budget, now_ms, run)}
    for account in read.values():
        if account.holder in SHARED:
            today = account if account.period is Period.TOTAL else _today(account, read, now_ms)
            found[today.id] = today
    return found


def _today(account: Account, read: dict[str, Account], now_ms: int) -> Account:
    """The account of the day it is now, in place of one of some day."""
    id = account_id(account.holder, account.unit, day=day_of(now_ms))
    return read.get(id) or replace(account, id=id, used=0, held=0)


def amount_text(unit: Unit, amount: int) -> str:
    """Write an amount for people, with its unit."""
    if unit is Unit.MICROS:
        dollars = micros_to_usd(amount)
        return f"${dollars[:-4]}" if dollars.endswith("0000") else f"${dollars}"
    if unit is Unit.WALL_MS:
        return f"{amount / 1000:.1f} s"
    return f"{amount} {unit.value}"
