"""Holds: what an outcome settles, whatever it is, and what is left after it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.accounts import BudgetSettings, Holder, Limit, Unit
from holdfast.core.events import Configured, EffectEnded, EffectStarted, Outcome
from holdfast.core.facts import Facts
from holdfast.core.holds import accounts_of, after, completed, settle
from holdfast.core.ids import EffectRef
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings
from holdfast.core.view import OpenEffect, SessionView

TAKES = (("s.m", 100), ("s.t", 60), ("s.c", 1), ("s.w", 900), ("grant:ab", 1))
EFFECT = OpenEffect(
    ref=EffectRef(5, 0),
    effect="model",
    name="m",
    digest="",
    attempt=1,
    engine="e",
    version=6,
    takes=TAKES,
)
VIEW = SessionView(open=(EFFECT,), settings=Settings(budget=BudgetSettings(micros=500)))
LOST = EffectEnded(cause=5, ordinal=0, effect="model", outcome=Outcome.LOST)


def used(**facts: object) -> dict[str, int]:
    """What each counter is charged."""
    settles = settle(EFFECT, **facts)
    assert TAKES == tuple((id, held) for id, held, _ in settles)
    return {id: amount for id, _, amount in settles}


def test_a_known_bill_is_the_actual_one() -> None:
    """Money and tokens as reported, time as measured, a call and a use as one."""
    usage = Usage(input_tokens=8, output_tokens=3, cost_micros=140)
    assert {"s.m": 140, "s.t": 11, "s.c": 1, "s.w": 70, "grant:ab": 1} == used(
        usage=usage, duration_ms=70
    )


@pytest.mark.parametrize("usage", [None, Usage()])
def test_an_unknown_bill_is_the_whole_reserve(usage: Usage | None) -> None:
    """Nothing was reported: all that was held is spent (contract 1.6)."""
    assert dict(TAKES) == used(usage=usage)
    assert {**dict(TAKES), "s.w": 0} == used(usage=usage, duration_ms=0)


def test_what_never_ran_costs_nothing() -> None:
    """A call that was not started is released (astrid#AW-24, T-23)."""
    assert {0} == set(used(ran=False, duration_ms=5).values())
    assert () == settle(None) == settle(replace(EFFECT, takes=()))


def test_no_way_out_forgets_the_hold() -> None:
    """An outcome that says nothing of money settles in full; one that does is left alone."""
    ended = completed(VIEW, LOST)
    assert isinstance(ended, EffectEnded)
    assert tuple((id, held, held) for id, held in TAKES) == ended.settles
    own = replace(LOST, settles=(("s.m", 100, 3),))
    assert own is completed(VIEW, own)
    other = replace(LOST, cause=9)
    assert other is completed(VIEW, other)


def test_host_effects_settle_too() -> None:
    """Calls of the embedding program have holds of their own."""
    view = SessionView(host_open=(replace(EFFECT, effect="host_model"),))
    ended = completed(view, replace(LOST, effect="host_model"))
    assert isinstance(ended, EffectEnded) and len(TAKES) == len(ended.settles)
    assert LOST is completed(view, LOST)


def test_another_attempt_settles_the_first() -> None:
    """The former hold is spent in the append that takes the next one."""
    again = EffectStarted(cause=5, ordinal=0, effect="model", attempt=2, takes=(("s.m", 40),))
    started = completed(VIEW, again)
    assert isinstance(started, EffectStarted)
    assert tuple((id, held, held) for id, held in TAKES) == started.settles
    billed = replace(again, settles=(("s.m", 40, 7),))
    assert billed is completed(VIEW, billed)
    first = replace(again, attempt=1)
    assert first is completed(VIEW, first)


def test_facts_follow_the_events() -> None:
    """What one event takes, settles or raises counts for the next of the same append."""
    facts = Facts(now_ms=0)
    assert facts is after(VIEW, facts, LOST)
    started = EffectStarted(cause=7, ordinal=1, effect="tool", takes=(("s.m", 100), ("x", 4)))
    facts = after(VIEW, facts, started)
    assert 100 == accounts_of(VIEW, facts)["s.m"].held
    ended = replace(LOST, settles=(("s.m", 100, 130), ("r3.m", 5, 5)))
    facts = after(VIEW, facts, ended)
    account = accounts_of(VIEW, facts)["s.m"]
    assert (130, 0, 370) == (account.used, account.held, account.left)
    facts = after(VIEW, facts, Configured(limits=(("s.m", 900), ("s.t", 5))))
    assert 900 == accounts_of(VIEW, facts)["s.m"].limit


def test_accounts_of_a_run_are_its_own() -> None:
    """Another turn has an account of its own with nothing on it."""
    limit = Limit(holder=Holder.RUN, unit=Unit.TOKENS, amount=9)
    view = SessionView(settings=Settings(budget=BudgetSettings(limits=(limit,))))
    assert {"s.m"} == set(accounts_of(view, Facts(now_ms=0)))


def test_a_bill_nothing_was_held_for_counts() -> None:
    """A client without prices and a new limit are charged; a day that ended is not twice."""
    facts = Facts(now_ms=0)
    accounts = accounts_of(VIEW, facts).values()
    bill = Usage(input_tokens=1, cost_micros=9)
    free = replace(EFFECT, takes=())
    assert (("s.m", 0, 9),) == settle(free, usage=bill, accounts=accounts)
    assert () == settle(free, usage=Usage(input_tokens=1), accounts=accounts)
    assert () == settle(free, usage=bill, ran=False, accounts=accounts)
    day = replace(next(iter(accounts)), id="s.m7")
    held = replace(EFFECT, takes=(("s.m6", 20),))
    assert (("s.m6", 20, 9), ("s.m", 0, 9)) == settle(held, usage=bill, accounts=(day, *accounts))
