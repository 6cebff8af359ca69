"""The fold of turns and effects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_session import ASKED, SECRET, after, say

from core_talk import START_MS, Talk, answer
from holdfast.core.events import (
    CancelAsked,
    EffectEnded,
    EffectStarted,
    Event,
    Outcome,
    Paused,
    PlanFixed,
    PlanStep,
    StateSet,
)
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Role, Text, assistant, tool_result
from holdfast.core.quantities import Usage
from holdfast.core.risk import Exposure
from holdfast.core.turns import exposed
from holdfast.core.view import (
    CALLS_MAX,
    ENCLAVE,
    EXPOSED_KINDS_MAX,
    Call,
    FinishedTurn,
    OpenEffect,
    SessionView,
)

START = EffectStarted(cause=2, ordinal=0, effect="model", name="m", digest="d", engine="e")
USAGE = Usage(input_tokens=10, output_tokens=5, cost_micros=3)


def ended(message: Message | None = None, **fields: object) -> EffectEnded:
    """The first model call's outcome."""
    facts: dict[str, object] = {"cause": 2, "effect": "model", "outcome": Outcome.DONE, **fields}
    return EffectEnded(ordinal=0, message=message, tokens=4, **facts)


def tool_end(ordinal: int, outcome: Outcome = Outcome.DONE) -> EffectEnded:
    """The outcome of a call of the answer at version 4."""
    message = tool_result(f"c{ordinal}", "look", "out")
    return EffectEnded(
        cause=4, ordinal=ordinal, effect="tool", outcome=outcome, message=message, tokens=2
    )


def test_started() -> None:
    """The intent is open, with its place."""
    expected = OpenEffect(
        ref=EffectRef(2, 0),
        effect="model",
        name="m",
        digest="d",
        attempt=1,
        engine="e",
        version=3,
    )
    assert (expected,) == after(say(), START).open


def test_second_attempt_replaces_the_first() -> None:
    """One open effect a reference; the turn's clock starts anew."""
    again = EffectStarted(cause=2, ordinal=0, effect="model", attempt=2, engine="f")
    view = after(say(), START, again)
    assert [(2, "f", 4)] == [(e.attempt, e.engine, e.version) for e in view.open]
    assert view.turn is not None and START_MS + 3 == view.turn.clock_ms


def test_first_attempt_leaves_the_clock() -> None:
    """Only a repetition starts it anew."""
    view = after(say(), START)
    assert view.turn is not None and START_MS + 1 == view.turn.clock_ms


def test_effect_without_a_turn() -> None:
    """A fold is total: it is open, the state stays."""
    view = after(START)
    assert (1, SessionState.ACTIVE) == (len(view.open), view.state)
    view = after(START, EffectStarted(cause=2, ordinal=0, effect="model", attempt=2))
    assert 1 == len(view.open)


def test_effect_of_a_reopened_turn_is_processing() -> None:
    """An active session with a turn that goes on processes."""
    view = after(say(), StateSet(state="Active"), START)
    assert SessionState.PROCESSING == view.state
    assert SessionState.PAUSED == after(say(), Paused(), START).state


def test_host_calls_are_apart() -> None:
    """They are not part of a turn; only money and counts remain of them."""
    host = EffectStarted(cause=2, ordinal=1, effect="host_tool")
    view = after(host)
    assert (1, ()) == (len(view.host_open), view.open)
    end = EffectEnded(
        cause=2, ordinal=1, effect="host_tool", outcome=Outcome.DONE, usage=USAGE, message=answer()
    )
    view = after(host, end)
    assert ((), 1, USAGE, 0, None) == (
        view.host_open,
        view.tool_call_count,
        view.usage,
        view.window.count,
        view.last_turn,
    )
    model = EffectEnded(cause=2, ordinal=1, effect="host_model", outcome=Outcome.DONE)
    assert (0, Usage()) == (after(model).tool_call_count, after(model).usage)


def test_answer_completes_the_turn() -> None:
    """The finished turn has the answer's place, usage and count of tools."""
    view = after(say(), START, ended(assistant("hi"), usage=USAGE))
    expected = FinishedTurn(id=2, outcome="completed", answer=4, usage=USAGE, version=4)
    assert expected == view.last_turn
    assert (None, (), SessionState.ACTIVE, 1, 1, USAGE) == (
        view.turn,
        view.open,
        view.state,
        view.turn_count,
        view.round_count,
        view.usage,
    )
    assert (7, 2, 15) == (view.window.tokens, view.window.count, view.context_tokens)


def test_answer_without_counts_adds_its_estimate() -> None:
    """A usage of nothing is no count."""
    assert 7 == after(say(), START, ended(assistant("hi"))).context_tokens
    assert (
        7 == after(say(), START, ended(assistant("hi"), usage=Usage(cost_micros=1))).context_tokens
    )


def test_answer_with_calls() -> None:
    """Each is owed; the answer is the next cause."""
    view = after(say(), START, ended(answer("look", "pay"), parallel=(1,)))
    assert (Call(1, "c1", "look", parallel=True), Call(2, "c2", "pay")) == view.calls
    assert view.turn is not None
    assert (4, 4, 1) == (view.turn.answer, view.turn.cause, view.turn.rounds)


def test_so_many_calls_are_owed() -> None:
    """The fold is bounded."""
    view = after(say(), START, ended(answer(*(("look", f"c{n}") for n in range(99)))))
    assert CALLS_MAX == len(view.calls)


def test_results() -> None:
    """Each closes its call; what was refused did not run."""
    view = after(
        say(), START, ended(answer("look", "pay")), tool_end(1), tool_end(2, Outcome.REFUSED)
    )
    assert ((), 1) == (view.calls, view.tool_call_count)
    assert view.turn is not None
    assert (6, 1) == (view.turn.cause, view.turn.tool_calls)


def test_result_without_a_turn() -> None:
    """A fold is total."""
    view = after(tool_end(1))
    assert (1, 1, None) == (view.tool_call_count, view.window.count, view.turn)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED])
def test_failed_model_call_ends_the_turn(outcome: Outcome) -> None:
    """With its reason and detail, cut to what the fold keeps."""
    view = after(say(), START, ended(outcome=outcome, reason="r", detail="d" * 400))
    assert view.last_turn is not None
    assert ("failed", "r", "d" * 300) == (
        view.last_turn.outcome,
        view.last_turn.reason,
        view.last_turn.detail,
    )


@pytest.mark.parametrize(
    ("message", "answer_at"), [(None, 0), (assistant("so far"), 5)], ids=["nothing", "words"]
)
def test_cancelled_model_call(message: Message | None, answer_at: int) -> None:
    """What was said is the answer of the cancelled turn."""
    view = after(say(), START, CancelAsked(why="u"), ended(message, outcome=Outcome.CANCELLED))
    assert view.last_turn is not None
    assert ("cancelled", "u", answer_at) == (
        view.last_turn.outcome,
        view.last_turn.reason,
        view.last_turn.answer,
    )


def test_cut_off_model_call_leaves_the_turn() -> None:
    """Without a cancel the model is owed again."""
    view = after(say(), START, ended(outcome=Outcome.CANCELLED))
    assert view.turn is not None and (2, 0) == (view.turn.cause, view.turn.rounds)


def test_model_call_without_a_turn() -> None:
    """Its money counts all the same."""
    view = after(ended(assistant("x"), usage=USAGE))
    assert (USAGE, None, 0) == (view.usage, view.turn, view.round_count)


def test_steered_turn_goes_on() -> None:
    """A message that came while the model spoke has not been seen."""
    view = after(say(), START, say("more"), ended(assistant("hi")))
    assert view.turn is not None
    assert (4, 5) == (view.turn.cause, view.turn.answer)


def test_cancelled_turn_waits_for_its_calls() -> None:
    """It ends with the last result."""
    events: tuple[Event, ...] = (say(), START, ended(answer("look")))
    running = EffectStarted(cause=4, ordinal=1, effect="tool")
    view = after(*events, running, CancelAsked(why="u"))
    assert view.turn is not None
    view = after(*events, running, CancelAsked(why="u"), tool_end(1, Outcome.CANCELLED))
    assert None is view.turn
    view = after(say(), START, CancelAsked(why="u"), ended(answer("look")))
    assert view.turn is not None and 1 == len(view.calls)


def test_turn_that_ends_while_paused_leaves_the_pause() -> None:
    """Only processing becomes active."""
    view = after(say(), START, Paused(), ended(assistant("x")))
    assert (None, SessionState.PAUSED) == (view.turn, view.state)


def test_label_rises_with_what_is_shown() -> None:
    """An answer's label is part of the session's."""
    talk = Talk()
    talk.send()
    talk.model(Message(Role.ASSISTANT, (Text("x"),), SECRET))
    assert SECRET == talk.view.label


def test_outcome_closes_its_questions() -> None:
    """Nobody need answer any more."""
    end = EffectEnded(cause=2, ordinal=1, effect="tool", outcome=Outcome.DONE)
    assert () == after(say(), ASKED, end).questions


# --- what a model is told ----------------------------------------------------------------


def test_what_is_ordinary_exposes_nothing() -> None:
    """Neither does what is less sensitive and known already."""
    before = SessionView(version=3)
    for level in (Sensitivity.PUBLIC, Sensitivity.NORMAL):
        assert before is exposed(before, level, ("email",))
    known = exposed(before, Sensitivity.HIGHLY_SENSITIVE, ("card", "email"))
    assert known is exposed(known, Sensitivity.SENSITIVE, ("email",))
    assert known is exposed(known, Sensitivity.SENSITIVE)


def test_what_is_as_sensitive_or_of_a_new_kind_is_exposed_anew() -> None:
    """The level only rises; the kinds are sorted; the time is that of the event."""
    first = exposed(SessionView(version=3), Sensitivity.SENSITIVE, ("phone", "email"))
    assert Exposure(level=Sensitivity.SENSITIVE, kinds=("email", "phone"), at=3) == first.exposure
    later = exposed(replace(first, version=5), Sensitivity.SENSITIVE, ("email",))
    assert replace(first.exposure, at=5) == later.exposure
    higher = exposed(replace(first, version=6), Sensitivity.CRITICAL)
    assert replace(first.exposure, level=Sensitivity.CRITICAL, at=6) == higher.exposure
    lower = exposed(replace(higher, version=7), Sensitivity.SENSITIVE, ("card",))
    expected = Exposure(level=Sensitivity.CRITICAL, kinds=("card", "email", "phone"), at=7)
    assert expected == lower.exposure


def test_kinds_that_are_known_make_no_room_for_new_ones() -> None:
    """What the first rules were about is not pushed out; a long name is kept as a shorter one."""
    many = tuple(f"z{place:02}" for place in range(EXPOSED_KINDS_MAX - 1))
    view = exposed(SessionView(version=3), Sensitivity.SENSITIVE, many)
    after = exposed(view, Sensitivity.SENSITIVE, ("b", "a"))
    assert ("a", *many) == after.exposure.kinds
    assert after.exposure.kinds == exposed(after, Sensitivity.SENSITIVE, ("c",)).exposure.kinds
    long = exposed(SessionView(), Sensitivity.SENSITIVE, ("k" * 999,))
    assert len(long.exposure.kinds[0]) < 32


@pytest.mark.parametrize(("level", "expected"), [(-5, 0), (0, 0), (2, 2), (4, 4), (9, 4)])
def test_a_result_exposes_what_its_tool_declares(level: int, expected: int) -> None:
    """A number of a later program is taken for the highest there is."""
    talk = Talk()
    talk.send()
    talk.model(answer("look"))
    effect = talk.view.open[0]
    talk.take(
        EffectEnded(
            cause=effect.ref.cause,
            ordinal=1,
            effect="tool",
            outcome=Outcome.DONE,
            message=tool_result("c1", "look", "x"),
            exposes=level,
        )
    )
    assert expected == talk.view.exposure.level


def test_an_intent_says_that_it_is_made_in_the_enclave() -> None:
    """The fold keeps it for that call, and that the session uses one for good."""
    talk = Talk()
    talk.send()
    cause = talk.view.open[0].ref.cause
    started = EffectStarted(cause=cause, ordinal=0, effect="model", name="m")
    talk.take(replace(started, attempt=2, obligations=(ENCLAVE,)))
    assert (True, True) == (talk.view.open[0].enclave, talk.view.tee_active)
    talk.take(replace(started, attempt=3))
    assert (False, True) == (talk.view.open[0].enclave, talk.view.tee_active)


def test_a_step_is_taken_by_the_first_attempt() -> None:
    """Of a tool call, never below none left."""
    talk = Talk()
    talk.take(PlanFixed(steps=(PlanStep(tool="pay", times=1), PlanStep(tool="put", times=2))))
    started = EffectStarted(cause=2, ordinal=1, effect="tool", name="put", step=2)
    talk.take(started)
    talk.take(replace(started, attempt=2))
    assert (1, 1) == talk.view.plan_left
    talk.take(replace(started, step=1))
    talk.take(replace(started, step=1))
    assert (0, 1) == talk.view.plan_left
