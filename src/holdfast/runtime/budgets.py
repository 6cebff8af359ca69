"""Budgets as people write them: limits in dollars, tokens, calls and seconds (seed E11).

Money is a decimal text such as "2.00", or whole micro-USD. A binary fraction, NaN,
infinity and anything negative are refused, so that no comparison can be passed by
one (astrid#AW-15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from holdfast.core.accounts import (
    AMOUNT_MAX,
    Account,
    BudgetChange,
    BudgetSettings,
    Holder,
    Limit,
    Period,
    Unit,
)
from holdfast.core.errors import InvalidInput
from holdfast.core.quantities import usd_to_micros

Key = tuple[Holder, Period, Unit]

_PLACES: dict[str, Key] = {
    "usd": (Holder.SESSION, Period.TOTAL, Unit.MICROS),
    "day_usd": (Holder.SESSION, Period.DAY, Unit.MICROS),
    "run_usd": (Holder.RUN, Period.TOTAL, Unit.MICROS),
    "tokens": (Holder.SESSION, Period.TOTAL, Unit.TOKENS),
    "day_tokens": (Holder.SESSION, Period.DAY, Unit.TOKENS),
    "run_tokens": (Holder.RUN, Period.TOTAL, Unit.TOKENS),
    "calls": (Holder.SESSION, Period.TOTAL, Unit.CALLS),
    "day_calls": (Holder.SESSION, Period.DAY, Unit.CALLS),
    "run_calls": (Holder.RUN, Period.TOTAL, Unit.CALLS),
    "wall_s": (Holder.SESSION, Period.TOTAL, Unit.WALL_MS),
    "day_wall_s": (Holder.SESSION, Period.DAY, Unit.WALL_MS),
    "run_wall_s": (Holder.RUN, Period.TOTAL, Unit.WALL_MS),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of what a session, its runs and single actions may spend.

    A limit that is None is left as it is; a new session has $100, and $10 for one
    action. Exactly the limit is allowed. A day is a UTC day. Money is a decimal text
    in US dollars or an integer in micro-USD.

    Args:
        usd, day_usd, run_usd: money in all, a day, and of one run.
        action_usd: money of one model or tool call.
        tokens, day_tokens, run_tokens: input and output of the models.
        calls, day_calls, run_calls: tool calls.
        wall_s, day_wall_s, run_wall_s: seconds that models and tools work.
        warn_percent: a warning is recorded once this share is reached, at most 100.

    Raises:
        InvalidInput: naming the field.
    """

    usd: str | int | None = None
    day_usd: str | int | None = None
    run_usd: str | int | None = None
    action_usd: str | int | None = None
    tokens: int | None = None
    day_tokens: int | None = None
    run_tokens: int | None = None
    calls: int | None = None
    day_calls: int | None = None
    run_calls: int | None = None
    wall_s: int | None = None
    day_wall_s: int | None = None
    run_wall_s: int | None = None
    warn_percent: int | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            _amount(one.name, getattr(self, one.name))

    def amounts(self) -> dict[Key, int]:
        """The limits that are set, in the units of the accounts."""
        found = {key: _amount(name, getattr(self, name)) for name, key in _PLACES.items()}
        return {key: amount for key, amount in found.items() if amount is not None}

    def change(self, drop: Sequence[str] = ()) -> BudgetChange:
        """What this changes of a session's limits.

        Args:
            drop: names of limits that end, for example "day_usd".

        Raises:
            InvalidInput: a name is none of these.
        """
        for name in drop:
            if name not in _PLACES or name == "usd":
                raise InvalidInput(f"{name!r} is no limit that can end")
        wanted = self.amounts()
        return BudgetChange(
            micros=wanted.pop(_PLACES["usd"], None),
            action_micros=_amount("action_usd", self.action_usd),
            warn_percent=None if self.warn_percent is None else min(100, self.warn_percent),
            limits=tuple(
                Limit(holder=holder, period=period, unit=unit, amount=amount)
                for (holder, period, unit), amount in wanted.items()
            ),
            ended=tuple(
                (holder, unit, period) for holder, period, unit in (_PLACES[name] for name in drop)
            ),
        )

    def settings(self, old: BudgetSettings | None = None) -> BudgetSettings:
        """The limits of a session after these are set.

        Args:
            old: as they are now; the defaults without.
        """
        return self.change().applied(old or BudgetSettings())

    def shared(self, drop: Sequence[str] = ()) -> dict[tuple[Period, Unit], int | None]:
        """The limits of a workspace, a user or a tenant; None ends one.

        Raises:
            InvalidInput: one is only for sessions, their runs or single actions.
        """
        found: dict[tuple[Period, Unit], int | None] = {}
        if self.action_usd is not None or self.warn_percent is not None:
            raise InvalidInput("action_usd and warn_percent belong to a session")
        for name in drop:
            if name not in _PLACES:
                raise InvalidInput(f"{name!r} is no limit that can end")
        ended: dict[Key, int | None] = {_PLACES[name]: None for name in drop}
        for (holder, period, unit), amount in {**ended, **self.amounts()}.items():
            if holder is Holder.RUN:
                raise InvalidInput("limits of a run belong to a session")
            found[period, unit] = amount
        return found


def _amount(name: str, value: object) -> int | None:
    """Read one limit in the unit of its account."""
    if value is None:
        return None
    if name.endswith("usd") and isinstance(value, str):
        try:
            value = usd_to_micros(value)
        except ValueError as error:
            raise InvalidInput(f"{name}: {error}") from None
    if type(value) is not int:
        kind = "a decimal text or whole micro-USD" if name.endswith("usd") else "a whole number"
        raise InvalidInput(f"{name} is {kind}, not {type(value).__name__}")
    if name == "warn_percent" and value < 1:
        raise InvalidInput("warn_percent is 1 to 100")
    amount = value * 1000 if name.endswith("wall_s") else value
    if not 0 <= amount <= AMOUNT_MAX:
        raise InvalidInput(f"{name} is out of range")
    return amount


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """One account as it stands.

    Args:
        name: how refusals and warnings call it, for example "session total micros".
        id: its short name in the log.
        unit: "micros" (micro-USD), "tokens", "calls" or "wall_ms".
        limit: None means unlimited.
        used, held: spent, and reserved for calls that run.
        left: what may still be reserved, or None.
    """

    name: str
    id: str
    holder: str
    period: str
    unit: str
    limit: int | None
    used: int
    held: int
    left: int | None


def info_of(account: Account) -> AccountInfo:
    """An account for people."""
    return AccountInfo(
        name=account.label,
        id=account.id,
        holder=account.holder.value,
        period=account.period.value,
        unit=account.unit.value,
        limit=account.limit,
        used=account.used,
        held=account.held,
        left=account.left,
    )
