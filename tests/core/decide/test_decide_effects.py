"""Model and tool calls: their intents, their outcomes, their limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import (
    ASKING,
    OTHER,
    UNASKED,
    Talk,
    action_of,
    answer,
    ended,
    kinds,
    results,
    started,
)
from holdfast.core.actions import Action
from holdfast.core.commands import Answer, Cancel, ModelEnded, Pause, Resume, Tick
from holdfast.core.decide.effects import CALL_ID_BYTES_MAX, CALL_NAME_BYTES_MAX
from holdfast.core.events import Asked, EffectEnded, EffectStarted, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.judge import GUARDS
from holdfast.core.messages import Message, Role, Text, Thinking, ToolUse, assistant
from holdfast.core.quantities import Usage
from holdfast.core.rules import Policy, parse_rule
from holdfast.core.settings import Limits
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Allow
from holdfast.core.view import CALLS_MAX

MANY = tuple(("look", f"c{n}") for n in range(1, CALLS_MAX + 4))


def calling(*names: str | tuple[str, str], talk: Talk | None = None) -> tuple[Talk, list[object]]:
    """A turn whose model has called tools."""
    talk = talk or Talk()
    talk.send()
    return talk, list(talk.model(answer(*names)))


def test_answer_ends_the_turn() -> None:
    """An answer without calls is the end."""
    talk = Talk()
    talk.send()
    usage = Usage(input_tokens=10, output_tokens=2, cost_micros=7)
    (event,) = talk.model(
        answer(text="hi"), usage=usage, model="m", provider="p", stop="end", duration_ms=5
    )
    assert isinstance(event, EffectEnded)
    assert ("m", "p", "end", 5, usage) == (
        event.model,
        event.provider,
        event.stop,
        event.duration_ms,
        event.usage,
    )
    last = talk.view.last_turn
    assert last is not None
    assert ("completed", 2, 4, usage) == (last.outcome, last.id, last.answer, last.usage)
    assert (None, 12) == (talk.view.turn, talk.view.context_tokens)


def test_calls_of_an_answer_start_in_the_same_append() -> None:
    """Read-only calls side by side, each with its digest and engine."""
    _, events = calling("look", "look")
    assert ["EffectEnded", "EffectStarted", "EffectStarted"] == kinds(events)
    assert [("look", 1, 1), ("look", 2, 1)] == started(events)
    first = events[1]
    assert isinstance(first, EffectStarted)
    assert (4, "tool", "e" * 16) == (first.cause, first.effect, first.engine)
    assert action_of(ToolUse("c1", "look")).digest == first.digest


def test_results_come_in_any_order_and_the_model_is_asked_at_last() -> None:
    """The last result brings the next model call, about what it has not seen."""
    talk, _ = calling("look", "look")
    assert ["EffectEnded"] == kinds(talk.tool(2))
    last = talk.tool(1)
    assert ["EffectEnded", "EffectStarted"] == kinds(last)
    assert isinstance(last[1], EffectStarted)
    assert (talk.view.version - 1, 0) == (last[1].cause, last[1].ordinal)


def test_calls_that_change_things_run_alone() -> None:
    """One after the other, in order."""
    talk, events = calling("pay", "put", "look")
    assert [("pay", 1, 1)] == started(events)
    assert [("put", 2, 1)] == started(talk.tool(1))
    assert [("look", 3, 1)] == started(talk.tool(2))
    assert [("m", 0, 1)] == started(talk.tool(3))


def test_late_report_is_dropped() -> None:
    """A result nobody waits for changes nothing; so does a late answer."""
    talk, _ = calling("look")
    ref = talk.view.open[0].ref
    talk.tool(1)
    assert [] == talk.say(ended(ref, "c1", "look", "again"))
    assert [] == talk.say(
        ModelEnded(ref=EffectRef(2, 0), outcome=Outcome.DONE, message=assistant("late"))
    )


def test_denied_call_gets_the_denial_as_its_result() -> None:
    """Nothing starts; the model is told and goes on."""
    policy = Policy(rules=(parse_rule("deny", "pay"),))
    talk = Talk(replace(UNASKED, permission=policy))
    _, events = calling("pay", talk=talk)
    assert ["EffectEnded", "EffectEnded", "EffectStarted"] == kinds(events)
    assert (1, Outcome.REFUSED, "permission.rule") == results(events)[1]
    refused = events[1]
    assert isinstance(refused, EffectEnded) and refused.message is not None
    assert (
        "[denied: a rule of the session denies it: pay (permission.rule)]"
        in refused.message.parts[0].content
    )
    assert 0 == talk.view.tool_call_count


def test_call_that_may_change_things_is_asked_about() -> None:
    """Without a rule, and without `unsafe_auto_approve`, a person decides first."""
    talk = Talk(replace(UNASKED, unsafe_auto_approve=False))
    _, events = calling("pay", talk=talk)
    assert ["EffectEnded", "Asked"] == kinds(events)
    asked = events[1]
    assert isinstance(asked, Asked) and ("permission.default",) == asked.codes


def test_call_nobody_knows_is_denied() -> None:
    """A tool the installation does not have."""
    _, events = calling("nosuch")
    assert (1, Outcome.REFUSED, "offer.unknown") == results(events)[1]


def test_call_that_was_not_normalised_is_denied() -> None:
    """No action, no Allow."""
    talk = Talk()
    talk.send()
    message = answer("look")
    events = talk.say(
        ModelEnded(ref=talk.view.open[0].ref, outcome=Outcome.DONE, message=message, actions=())
    )
    assert (1, Outcome.REFUSED, "judge.not_normalised") == results(events)[1]


def test_gate_that_denies_the_model_fails_the_turn() -> None:
    """A turn without a model is over, and says why."""
    talk = Talk()
    events = talk.send(model=None)
    assert ["Admitted", "EffectEnded"] == kinds(events)
    assert talk.view.last_turn is not None
    assert ("failed", "judge.not_normalised") == (
        talk.view.last_turn.outcome,
        talk.view.last_turn.reason,
    )


def test_what_this_runner_does_not_offer_stays_owed() -> None:
    """Another runner may have the model, or a tool the session lists."""
    talk = Talk(replace(UNASKED, tools=("look", "elsewhere")))
    absent = replace(talk.facts().model, known=False)
    assert ["Admitted"] == kinds(talk.send(model=absent))
    assert [("m", 0, 1)] == started(talk.say(Tick()))
    assert ["EffectEnded"] == kinds(talk.model(answer("elsewhere")))
    assert talk.view.turn is not None


def test_question_before_a_call() -> None:
    """Asked first; the answer starts it and holds for that digest only."""
    talk = Talk(guards=ASKING)
    _, events = calling("pay", talk=talk)
    asked = events[1]
    assert ["EffectEnded", "Asked"] == kinds(events)
    assert isinstance(asked, Asked)
    choices = ("once", "session", "workspace", "always", "deny", "edit")
    assert ("approval", "pay", choices, "may pay run?", (4, 1)) == (
        asked.about,
        asked.name,
        asked.choices,
        asked.text,
        (asked.cause, asked.ordinal),
    )
    assert [] == talk.say(Tick())
    assert ["Answered", "EffectStarted"] == kinds(talk.say(Answer(question=5, decision="approve")))
    assert 1 == talk.view.approval_count


def test_approval_is_bound_to_the_digest() -> None:
    """If the action is another one by then, it is asked about anew."""
    talk = Talk(guards=ASKING)
    calling("pay", talk=talk)
    changed = {EffectRef(4, 1): replace(action_of(ToolUse("c1", "pay")), digest="other")}
    events = talk.say(Answer(question=5, decision="approve"), actions=changed)
    assert ["Lapsed", "Refused", "Asked"] == kinds(events)
    assert "approval_stale" == talk.decision.error.reason


def test_action_without_a_digest_is_never_approved() -> None:
    """An empty digest matches nothing."""
    talk = Talk(guards=ASKING)
    talk.send()
    use = answer("pay")
    blank = replace(action_of(use.tool_uses[0]), digest="")
    command = ModelEnded(
        ref=talk.view.open[0].ref, outcome=Outcome.DONE, message=use, actions=(blank,)
    )
    assert ["EffectEnded", "Asked"] == kinds(talk.say(command))
    actions = {EffectRef(4, 1): blank}
    events = talk.say(Answer(question=5, decision="approve"), actions=actions)
    assert ["Answered", "Asked"] == kinds(events)


def test_denied_by_a_person() -> None:
    """The model reads the no, with the note."""
    talk = Talk(guards=ASKING)
    calling("pay", talk=talk)
    events = talk.say(Answer(question=5, decision="deny", note="too much", by="bob"))
    assert ["Answered", "EffectEnded", "EffectStarted"] == kinds(events)
    assert [(1, Outcome.REFUSED, "denied_by_person")] == results(events)
    refused = events[1]
    assert isinstance(refused, EffectEnded) and refused.message is not None
    assert "[denied by a person: too much; do not try again]" == refused.message.parts[0].content


def test_rounds_are_limited() -> None:
    """After the last allowed answer the turn ends instead of asking the model."""
    talk = Talk(replace(UNASKED, limits=Limits(max_rounds=2)))
    calling("look", talk=talk)
    talk.tool(1)
    talk.model(answer("look"))
    events = talk.tool(1)
    assert ["EffectEnded", "CancelAsked"] == kinds(events)
    assert talk.view.last_turn is not None
    assert ("cancelled", "max_rounds") == (
        talk.view.last_turn.outcome,
        talk.view.last_turn.reason,
    )


@pytest.mark.parametrize(("after_ms", "ends"), [(59_999, False), (60_000, True)])
def test_wall_clock_is_limited(after_ms: int, ends: bool) -> None:
    """At the limit the turn is to end; what runs is cancelled."""
    talk = Talk(replace(UNASKED, limits=Limits(turn_s=60)))
    talk.send()
    talk.now_ms += after_ms
    assert (["CancelAsked"] if ends else []) == kinds(talk.say(Tick()))


def test_time_does_not_run_while_a_person_thinks() -> None:
    """Only from the answer on."""
    talk = Talk(replace(UNASKED, limits=Limits(turn_s=60)), guards=ASKING)
    calling("pay", talk=talk)
    talk.now_ms += 1_000_000
    assert [] == talk.say(Tick())
    talk.say(Answer(question=5, decision="approve"))
    talk.now_ms += 59_999
    assert [] == talk.say(Tick())
    talk.now_ms += 1
    assert ["CancelAsked"] == kinds(talk.say(Tick()))


def test_engine_that_stops_starts_nothing() -> None:
    """It only records what comes back; the next one goes on."""
    talk, _ = calling("pay")
    effect = talk.view.open[0]
    report = ended(effect.ref, "c1", "pay")
    assert ["EffectEnded"] == kinds(talk.say(report, stopping=True))
    assert [] == talk.say(Tick(), stopping=True)
    assert [("m", 0, 1)] == started(talk.crash())


def test_cancel_is_asked_once() -> None:
    """A second cancel, or time running out meanwhile, adds nothing."""
    talk = Talk(replace(UNASKED, limits=Limits(turn_s=60)))
    talk.send()
    assert ["CancelAsked"] == kinds(talk.say(Cancel()))
    talk.now_ms += 60_000
    assert [] == talk.say(Cancel())
    assert [] == talk.say(Tick())


def test_cancelled_turn_gives_each_call_its_result() -> None:
    """The running one when it reports, the waiting ones at once."""
    talk, _ = calling("pay", "put", "look")
    events = talk.say(Cancel())
    assert ["CancelAsked", "EffectEnded", "EffectEnded"] == kinds(events)
    cancelled = [(2, Outcome.CANCELLED, "cancelled"), (3, Outcome.CANCELLED, "cancelled")]
    assert cancelled == results(events)
    assert talk.view.turn is not None
    talk.tool(1, "stopped", Outcome.CANCELLED)
    assert talk.view.turn is None
    assert talk.view.last_turn is not None and "user" == talk.view.last_turn.reason


def test_answer_that_comes_after_the_cancel_calls_nothing() -> None:
    """It is kept, and each of its calls gets its result."""
    talk = Talk()
    talk.send()
    talk.say(Cancel())
    events = talk.model(answer("look", "pay", text="I will"))
    assert ["EffectEnded", "EffectEnded", "EffectEnded"] == kinds(events)
    assert talk.view.turn is None
    assert talk.view.last_turn is not None and 5 == talk.view.last_turn.answer


def test_what_was_said_before_the_cancel_is_kept() -> None:
    """The words stay; calls of a cut-off answer do not."""
    talk = Talk()
    talk.send()
    talk.say(Cancel())
    (event,) = talk.model(answer("look", text="so far"), outcome=Outcome.CANCELLED)
    assert isinstance(event, EffectEnded)
    assert assistant("so far") == event.message
    assert talk.view.turn is None


@pytest.mark.parametrize("message", [None, answer("look")])
def test_cancelled_without_a_word(message: Message | None) -> None:
    """Nothing said, nothing kept."""
    talk = Talk()
    talk.send()
    talk.say(Cancel())
    (event,) = talk.model(message, outcome=Outcome.CANCELLED)
    assert isinstance(event, EffectEnded)
    assert event.message is None
    assert talk.view.turn is None


@pytest.mark.parametrize("message", [assistant("half a sen"), None])
def test_pause_cuts_the_model_off_and_resume_asks_again(message: Message | None) -> None:
    """What was said is noted for people; the model says it all again."""
    talk = Talk()
    talk.send()
    assert ["Paused"] == kinds(talk.say(Pause()))
    (event,) = talk.model(message, outcome=Outcome.CANCELLED, detail="because")
    assert isinstance(event, EffectEnded)
    assert (None, "half a sen" if message else "because") == (event.message, event.detail)
    assert [("m", 0, 1)] == started(talk.say(Resume()))


def test_failed_model_call_ends_the_turn() -> None:
    """With its reason and detail."""
    talk = Talk()
    talk.send()
    talk.model(outcome=Outcome.FAILED, reason="provider_failed", detail="503")
    last = talk.view.last_turn
    assert last is not None
    assert ("failed", "provider_failed", "503") == (last.outcome, last.reason, last.detail)


@pytest.mark.parametrize(
    "message",
    [
        None,
        answer(("look", "same"), ("look", "same")),
        answer(("look", "")),
        answer(("look", "x" * (CALL_ID_BYTES_MAX + 1))),
        answer(("é" * (CALL_NAME_BYTES_MAX // 2 + 1), "c1")),
        answer(*(("look", f"c{n}") for n in range(513))),
    ],
    ids=["no message", "same ids", "no id", "long id", "long name", "too many"],
)
def test_answer_nobody_can_act_on_has_failed(message: Message | None) -> None:
    """It ends the turn and is not shown; its usage counts."""
    talk = Talk()
    talk.send()
    (event,) = talk.model(message, usage=Usage(input_tokens=3))
    assert isinstance(event, EffectEnded)
    assert (Outcome.FAILED, "bad_answer", None) == (event.outcome, event.reason, event.message)
    assert 3 == talk.view.usage.input_tokens
    assert talk.view.last_turn is not None and "failed" == talk.view.last_turn.outcome


def test_ids_and_names_at_their_limit_pass() -> None:
    """The limit itself is allowed."""
    talk = Talk()
    talk.send()
    name = "n" * CALL_NAME_BYTES_MAX
    events = talk.model(answer((name, "x" * CALL_ID_BYTES_MAX)))
    assert (1, Outcome.REFUSED, "offer.unknown") == results(events)[1]


def test_calls_over_the_limit_are_refused() -> None:
    """Sixty-four calls are carried out; each of the rest has its result at once."""
    talk, events = calling(*MANY)
    too_many = [n for n, _, reason in results(events) if reason == "too_many_calls"]
    assert [CALLS_MAX + 1, CALLS_MAX + 2, CALLS_MAX + 3] == too_many
    assert CALLS_MAX == len(talk.view.calls)
    assert 8 == len(started(events))
    for ordinal in range(1, CALLS_MAX + 1):
        talk.tool(ordinal)
    assert [("m", 0)] == [(e.name, e.ref.ordinal) for e in talk.view.open]


def test_calls_over_the_limit_of_a_cancelled_turn() -> None:
    """All are told that they did not run."""
    talk = Talk()
    talk.send()
    talk.say(Cancel())
    events = talk.model(answer(*MANY))
    assert len(MANY) + 1 == len(events)
    assert talk.view.turn is None


def test_only_known_reading_calls_run_side_by_side() -> None:
    """A reading tool nobody knows is no reason to hurry."""
    talk = Talk()
    talk.send()
    message = answer("look", "look", "pay")
    actions: list[Action] = [action_of(use) for use in message.tool_uses]
    actions[1] = replace(actions[1], known=False, nature=Nature.READ_ONLY)
    (ended_event, *_) = talk.say(
        ModelEnded(
            ref=talk.view.open[0].ref,
            outcome=Outcome.DONE,
            message=message,
            actions=tuple(actions),
        )
    )
    assert isinstance(ended_event, EffectEnded)
    assert (1,) == ended_event.parallel


def test_intent_names_revisions_and_obligations() -> None:
    """What the verdict relied on is in the event."""
    talk = Talk(guards=(*GUARDS, ("duty", lambda view, facts, action: Allow(("route:x",)))))
    _, event = talk.send(revisions=(("user:u", 3),))
    assert isinstance(event, EffectStarted)
    assert ((("user:u", 3),), ("route:x",)) == (event.revisions, event.obligations)


def test_nothing_but_thinking_is_an_answer() -> None:
    """It ends the turn; there is nothing to do."""
    talk = Talk()
    talk.send()
    talk.model(Message(Role.ASSISTANT, (Thinking("hm", None), Text(""))))
    assert talk.view.last_turn is not None and "completed" == talk.view.last_turn.outcome


def test_other_engines_effects_are_lost_on_cancel() -> None:
    """Nobody is left to report them."""
    talk, _ = calling("pay")
    talk.engine = OTHER
    events = talk.say(Cancel(), grace_over=False)
    assert ["CancelAsked", "EffectEnded"] == kinds(events)
    assert [(1, Outcome.LOST, "lost")] == results(events)
    assert talk.view.turn is None
