"""Another attempt of a model call: its own intent, its own reservation, or none."""

from __future__ import annotations

from dataclasses import replace

from core_talk import MODEL, Talk, answer, opened, results, started
from holdfast.core.accounts import Account, BudgetSettings
from holdfast.core.actions import Cost
from holdfast.core.authority import Authority
from holdfast.core.commands import Cancel, ModelEnded, Pause
from holdfast.core.decide.doubt import ATTEMPTS_MAX
from holdfast.core.events import EffectEnded, EffectStarted, Outcome
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings

BILL = Usage(input_tokens=1, cost_micros=7)
DEAR = replace(MODEL, cost=Cost(micros=40))


class Spender(Talk):
    """A talk whose model costs at most 40 micro-USD."""

    accounts: tuple[Account, ...] = ()

    def facts(self, **changes: object):  # type: ignore[no-untyped-def]  # as the talk's own
        """What the shell would read now."""
        if self.decision.accounts is not None:
            self.accounts = self.decision.accounts
        authority = Authority(accounts=self.accounts)
        return super().facts(**{"model": DEAR, "authority": authority, **changes})


def spender(micros: int = 100) -> Spender:
    """A session with a budget whose model is being asked."""
    settings = Settings(budget=BudgetSettings(micros=micros), unsafe_auto_approve=True)
    talk = Spender(birth=opened(settings))
    talk.send()
    return talk


def test_each_attempt_is_reserved_for() -> None:
    """The first one's bill is settled in the append that takes the next reservation."""
    talk = spender(50)
    events = talk.model(answer(text="bad"), usage=BILL, again=True)
    (again,) = [one for one in events if isinstance(one, EffectStarted)]
    assert (2, (("s.m", 40, 7),), (("s.m", 40),)) == (again.attempt, again.settles, again.takes)
    assert [] == results(events)
    (ended,) = [
        one
        for one in talk.model(answer(text="good"), usage=BILL, before=BILL)
        if isinstance(one, EffectEnded)
    ]
    assert (("s.m", 40, 7),) == ended.settles
    assert BILL + BILL == ended.usage


def test_an_unknown_bill_of_an_attempt_is_its_whole_reserve() -> None:
    """Also where the next attempt's is known (contract 1.6)."""
    talk = spender()
    (again,) = talk.model(outcome=Outcome.FAILED, again=True, reason="provider_failed")[:1]
    assert isinstance(again, EffectStarted)
    assert (("s.m", 40, 40),) == again.settles
    talk.model(answer(text="good"), usage=BILL)
    assert [(47, 0)] == [(one.used, one.held) for one in talk.decision.accounts or ()]


def test_what_cannot_be_paid_is_not_tried_again() -> None:
    """The call ends as it came back, and is settled as ever."""
    talk = spender(46)
    events = talk.model(answer(text="as it is"), usage=BILL, again=True)
    assert [] == started(events)
    (ended,) = [one for one in events if isinstance(one, EffectEnded)]
    assert (Outcome.DONE, (("s.m", 40, 7),)) == (ended.outcome, ended.settles)


def test_the_report_of_an_earlier_attempt_says_nothing_of_the_next() -> None:
    """The same report once more neither ends the next attempt nor bills it (contract 1.6)."""
    talk = spender(1_000)
    first = talk.view.open[0]
    report = ModelEnded(
        ref=first.ref,
        intent=first.version,
        outcome=Outcome.FAILED,
        reason="provider_error",
        usage=BILL,
        again=True,
    )
    assert [(MODEL.name, 0, 2)] == started(talk.say(report))
    assert [] == talk.say(report)
    assert [] == talk.say(replace(report, again=False))
    (second,) = talk.view.open
    assert (2, first.ref) == (second.attempt, second.ref)


def test_a_turn_that_is_over_has_no_further_attempt() -> None:
    """Cancelled, paused, stopping, without a model, or after too many."""
    for stop in (Cancel(), Pause()):
        talk = spender()
        ref = talk.view.open[0].ref
        talk.say(stop)
        assert [] == started(
            talk.say(ModelEnded(ref=ref, outcome=Outcome.CANCELLED, usage=BILL, again=True))
        )
    for changes in ({"stopping": True}, {"model": None}):
        talk = spender()
        ref = talk.view.open[0].ref
        ended = ModelEnded(ref=ref, outcome=Outcome.FAILED, again=True)
        assert [] == started(talk.say(ended, **changes))
    talk = spender(1_000)
    for attempt in range(2, ATTEMPTS_MAX + 1):
        assert [(MODEL.name, 0, attempt)] == started(talk.model(outcome=Outcome.FAILED, again=True))
    assert [] == started(talk.model(outcome=Outcome.FAILED, again=True))
