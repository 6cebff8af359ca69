"""Budgets as people write them; what no budget can be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from holdfast import Budget
from holdfast.core.accounts import (
    Account,
    BudgetSettings,
    Holder,
    Limit,
    Period,
    Unit,
    own_accounts,
)
from holdfast.core.errors import InvalidInput
from holdfast.runtime.budgets import info_of


def test_defaults_are_the_seeds() -> None:
    """Nothing set is $100 a session and $10 an action."""
    assert BudgetSettings() == Budget().settings()


def test_money_is_decimal_text_or_micros() -> None:
    """Dollars as text, micro-USD as a whole number; parts of a micro round up."""
    assert (2_000_000, 500_000) == (
        Budget(usd="2.00").settings().micros,
        Budget(action_usd=500_000).settings().action_micros,
    )
    assert 1 == Budget(usd="0.0000001").settings().micros


@pytest.mark.parametrize(
    "wrong",
    [2.0, "NaN", "inf", "-1", "1e999", "", "two", -1, True, Decimal(2), float("nan"), 10**16, b"1"],
)
def test_what_is_no_amount_is_refused(wrong: object) -> None:
    """Floats, NaN, infinity and negatives cannot be written (astrid#AW-15)."""
    with pytest.raises(InvalidInput, match="usd"):
        Budget(usd=wrong)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("name", ["tokens", "run_calls", "day_wall_s", "warn_percent"])
@pytest.mark.parametrize("wrong", [1.5, "5", -1, False])
def test_counts_are_whole_numbers(name: str, wrong: object) -> None:
    """No text and no fraction."""
    with pytest.raises(InvalidInput, match=name):
        Budget(**{name: wrong})  # type: ignore[arg-type]  # on purpose


def test_every_limit_has_its_account() -> None:
    """Eleven further accounts, each in its unit; time in milliseconds."""
    names = ("day_usd", "run_usd", "tokens", "day_tokens", "run_tokens", "calls", "day_calls")
    budget = Budget(**dict.fromkeys((*names, "run_calls", "wall_s", "day_wall_s", "run_wall_s"), 7))
    accounts = own_accounts(budget.settings(), 0, 3)
    assert 12 == len(accounts) == len({one.id for one in accounts})
    assert {7_000} == {one.limit for one in accounts if one.unit is Unit.WALL_MS}


def test_changes_leave_the_others() -> None:
    """None leaves a limit; `drop` ends one; a share above 100 is 100 (T-20)."""
    old = Budget(usd="5", day_usd="1", calls=3).settings()
    new = Budget(calls=4, warn_percent=150).change(("day_usd",)).applied(old)
    limit = Limit(holder=Holder.SESSION, unit=Unit.CALLS, amount=4)
    assert (5_000_000, (limit,), 100) == (new.micros, new.limits, new.warn_percent)
    for name in ("usd", "action_usd", "nothing"):
        with pytest.raises(InvalidInput):
            Budget().change((name,))


def test_shared_limits_are_in_all_and_a_day() -> None:
    """A workspace, a user or the tenant has no runs and no single actions."""
    assert {(Period.TOTAL, Unit.MICROS): 9, (Period.DAY, Unit.TOKENS): None} == Budget(
        usd=9
    ).shared(("day_tokens",))
    for wrong in (Budget(run_usd=1), Budget(action_usd=1), Budget(warn_percent=5)):
        with pytest.raises(InvalidInput):
            wrong.shared()
    with pytest.raises(InvalidInput):
        Budget().shared(("nothing",))


def test_info_is_the_account() -> None:
    """Everything a person wants to know of an account."""
    account = Account(
        id="u.t", holder=Holder.USER, period=Period.TOTAL, unit=Unit.TOKENS, limit=9, used=2, held=3
    )
    found = info_of(account)
    assert ("user total tokens", "u.t", "user", "total", "tokens", 9, 2, 3, 4) == (
        found.name, found.id, found.holder, found.period, found.unit,
        found.limit, found.used, found.held, found.left,
    )  # fmt: skip
