"""Calls of the embedding program, outside of a turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import ASKING, Talk, action_of, kinds, results
from holdfast.core.actions import Action
from holdfast.core.authority import Authority, ScopedPolicy
from holdfast.core.commands import HostCall, HostEnded, MoveTo, Recover, Terminate
from holdfast.core.errors import Denied, NotNow
from holdfast.core.events import EffectEnded, EffectStarted, Outcome, Refused
from holdfast.core.ids import EffectRef
from holdfast.core.messages import ToolUse
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage
from holdfast.core.rules import Policy, parse_rule
from holdfast.core.view import HOST_CALLS_MAX

LOOK = replace(action_of(ToolUse("h", "look")), by_host=True)


def test_tool_call() -> None:
    """Its intent, then its outcome; the conversation is untouched."""
    talk = Talk()
    (event,) = talk.say(HostCall(action=LOOK), revisions=(("u", 1),))
    expected = EffectStarted(
        cause=2,
        ordinal=1,
        effect="host_tool",
        name="look",
        digest=LOOK.digest,
        engine=talk.engine,
        revisions=(("u", 1),),
    )
    assert expected == event
    before = talk.view
    assert [EffectRef(2, 1)] == [effect.ref for effect in before.host_open]
    report = HostEnded(ref=EffectRef(2, 1), outcome=Outcome.DONE, exit_code=3, duration_ms=9)
    (done,) = talk.say(report)
    assert isinstance(done, EffectEnded)
    assert ("host_tool", 3, 9, None) == (
        done.effect,
        done.exit_code,
        done.duration_ms,
        done.message,
    )
    assert ((), 1, before.window, before.last_turn) == (
        talk.view.host_open,
        talk.view.tool_call_count,
        talk.view.window,
        talk.view.last_turn,
    )
    assert [] == talk.say(report)


def test_model_call_costs() -> None:
    """Its usage counts for the session; it is no round."""
    talk = Talk()
    model = talk.facts().model
    assert model is not None
    (event,) = talk.say(HostCall(action=replace(model, by_host=True)))
    assert isinstance(event, EffectStarted) and "host_model" == event.effect
    usage = Usage(input_tokens=5, cost_micros=3)
    talk.say(HostEnded(ref=EffectRef(2, 1), outcome=Outcome.DONE, usage=usage))
    assert (usage, 0, 0) == (talk.view.usage, talk.view.round_count, talk.view.tool_call_count)


def denied(name: str) -> Action:
    """A call of a tool the gate does not let through."""
    return replace(LOOK, name=name, known=False)


def test_denied_call_leaves_a_trace() -> None:
    """The refusal is on record and nothing may run."""
    talk = Talk()
    assert [Refused(action="tool", guard="offer", reason="unknown")] == talk.say(
        HostCall(action=denied("x"))
    )
    assert isinstance(talk.decision.error, Denied)
    assert () == talk.view.host_open


def test_call_that_needs_asking_is_denied() -> None:
    """There is nobody to ask outside of a turn."""
    talk = Talk(guards=ASKING)
    pay = replace(action_of(ToolUse("h", "pay")), by_host=True)
    assert ["Refused"] == kinds(talk.say(HostCall(action=pay)))
    assert "may pay run?" == talk.decision.error.message


@pytest.mark.parametrize("state", ["Paused", "Completed", "Error"])
def test_session_that_does_not_work_refuses(state: str) -> None:
    """By the same gate."""
    talk = Talk()
    talk.say(MoveTo(state=state))
    assert ["Refused"] == kinds(talk.say(HostCall(action=LOOK)))


def test_ended_session_records_no_refusal() -> None:
    """Nothing may follow the wipe, not even that."""
    talk = Talk()
    talk.say(Terminate())
    with pytest.raises(NotNow, match="Terminating"):
        talk.say(HostCall(action=LOOK))


def test_so_many_at_once() -> None:
    """The fold stays small."""
    talk = Talk()
    for _ in range(HOST_CALLS_MAX):
        talk.say(HostCall(action=LOOK))
    with pytest.raises(NotNow, match="calls of the program run already"):
        talk.say(HostCall(action=LOOK))


def test_dead_engines_calls_are_lost() -> None:
    """Its own go on."""
    talk = Talk()
    talk.say(HostCall(action=LOOK))
    assert [] == talk.say(Recover())
    assert [(1, Outcome.LOST, "lost")] == results(talk.crash())
    assert () == talk.view.host_open


ANN = Bearer(token="0a" * 16, role="agent", task_type="review")


def test_a_call_for_a_token_says_so_and_a_revoked_one_makes_none() -> None:
    """The intent names the token; once that is revoked nothing starts (contract 2.13)."""
    talk = Talk()
    (event,) = talk.say(HostCall(action=LOOK, bearer=ANN))
    assert isinstance(event, EffectStarted) and event.bearer == ANN
    (own,) = talk.say(HostCall(action=LOOK))
    assert isinstance(own, EffectStarted) and own.bearer is None
    gone = Authority(revoked=frozenset({ANN.token}))
    with pytest.raises(Denied, match="revoked"):
        talk.say(HostCall(action=LOOK, bearer=ANN), authority=gone)
    assert isinstance(talk.say(HostCall(action=LOOK), authority=gone)[0], EffectStarted)


def test_rules_of_a_role_hold_for_the_tokens_calls_alone() -> None:
    """A call acts as its own token, not as the one that a turn beside it runs for."""
    rule = parse_rule("deny", "look", role="agent")
    for bearer, kind in ((ANN, Refused), (None, EffectStarted)):
        talk = Talk()
        found = Authority(policies=(ScopedPolicy("installation", Policy(rules=(rule,))),))
        events = talk.say(HostCall(action=LOOK, bearer=bearer), authority=found)
        assert [kind] == [type(one) for one in events]
