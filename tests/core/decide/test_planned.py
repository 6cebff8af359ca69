"""Conversations about plans and strangers' words: what starts, what is asked, what waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_content import STRANGE
from core_talk import NATURES, UNASKED, Talk, answer, kinds, results, started
from holdfast.core.authority import Authority
from holdfast.core.commands import AddMessage, Answer, FixPlan, HostCall, Tick
from holdfast.core.events import EffectStarted, Event, Outcome, PlanStep
from holdfast.core.flows import Flow, Sink
from holdfast.core.hooks import HookEvent
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import user
from holdfast.core.provenance import Examined
from holdfast.core.rules import Policy, PolicyMode, parse_rule
from holdfast.core.security import FlowMode, Security
from holdfast.core.tools import Nature

FREE = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE)
MODES = (FlowMode.STRICT, FlowMode.PROVENANCE)


def reading(flow: FlowMode = FlowMode.STRICT, *times: int, policy: Policy = FREE) -> Talk:
    """A session with a plan of payments that has then read strangers' words."""
    security = Security(flow=flow)
    talk = Talk(replace(UNASKED, unsafe_auto_approve=False, permission=policy, security=security))
    talk.flows = dict.fromkeys(NATURES, Flow(sink=Sink.EGRESS))
    if times:
        steps = tuple(PlanStep(tool="pay", times=one) for one in times)
        talk.say(FixPlan(steps=steps))
    talk.say(AddMessage(message=user("strangers' words", UNTRUSTED)))
    talk.send()
    return talk


def examined(talk: Talk, **fields: object) -> dict[str, Examined]:
    """All calls of the answer looked up alike."""
    actions = talk.facts().actions.values()
    return {
        action.digest: Examined(digest=action.digest, **{"grounded": 1, **fields})
        for action in actions
    }


def looks(talk: Talk, **fields: object) -> list[Event]:
    """The shell comes back with what it looked up."""
    return talk.say(Tick(), examined=examined(talk, **fields))


def steps(events: list[Event]) -> list[tuple[int, int]]:
    """(attempt, step) of every call that starts."""
    return [(one.attempt, one.step) for one in events if isinstance(one, EffectStarted)]


@pytest.mark.parametrize("flow", MODES)
def test_a_call_waits_until_it_was_examined(flow: FlowMode) -> None:
    """It stays owed: neither denied nor asked about."""
    talk = reading(flow)
    assert ["EffectEnded"] == kinds(talk.model(answer("pay")))
    assert [] == talk.say(Tick())
    assert ["Asked"] == kinds(looks(talk))


def test_without_strangers_words_nothing_waits() -> None:
    """There is nothing to find."""
    talk = Talk(replace(UNASKED, permission=FREE, unsafe_auto_approve=False))
    talk.flows = {"pay": Flow(sink=Sink.EGRESS)}
    talk.send()
    assert ["EffectEnded", "EffectStarted"] == kinds(talk.model(answer("pay")))


def test_what_was_examined_in_another_form_is_denied() -> None:
    """A finding is for one digest."""
    talk = reading()
    talk.model(answer("pay"))
    wrong = {key: replace(one, digest="other") for key, one in examined(talk).items()}
    events = talk.say(Tick(), examined=wrong)
    assert (1, Outcome.REFUSED, "flow.not_examined") == results(events)[0]


@pytest.mark.parametrize("flow", MODES)
def test_a_planned_call_starts_and_takes_its_step(flow: FlowMode) -> None:
    """Once; after that it is asked about."""
    talk = reading(flow, 1)
    talk.model(answer("pay"))
    assert [(1, 1)] == steps(looks(talk, step=1))
    assert (0,) == talk.view.plan_left
    talk.tool()
    talk.model(answer("pay"))
    assert ["Asked"] == kinds(looks(talk, step=1)), "whoever looked it up was mistaken"
    assert (0,) == talk.view.plan_left


@pytest.mark.parametrize("flow", MODES)
def test_calls_side_by_side_take_a_step_once(flow: FlowMode) -> None:
    """Both were looked up before either of them took it."""
    talk = reading(flow, 1)
    assert Nature.READ_ONLY is NATURES["look"]
    talk.model(answer("look", "look"))
    events = looks(talk, step=1)
    assert [("look", 1, 1)] == started(events)[:1]
    assert (0,) == talk.view.plan_left
    if flow is FlowMode.STRICT:
        assert ["EffectStarted", "Asked"] == kinds(events)
    else:  # what only reads and was given nothing strange carries nothing away
        assert ["EffectStarted", "EffectStarted"] == kinds(events)


def test_a_denied_call_does_not_use_its_step() -> None:
    """Nor does one that a person says no to, or one that waits for an answer."""
    policy = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE, rules=(parse_rule("deny", "pay"),))
    talk = reading(FlowMode.STRICT, 1, policy=policy)
    talk.model(answer("pay"))
    events = looks(talk, step=1)
    assert [(1, Outcome.REFUSED)] == [(place, outcome) for place, outcome, _ in results(events)]
    assert (1,) == talk.view.plan_left
    asking = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE, rules=(parse_rule("ask", "pay"),))
    talk = reading(FlowMode.STRICT, 1, policy=asking)
    talk.model(answer("pay"))
    assert ["Asked"] == kinds(looks(talk, step=1))
    assert (1,) == talk.view.plan_left
    number = talk.view.questions[0].id
    talk.say(Answer(question=number, decision="deny"), examined=examined(talk, step=1))
    assert (1,) == talk.view.plan_left


def test_a_person_lets_a_planned_call_start() -> None:
    """The step is taken when it does."""
    policy = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE, rules=(parse_rule("ask", "pay"),))
    talk = reading(FlowMode.STRICT, 1, policy=policy)
    talk.model(answer("pay"))
    looks(talk, step=1)
    number = talk.view.questions[0].id
    facts = examined(talk, step=1)
    events = talk.say(Answer(question=number, decision="once"), examined=facts)
    assert ([(1, 1)], (0,)) == (steps(events), talk.view.plan_left)


def test_another_attempt_takes_no_second_step() -> None:
    """What may be done twice is done again after a crash, within the same step."""
    talk = reading(FlowMode.STRICT, 2)
    talk.model(answer("put"))
    assert [(1, 1)] == steps(looks(talk, step=1))
    facts = examined(talk, step=1)
    events = talk.crash(examined=facts)
    assert ([(2, 1)], (1,)) == (steps(events), talk.view.plan_left)


@pytest.mark.parametrize("flow", MODES)
def test_a_yes_starts_what_was_asked_about(flow: FlowMode) -> None:
    """Once, and it takes no step of a plan that does not foresee it."""
    talk = reading(flow, 1)
    talk.model(answer("pay"))
    events = looks(talk, uses=(STRANGE,))
    assert ["Asked"] == kinds(events)
    number = talk.view.questions[0].id
    facts = examined(talk, uses=(STRANGE,))
    events = talk.say(Answer(question=number, decision="once"), examined=facts)
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert (1,) == talk.view.plan_left


def test_a_yes_covers_neither_another_finding_nor_a_denial() -> None:
    """It is for the reason that was asked about."""
    talk = reading(FlowMode.PROVENANCE)
    talk.model(answer("pay"))
    looks(talk, uses=(STRANGE,))
    number = talk.view.questions[0].id
    facts = examined(talk, grounded=0)
    events = talk.say(Answer(question=number, decision="once"), examined=facts)
    assert ["Answered", "Asked"] == kinds(events)


@pytest.mark.parametrize("flow", MODES)
def test_a_call_of_the_program_is_not_judged_by_flow(flow: FlowMode) -> None:
    """It is no model's, whatever the session has read."""
    talk = reading(flow)
    talk.model(answer("pay"))
    (action,) = talk.facts().actions.values()
    events = talk.say(HostCall(action=replace(action, by_host=True)))
    assert ["EffectStarted"] == kinds(events)


def test_hooks_and_findings_both_must_have_come() -> None:
    """A tool that is hooked is not started by what was looked up alone."""
    talk = reading(FlowMode.PROVENANCE)
    talk.model(answer("pay"))
    hooked = Authority(hooked=frozenset({HookEvent.PRE_TOOL_USE}))
    assert [] == talk.say(Tick(), examined=examined(talk), authority=hooked)
    assert ["Asked"] == kinds(looks(talk))
