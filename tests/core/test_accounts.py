"""Accounts: their short names, the day they belong to, what a budget may be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.accounts import (
    DAY_MS,
    Account,
    BudgetSettings,
    Holder,
    Limit,
    Period,
    Unit,
    account_id,
    accounts_now,
    amount_text,
    day_of,
    own_accounts,
    problem_of,
    unit_of,
)

DAILY = Limit(holder=Holder.SESSION, unit=Unit.TOKENS, amount=50, period=Period.DAY)
RUN = Limit(holder=Holder.RUN, unit=Unit.CALLS, amount=3)


def shared(id: str, **fields: object) -> Account:
    """An account of the tenant's money."""
    known = {"holder": Holder.TENANT, "period": Period.TOTAL, "unit": Unit.MICROS, "limit": 100}
    return Account(id=id, **{**known, **fields})


def test_defaults_are_the_seeds() -> None:
    """$100 a session, $10 an action, a warning at 80 % (004 L79)."""
    budget = BudgetSettings()
    assert (100_000_000, 10_000_000, 80) == (
        budget.micros,
        budget.action_micros,
        budget.warn_percent,
    )


def test_names_are_short_and_say_the_unit() -> None:
    """Names keep the fold small, and each tells its unit; a grant's counter is no account."""
    assert "s.m" == account_id(Holder.SESSION, Unit.MICROS)
    assert "w.t20597" == account_id(Holder.WORKSPACE, Unit.TOKENS, day=20597)
    assert "r12.w" == account_id(Holder.RUN, Unit.WALL_MS, run=12)
    names = {account_id(h, u, day=d, run=7) for h in Holder for u in Unit for d in (None, 1)}
    assert len(Holder) * len(Unit) * 2 == len(names)
    assert [Unit.MICROS, Unit.TOKENS, Unit.WALL_MS] == [
        unit_of(id) for id in ("s.m", "w.t20597", "r12.w")
    ]
    assert [None, None, None] == [unit_of(id) for id in ("grant:ab", "s.x", "s.")]


def test_what_is_left_is_never_negative() -> None:
    """An overdrawn account has nothing left; one without a limit has no end."""
    account = shared("t.m", used=150)
    assert 0 == account.left and None is replace(account, limit=None).left
    assert 30 == replace(account, used=50, held=20).left
    assert account.sound and not replace(account, held=-1).sound
    assert not replace(account, limit=-5).sound


def test_own_accounts_need_a_run_and_know_the_day() -> None:
    """Accounts of a run exist while it runs; those of a day carry the day's number."""
    budget = BudgetSettings(micros=10, limits=(DAILY, RUN))
    ids = [one.id for one in own_accounts(budget, 3 * DAY_MS + 5, 9)]
    assert ["s.m", "s.t3", "r9.c"] == ids
    assert ["s.m", "s.t3"] == [one.id for one in own_accounts(budget, 4 * DAY_MS - 1, 0)]


def test_a_new_day_begins_with_nothing_spent() -> None:
    """What was read yesterday does not count today, for own and shared accounts (2.6)."""
    budget = BudgetSettings(limits=(DAILY,))
    yesterday = shared("t.m2", period=Period.DAY, used=90, held=5)
    own = replace(own_accounts(budget, 2 * DAY_MS, 0)[1], used=50)
    found = accounts_now(budget, (yesterday, own, shared("t.m", used=4)), 3 * DAY_MS, 0)
    assert {"s.m", "s.t3", "t.m3", "t.m"} == set(found)
    assert (100, 0, 0) == (found["t.m3"].limit, found["t.m3"].used, found["t.m3"].held)
    assert 0 == found["s.t3"].used and 4 == found["t.m"].used
    before = accounts_now(budget, (yesterday, own), 3 * DAY_MS - 1, 0)
    assert 90 == before["t.m2"].used and 50 == before["s.t2"].used
    assert 2 == day_of(3 * DAY_MS - 1)


def test_a_read_limit_counts_before_the_settings() -> None:
    """The counter of an account says what its limit is, once there is one."""
    budget = BudgetSettings(micros=10)
    read = replace(own_accounts(budget, 0, 0)[0], limit=70, used=20)
    assert read == accounts_now(budget, (read,), 0, 0)["s.m"]


def test_raised_changes_one_limit() -> None:
    """A raise finds the limit it is about."""
    budget = BudgetSettings(limits=(DAILY, RUN))
    accounts = {one.unit: one for one in own_accounts(budget, 0, 5)}
    assert 7 == budget.raised(accounts[Unit.MICROS], 7).micros
    assert (DAILY, replace(RUN, amount=9)) == budget.raised(accounts[Unit.CALLS], 9).limits
    action = replace(accounts[Unit.MICROS], holder=Holder.ACTION)
    assert replace(budget, action_micros=8) == budget.raised(action, 8)


@pytest.mark.parametrize(
    "budget",
    [
        BudgetSettings(micros=-1),
        BudgetSettings(action_micros=10**13 + 1),
        BudgetSettings(micros=True),
        BudgetSettings(warn_percent=0),
        BudgetSettings(warn_percent=101),
        BudgetSettings(limits=(RUN, RUN)),
        BudgetSettings(limits=(replace(RUN, period=Period.DAY),)),
        BudgetSettings(limits=(replace(RUN, holder=Holder.TENANT),)),
        BudgetSettings(limits=(Limit(holder=Holder.SESSION, unit=Unit.MICROS, amount=1),)),
        BudgetSettings(limits=(replace(RUN, amount=1.5),)),  # type: ignore[arg-type]  # on purpose
    ],
)
def test_what_a_budget_cannot_be(budget: BudgetSettings) -> None:
    """Negative, broken, doubled and foreign limits are no budget (astrid#AW-15)."""
    assert problem_of(budget)


def test_a_budget_that_can_be() -> None:
    """The defaults and some limits hold."""
    assert "" == problem_of(BudgetSettings()) == problem_of(BudgetSettings(limits=(DAILY, RUN)))


def test_amounts_are_written_with_their_unit() -> None:
    """Money in dollars, with cents or as exact as it must be."""
    assert ["$2.00", "$0.000001", "5 tokens", "1.5 s"] == [
        amount_text(Unit.MICROS, 2_000_000),
        amount_text(Unit.MICROS, 1),
        amount_text(Unit.TOKENS, 5),
        amount_text(Unit.WALL_MS, 1_500),
    ]


def test_equal_is_not_enough_to_be_an_amount() -> None:
    """1.0 and True equal 1 and are no amounts, also when 1 has been looked at before."""
    assert "" == problem_of(BudgetSettings(micros=1, action_micros=1))
    for bad in (1.0, True):
        assert problem_of(BudgetSettings(micros=bad, action_micros=1))
    assert "" == problem_of(BudgetSettings(micros=1, action_micros=1))


def test_limits_that_are_forgotten_are_worked_out_anew() -> None:
    """However many sessions have limits of their own, each gets its own accounts."""
    several = [BudgetSettings(micros=1_000 + number) for number in range(2_100)]
    for _ in range(2):
        found = [own_accounts(one, 0, 0)[0].limit for one in several]
        assert [one.micros for one in several] == found
