"""The budget guard: every account has room, exactly the limit is allowed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.accounts import HOLDS_MAX, Account, BudgetSettings, Holder, Limit, Period, Unit
from holdfast.core.actions import Action, ActionKind, Cost
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.guards.budget import check, shortage
from holdfast.core.ids import EffectRef
from holdfast.core.settings import Limits, Settings
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import OpenEffect, SessionView

MODEL = Action(kind=ActionKind.MODEL, name="m", cost=Cost(micros=30, tokens=500))
TOOL = Action(kind=ActionKind.TOOL, name="t")


def account(holder: Holder, limit: int | None, unit: Unit = Unit.MICROS, **more: int) -> Account:
    """An account that was read."""
    id = f"{holder.value[0]}.{unit.value[0]}"
    return Account(id=id, holder=holder, period=Period.TOTAL, unit=unit, limit=limit, **more)


def verdict(action: Action, *accounts: Account, context: int = 0, **budget: object) -> Verdict:
    """What the guard says."""
    settings = Settings(budget=BudgetSettings(**budget), limits=Limits(tool_s=60, turn_s=600))
    view = SessionView(settings=settings, context_tokens=context)
    return check(view, Facts(now_ms=0, authority=Authority(accounts=accounts)), action)


@pytest.mark.parametrize("kind", [ActionKind.ADMIT, ActionKind.DESTROY_KEY, ActionKind.CHILD])
def test_what_costs_nothing_passes(kind: ActionKind) -> None:
    """Only calls are charged."""
    assert Allow() == verdict(replace(MODEL, kind=kind), micros=0)


def test_exactly_the_limit_is_allowed() -> None:
    """The last micro-dollar may be spent, one more may not (T-20)."""
    assert Allow(takes=(("s.m", 30),)) == verdict(MODEL, micros=30)
    assert isinstance(verdict(MODEL, micros=29), Ask)
    held = account(Holder.SESSION, 100, used=40, held=30)
    assert Allow(takes=(("s.m", 30),)) == verdict(MODEL, held)
    assert isinstance(verdict(MODEL, replace(held, held=31)), Ask)


def test_breach_names_the_account() -> None:
    """The question says which account is short, what is left and what the call may cost."""
    asked = verdict(MODEL, account(Holder.WORKSPACE, 100, used=80))
    assert isinstance(asked, Ask)
    assert ("budget", "exceeded", "budget") == (asked.guard, asked.reason, asked.about)
    for part in ("workspace total micros", "$0.000020", "$0.0001", "$0.00003"):
        assert part in asked.question


def test_every_account_is_charged() -> None:
    """Accounts are a set: a call draws on each, and any of them may be short (AW-16)."""
    accounts = [
        account(Holder.TENANT, 1_000),
        account(Holder.WORKSPACE, 1_000),
        account(Holder.USER, None),
    ]
    takes = (("s.m", 30), ("t.m", 30), ("w.m", 30))
    assert Allow(takes=takes) == verdict(MODEL, *accounts)
    for short in range(2):
        poor = [replace(one, limit=29) if n == short else one for n, one in enumerate(accounts)]
        assert isinstance(verdict(MODEL, *poor), Ask)


def test_one_action_has_a_limit_too() -> None:
    """An account with plenty left does not pay for a call that is too dear by itself."""
    asked = verdict(MODEL, action_micros=29)
    assert isinstance(asked, Ask) and "one action" in asked.question
    assert Allow(takes=(("s.m", 30),)) == verdict(MODEL, action_micros=30)


def test_calls_are_tools() -> None:
    """A tool call is one call; a model call is none."""
    calls = (Limit(holder=Holder.SESSION, unit=Unit.CALLS, amount=1),)
    assert Allow(takes=(("s.c", 1),)) == verdict(TOOL, limits=calls)
    assert Allow(takes=(("s.m", 30),)) == verdict(MODEL, limits=calls)
    assert isinstance(
        verdict(TOOL, account(Holder.SESSION, 1, Unit.CALLS, used=1), limits=calls), Ask
    )


def test_time_holds_half_of_what_is_left() -> None:
    """Calls side by side each find some time; without any they are asked about."""
    wall = (Limit(holder=Holder.SESSION, unit=Unit.WALL_MS, amount=90_000),)
    assert Allow(takes=(("s.w", 45_000),)) == verdict(TOOL, limits=wall)
    long = (replace(wall[0], amount=9_000_000),)
    assert Allow(takes=(("s.w", 60_000),)) == verdict(TOOL, limits=long)
    left = account(Holder.SESSION, 90_000, Unit.WALL_MS, used=89_999)
    assert Allow(takes=(("s.w", 1),)) == verdict(TOOL, left, limits=wall)
    assert isinstance(verdict(TOOL, replace(left, held=1), limits=wall), Ask)


def test_context_is_charged_with_a_margin() -> None:
    """What the session sends besides is added when it is judged, up to the window."""
    priced = replace(MODEL, cost=Cost(micros=30, tokens=500, window=3_000, per_1k=10))
    tokens = (Limit(holder=Holder.SESSION, unit=Unit.TOKENS, amount=10_000),)
    assert Allow(takes=(("s.m", 45), ("s.t", 2_000))) == verdict(
        priced, context=1_000, limits=tokens
    )
    assert Allow(takes=(("s.m", 60), ("s.t", 3_500))) == verdict(
        priced, context=99_000, limits=tokens
    )


@pytest.mark.parametrize("wrong", [{"used": -1}, {"held": -5}, {"limit": -1}])
def test_what_cannot_be_read_is_denied(wrong: dict[str, int]) -> None:
    """A broken account or budget fails closed, even for a free call (AW-15)."""
    broken = replace(account(Holder.TENANT, 10), **wrong)
    denied = verdict(TOOL, broken)
    assert isinstance(denied, Deny) and "unreadable" == denied.reason
    assert isinstance(verdict(TOOL, micros=-1), Deny)


def test_too_many_holds_are_denied() -> None:
    """What the fold keeps of calls that run is bounded (contract 1.12)."""
    many = tuple((f"t.m{place}", 1) for place in range(HOLDS_MAX - 1))
    ref = EffectRef(1, 1)
    effect = OpenEffect(
        ref=ref, effect="tool", name="t", digest="", attempt=1, engine="e", version=2, takes=many
    )
    view = SessionView(open=(effect,))
    assert Allow(takes=(("s.m", 30),)) == check(view, Facts(now_ms=0), MODEL)
    full = SessionView(open=(effect,), host_open=(replace(effect, takes=(("s.m", 1),)),))
    denied = check(full, Facts(now_ms=0), MODEL)
    assert isinstance(denied, Deny) and "too_many" == denied.reason


def test_shortage_is_the_first_by_name() -> None:
    """Whoever looks again finds the same account."""
    view = SessionView(settings=Settings(budget=BudgetSettings(micros=5)))
    accounts = (account(Holder.WORKSPACE, 1), account(Holder.TENANT, 9, used=2, held=3))
    facts = Facts(now_ms=0, authority=Authority(accounts=accounts))
    short = shortage(view, facts, MODEL)
    assert short is not None and ("s.m", 30) == (short.account.id, short.enough)
    rich = SessionView(settings=Settings(budget=BudgetSettings(micros=500)))
    short = shortage(rich, facts, MODEL)
    assert short is not None and ("t.m", 35) == (short.account.id, short.enough)


def test_a_guessed_price_says_what_helps() -> None:
    """Whose price is not known is told how to set it; a known one only what it costs."""
    guess = replace(MODEL, cost=Cost(micros=30, tokens=5, estimated=True))
    asked = verdict(guess, action_micros=20)
    assert isinstance(asked, Ask)
    for part in ("no price", "input_usd", "--input-usd, --output-usd", "raise action_usd"):
        assert part in asked.question
    asked = verdict(guess, account(Holder.WORKSPACE, 100, used=80))
    assert isinstance(asked, Ask) and "--input-usd" in asked.question
    assert asked.question.endswith("or raise the limit")
    asked = verdict(MODEL, action_micros=20)
    assert isinstance(asked, Ask) and "price" not in asked.question
    asked = verdict(guess, account(Holder.WORKSPACE, 4, Unit.TOKENS))
    assert isinstance(asked, Ask) and "price" not in asked.question


def test_the_context_leaves_a_guess_a_guess() -> None:
    """What is added for the context does not make the price known."""
    cost = Cost(micros=1, tokens=2, window=100, per_1k=10, estimated=True)
    assert cost.with_context(50).estimated and replace(cost, window=0).with_context(50).estimated


def test_a_free_call_is_counted_where_calls_are() -> None:
    """What costs nothing still draws on accounts of calls and of time."""
    assert Allow() == verdict(TOOL, account(Holder.SESSION, 9))
    counted = account(Holder.TENANT, 9, Unit.CALLS)
    assert Allow(takes=(("t.c", 1),)) == verdict(TOOL, counted)
    assert isinstance(verdict(TOOL, replace(counted, used=9)), Ask)
    own = (Limit(holder=Holder.SESSION, unit=Unit.CALLS, amount=2),)
    assert Allow(takes=(("s.c", 1),)) == verdict(TOOL, limits=own)


def test_a_free_call_is_denied_where_an_account_cannot_be_read() -> None:
    """Nothing passes a broken account, however little it costs (AW-15)."""
    for broken in ({"used": -1}, {"held": -1}):
        assert isinstance(verdict(TOOL, account(Holder.SESSION, 9, **broken)), Deny)
    assert isinstance(verdict(TOOL, micros=-1), Deny)
