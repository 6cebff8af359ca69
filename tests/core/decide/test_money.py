"""Deciding about money: questions, raises and warnings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import MODEL, Talk, answer, opened
from holdfast.core.accounts import (
    Account,
    BudgetChange,
    BudgetSettings,
    Holder,
    Limit,
    Period,
    Unit,
)
from holdfast.core.actions import Cost
from holdfast.core.authority import Authority
from holdfast.core.commands import Answer, Configure, Recover
from holdfast.core.decide.money import EXCEEDED, asked_account
from holdfast.core.errors import InvalidInput
from holdfast.core.events import Answered, Configured, EffectEnded, EffectStarted, Outcome, Warned
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings

DEAR = replace(MODEL, cost=Cost(micros=40))


class Spender(Talk):
    """A talk whose model costs 40 micro-USD, and which remembers what it charged."""

    accounts: tuple[Account, ...] = ()

    def facts(self, **changes: object):  # type: ignore[no-untyped-def]  # as the talk's own
        """What the shell would read now."""
        authority = Authority(accounts=self.accounts)
        return super().facts(**{"model": DEAR, "authority": authority, **changes})

    def note(self) -> None:
        """Keep the accounts as an engine does after its append."""
        if self.decision.accounts is not None:
            self.accounts = self.decision.accounts


def spender(micros: int = 100, **budget: object) -> Spender:
    """A session with a budget that has been asked something."""
    settings = Settings(budget=BudgetSettings(micros=micros, **budget), unsafe_auto_approve=True)
    talk = Spender(birth=opened(settings))
    talk.send()
    talk.note()
    return talk


def events_of(talk: Talk, kind: type) -> list:  # type: ignore[type-arg]  # of that kind
    """The log's events of a kind."""
    return [recorded.event for recorded in talk.log if isinstance(recorded.event, kind)]


def test_intent_takes_and_outcome_settles() -> None:
    """40 are held; the bill of 7 is what is spent."""
    talk = spender()
    assert (("s.m", 40),) == events_of(talk, EffectStarted)[0].takes
    assert (("s.m", 40),) == talk.view.open[0].takes
    talk.model(usage=Usage(input_tokens=1, cost_micros=7))
    talk.note()
    assert (("s.m", 40, 7),) == events_of(talk, EffectEnded)[0].settles
    assert [(7, 0)] == [(one.used, one.held) for one in talk.accounts]


def test_breach_asks_once_and_waits() -> None:
    """The call is not started; looking again asks nothing more (rulings 3.12)."""
    talk = spender(39)
    question = talk.view.questions[0]
    assert ("budget", (EXCEEDED, "account.s.m")) == (question.about, question.codes)
    assert "s.m" == asked_account(question)
    talk.say(Recover())
    assert 1 == len(talk.view.questions) and [] == events_of(talk, EffectStarted)


def test_raise_is_recorded_with_its_limit_and_goes_on() -> None:
    """One append: the answer with the counter's limit, the settings, the intent."""
    talk = spender(39)
    with pytest.raises(InvalidInput):
        talk.say(Answer(question=talk.view.questions[0].id, decision="raise", amount=38, by="anna"))
    talk.say(Answer(question=talk.view.questions[0].id, decision="raise", amount=45, by="anna"))
    kinds = [type(event) for event in talk.decision.events]
    assert [Answered, Configured, EffectStarted, Warned] == kinds
    assert (("s.m", 45),) == events_of(talk, Answered)[0].limits
    assert 45 == talk.view.settings.budget.micros
    assert 1 == len(talk.view.open) and () == talk.view.questions


def test_raise_without_an_amount_is_just_enough() -> None:
    """What this call needs, and nothing for the next one."""
    talk = spender(39)
    talk.say(Answer(question=talk.view.questions[0].id, decision="raise", by="anna"))
    assert 40 == talk.view.settings.budget.micros


def test_limit_of_one_action_can_be_raised() -> None:
    """It has no counter, only a setting."""
    talk = spender(action_micros=30)
    assert "a.m" == asked_account(talk.view.questions[0])
    talk.say(Answer(question=talk.view.questions[0].id, decision="raise", by="anna"))
    assert () == events_of(talk, Answered)[0].limits
    assert 40 == talk.view.settings.budget.action_micros and 1 == len(talk.view.open)


def test_shared_account_is_raised_without_the_settings() -> None:
    """Its limit is in its counter; the session's settings stay as they are."""
    settings = Settings(unsafe_auto_approve=True)
    talk = Spender(birth=opened(settings))
    account = Account(
        id="w.m", holder=Holder.WORKSPACE, period=Period.TOTAL, unit=Unit.MICROS, limit=50, used=20
    )
    talk.accounts = (account,)
    talk.send()
    talk.say(Answer(question=talk.view.questions[0].id, decision="raise", amount=60, by="anna"))
    assert (("w.m", 60),) == events_of(talk, Answered)[0].limits
    assert [] == events_of(talk, Configured) and settings == talk.view.settings


def test_denial_names_the_account() -> None:
    """The turn fails with the account's name; nothing is held."""
    talk = spender(39)
    talk.say(Answer(question=talk.view.questions[0].id, decision="deny", note="no", by="anna"))
    last = talk.view.last_turn
    assert last is not None and ("failed", EXCEEDED) == (last.outcome, last.reason)
    assert "session total micros" in last.detail and "no" in last.detail


def test_lost_call_is_paid_in_full_before_the_next_attempt() -> None:
    """Another engine repeats the call: the first hold is spent, a second one taken (1.6)."""
    talk = spender()
    talk.engine = "f" * 16
    talk.say(Recover())
    talk.note()
    again = events_of(talk, EffectStarted)[-1]
    assert (2, (("s.m", 40),), (("s.m", 40, 40),)) == (again.attempt, again.takes, again.settles)
    assert [(40, 40)] == [(one.used, one.held) for one in talk.accounts]


def test_warning_at_the_share_and_only_once() -> None:
    """75 and 5 is 80 of 100: a warning; the next call gives no other (T-20)."""
    talk = spender(100, warn_percent=80)
    talk.model(usage=Usage(input_tokens=1, cost_micros=39))
    talk.note()
    assert [] == events_of(talk, Warned)
    talk.send("more")
    talk.note()
    assert [] == events_of(talk, Warned)
    talk.model(outcome=Outcome.DONE, usage=Usage(input_tokens=1, cost_micros=41))
    talk.note()
    assert [("budget", "s.m")] == [(one.about, one.subject) for one in events_of(talk, Warned)]
    talk.say(Configure(budget=BudgetChange(micros=150)))
    talk.note()
    talk.send("more")
    assert 1 == len(events_of(talk, Warned)) and 1 == len(talk.view.open)


def test_new_limits_go_to_their_counters() -> None:
    """What changes is written; what stays is not."""
    talk = spender()
    talk.say(Configure(budget=BudgetChange(micros=70)))
    assert (("s.m", 70),) == events_of(talk, Configured)[0].limits
    talk.say(Configure(title="x"))
    assert () == events_of(talk, Configured)[1].limits


def test_nothing_else_starts_while_parked() -> None:
    """Of three calls side by side one fits; one question is asked, and all the rest waits."""
    one_call = Limit(holder=Holder.SESSION, unit=Unit.CALLS, amount=1)
    talk = spender(limits=(one_call,))
    talk.model(answer("look", "look", "look"), usage=Usage(input_tokens=1, cost_micros=1))
    talk.note()
    assert 1 == len(talk.view.open) == len(talk.view.questions)
    talk.say(Recover())
    talk.tool()
    talk.note()
    assert () == talk.view.open and 1 == len(talk.view.questions)
    question = talk.view.questions[0]
    talk.say(Answer(question=question.id, decision="raise", amount=3, by="anna"))
    talk.note()
    assert 2 == len(talk.view.open) and () == talk.view.questions
    assert {"s.c": 1, "s.m": 1} == {one.id: one.used for one in talk.accounts}
