"""Ending a call that does not run: its result says what is known, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import Talk, answer
from holdfast.core.decide.common import Draft
from holdfast.core.decide.refusing import end_call, refuse_effect, refuse_model
from holdfast.core.events import EffectEnded, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.messages import ToolResult, estimate_tokens
from holdfast.core.verdicts import Deny

DENY = Deny("budget", "exceeded", "nothing is left")


def drafted(*calls: str) -> tuple[Draft, int]:
    """A draft of a session in which these calls wait or run, and the version they came with."""
    talk = Talk()
    talk.send()
    talk.model(answer(*calls))
    assert talk.view.turn is not None
    return Draft(talk.view, talk.facts()), talk.view.turn.answer


def only(draft: Draft) -> EffectEnded:
    """The one event of a draft."""
    (event,) = draft.events
    assert isinstance(event, EffectEnded)
    return event


def result(event: EffectEnded) -> ToolResult:
    """What the model reads."""
    assert event.message is not None
    (part,) = event.message.parts
    assert isinstance(part, ToolResult)
    return part


def test_a_refused_call_gets_the_reason_as_its_result() -> None:
    """The model reads why; the call has its one result and waits no more."""
    draft, cause = drafted("pay", "look")
    refuse_effect(draft, EffectRef(cause, 1), DENY, attempt=1)
    event = only(draft)
    assert (cause, 1, "tool", Outcome.REFUSED, "budget.exceeded", 1) == (
        event.cause,
        event.ordinal,
        event.effect,
        event.outcome,
        event.reason,
        event.exit_code,
    )
    said = result(event)
    assert "[denied: nothing is left (budget.exceeded)]" == said.content
    assert ("c1", "pay", True) == (said.tool_use_id, said.name, said.is_error)
    assert estimate_tokens(event.message) == event.tokens
    assert (None, True) == (draft.view.call(1), draft.view.call(2) is not None)


def test_a_call_that_was_tried_before_is_not_said_to_be_undone() -> None:
    """A denial of the second attempt says nothing about the first (contract 2.2)."""
    draft, cause = drafted("put")
    refuse_effect(draft, EffectRef(cause, 1), DENY, attempt=2)
    event = only(draft)
    assert (Outcome.LOST, "budget.exceeded") == (event.outcome, event.reason)
    expected = "[outcome unknown; another attempt was denied: nothing is left (budget.exceeded)]"
    assert expected == result(event).content


def test_a_refused_model_call_fails_the_turn() -> None:
    """No message is made up; the turn says which guard it was."""
    talk = Talk()
    talk.send()
    draft = Draft(talk.view, talk.facts())
    (effect,) = talk.view.open
    refuse_effect(draft, effect.ref, DENY, attempt=1)
    event = only(draft)
    assert ("model", Outcome.REFUSED, "budget.exceeded", "nothing is left", None) == (
        event.effect,
        event.outcome,
        event.reason,
        event.detail,
        event.message,
    )
    assert () == draft.view.open
    turn = draft.view.last_turn
    assert draft.view.turn is None and turn is not None
    assert ("budget.exceeded", "nothing is left") == (turn.reason, turn.detail)


def test_a_model_call_is_refused_with_the_callers_reason() -> None:
    """Also one that never started, as when nobody raised the account."""
    draft, cause = drafted("look")
    refuse_model(draft, EffectRef(cause, 0), "lapsed", "nobody answered")
    event = only(draft)
    assert ("lapsed", "nobody answered", 0) == (event.reason, event.detail, event.ordinal)


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.LOST, Outcome.REFUSED])
def test_a_call_is_ended_with_the_words_given(outcome: Outcome) -> None:
    """Whatever the outcome, a call that did not run to its end is an error to the model."""
    draft, cause = drafted("look")
    end_call(draft, EffectRef(cause, 1), outcome, "[why]", reason="code")
    event = only(draft)
    assert (outcome, "code", "[why]", True) == (
        event.outcome,
        event.reason,
        result(event).content,
        result(event).is_error,
    )


def test_a_call_is_ended_once() -> None:
    """One that has its result, or never was, gets none."""
    draft, cause = drafted("look")
    for _ in range(2):
        end_call(draft, EffectRef(cause, 1), Outcome.CANCELLED, "[why]", reason="code")
    end_call(draft, EffectRef(cause, 9), Outcome.CANCELLED, "[why]", reason="code")
    refuse_effect(draft, EffectRef(cause, 9), replace(DENY, reason="other"), attempt=1)
    assert 1 == len(draft.events)
