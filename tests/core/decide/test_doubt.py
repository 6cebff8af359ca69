"""Effects whose outcome was lost: by nature, and never twice by our own decision."""

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
    found,
    kinds,
    results,
    started,
)
from holdfast.core.actions import Action
from holdfast.core.commands import Answer, Cancel, Pause, Recover, Resume, Tick
from holdfast.core.decide.doubt import ATTEMPTS_MAX, DOUBT_CHOICES, in_doubt
from holdfast.core.events import Asked, EffectEnded, EffectStarted, Outcome
from holdfast.core.facts import Found
from holdfast.core.ids import EffectRef
from holdfast.core.messages import ToolUse, tool_result
from holdfast.core.settings import Limits
from holdfast.core.tools import Nature

REF = EffectRef(4, 1)


def open_call(name: str, talk: Talk | None = None) -> Talk:
    """A turn in which a tool runs."""
    talk = talk or Talk()
    talk.send()
    talk.model(answer(name))
    return talk


def text_of(event: object) -> str:
    """The text of a tool's result."""
    assert isinstance(event, EffectEnded) and event.message is not None
    return event.message.parts[0].content


def test_own_effects_are_not_in_doubt() -> None:
    """The engine that started it knows that it runs."""
    talk = open_call("pay")
    assert () == in_doubt(talk.view, talk.engine)
    assert talk.view.open == in_doubt(talk.view, OTHER)
    assert [] == talk.say(Recover())


def test_model_call_is_repeated() -> None:
    """The same effect, one attempt more, by the new engine."""
    talk = Talk()
    talk.send()
    (event,) = talk.crash()
    assert isinstance(event, EffectStarted)
    assert (2, 0, 2, talk.engine) == (event.cause, event.ordinal, event.attempt, event.engine)
    assert 1 == len(talk.view.open)


def test_model_call_is_given_up_after_so_many_attempts() -> None:
    """The turn then fails and says so."""
    talk = Talk()
    talk.send()
    for attempt in range(2, ATTEMPTS_MAX + 1):
        assert [("m", 0, attempt)] == started(talk.crash())
    assert [(0, Outcome.FAILED, "lost")] == results(talk.crash())
    last = talk.view.last_turn
    assert last is not None
    assert ("failed", "lost", "given up after 5 attempts") == (
        last.outcome,
        last.reason,
        last.detail,
    )


@pytest.mark.parametrize("name", ["look", "put"])
def test_harmless_calls_are_repeated(name: str) -> None:
    """Read-only and idempotent ones, judged again, even before the grace is over."""
    talk = open_call(name)
    assert [(name, 1, 2)] == started(talk.crash(grace_over=False))


def test_harmless_call_is_given_up_after_so_many_attempts() -> None:
    """Its result says that nobody knows."""
    talk = open_call("put")
    for _ in range(ATTEMPTS_MAX - 1):
        talk.crash()
    events = talk.crash()
    assert ["EffectEnded", "EffectStarted"] == kinds(events)
    assert "[outcome unknown: given up after 5 attempts; it was not repeated]" == text_of(events[0])


@pytest.mark.parametrize("guarded", [False, True])
def test_repeated_call_is_judged_again(guarded: bool) -> None:
    """Denied under today's rules: the result does not pretend that it never ran."""
    talk = open_call("put")
    blocked = {REF: replace(action_of(ToolUse("c1", "put")), problem="bad")}
    events = talk.crash(actions=blocked) if guarded else talk.crash()
    if not guarded:
        assert [("put", 1, 2)] == started(events)
        return
    assert (1, Outcome.LOST, "offer.bad_arguments") == results(events)[0]
    assert text_of(events[0]).startswith("[outcome unknown; another attempt was denied: bad")


def test_once_call_is_asked_about() -> None:
    """A person decides; nothing starts meanwhile, and they are asked once."""
    talk = open_call("pay")
    (asked,) = talk.crash()
    assert isinstance(asked, Asked)
    assert ("in_doubt", DOUBT_CHOICES, (4, 1), "pay") == (
        asked.about,
        asked.choices,
        (asked.cause, asked.ordinal),
        asked.name,
    )
    assert "Nobody knows whether it happened." in asked.text
    assert talk.view.open[0].digest == asked.digest
    assert [] == talk.say(Tick())
    assert [] == talk.crash()


def test_person_is_not_asked_before_the_grace_is_over() -> None:
    """A former holder might still be at it."""
    talk = open_call("pay")
    assert [] == talk.crash(grace_over=False)
    assert ["Asked"] == kinds(talk.say(Tick()))


def test_tool_nobody_knows_any_more_counts_as_once() -> None:
    """Its nature cannot be told, so a person is asked."""
    talk = open_call("look")
    gone = {REF: replace(action_of(ToolUse("c1", "look")), known=False)}
    assert ["Asked"] == kinds(talk.crash(actions=gone))
    talk = open_call("look")
    assert ["Asked"] == kinds(talk.crash(actions={}))


def test_tool_another_runner_has_is_left_to_it() -> None:
    """A listed tool this runner lacks stays in doubt."""
    talk = open_call("look", Talk(replace(UNASKED, tools=("look",))))
    gone = {REF: replace(action_of(ToolUse("c1", "look")), known=False)}
    assert [] == talk.crash(actions=gone)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, []),
        (found(False), ["EffectStarted"]),
        (found(True, tool_result("c1", "sync", "did it")), ["EffectEnded", "EffectStarted"]),
        (found(None), ["Asked"]),
        (found(True), ["Asked"]),
    ],
    ids=["not asked yet", "did not", "did", "cannot tell", "did, without its result"],
)
def test_reconcilable_call_asks_the_tool(said: Found | None, expected: list[str]) -> None:
    """The tool's own answer decides; a person when it cannot tell."""
    talk = open_call("sync")
    facts = {} if said is None else {REF: said}
    events = talk.crash(found=facts)
    assert expected == kinds(events)
    if expected == ["EffectStarted"]:
        assert [("sync", 1, 2)] == started(events)
    if len(expected) == 2:
        assert [(1, Outcome.DONE, "reconciled")] == results(events)
        assert "did it" == text_of(events[0])


def test_reconcilable_call_without_an_answer_waits_for_the_grace() -> None:
    """Asking a person comes last."""
    talk = open_call("sync")
    assert [] == talk.crash(found={REF: found(None)}, grace_over=False)


@pytest.mark.parametrize(
    ("decision", "expected", "reason", "words"),
    [
        ("happened", Outcome.DONE, "confirmed_by_person", "a person confirmed that it happened."),
        ("skip", Outcome.LOST, "lost", "a person said to go on without it."),
    ],
)
def test_person_says_what_became_of_it(
    decision: str, expected: Outcome, reason: str, words: str
) -> None:
    """The result repeats their words, and the model goes on."""
    talk = open_call("pay")
    talk.crash()
    events = talk.say(Answer(question=6, decision=decision, note="I looked"))
    assert ["Answered", "EffectEnded", "EffectStarted"] == kinds(events)
    assert [(1, expected, reason)] == results(events)
    assert words in text_of(events[1]) and "Note: I looked" in text_of(events[1])
    assert [("m", 0, 1)] == started(events)


def test_person_has_it_run_again() -> None:
    """Only their word starts a once call a second time."""
    talk = open_call("pay")
    talk.crash()
    events = talk.say(Answer(question=6, decision="run_again"))
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert [("pay", 1, 2)] == started(events)
    assert ["Asked"] == kinds(talk.crash())


def test_run_again_is_asked_about_once() -> None:
    """Told to run it again, and allowed to: nobody is asked about the doubt a second time."""
    talk = open_call("pay")
    talk.crash()
    talk.guards = ASKING
    assert ["Answered", "Asked"] == kinds(talk.say(Answer(question=6, decision="run_again")))
    events = talk.say(Answer(question=8, decision="once"))
    assert ["Answered", "EffectStarted"] == kinds(events)
    assert [("pay", 1, 2)] == started(events)
    assert ["in_doubt"] == [event.about for event in talk.crash()]


def test_run_again_crosses_the_gate() -> None:
    """A person's word is no way round it."""
    talk = open_call("pay")
    talk.crash()
    blocked = {REF: replace(action_of(ToolUse("c1", "pay")), problem="bad")}
    events = talk.say(Answer(question=6, decision="run_again"), actions=blocked)
    assert ["Answered", "EffectEnded", "EffectStarted"] == kinds(events)
    assert [(1, Outcome.LOST, "offer.bad_arguments")] == results(events)


def test_second_attempt_a_person_denies_is_not_called_undone() -> None:
    """The first attempt may have happened, and the result says so."""
    talk = open_call("put")
    talk.guards = (*ASKING, ("all", lambda v, f, a: ASKING[-1][1](v, f, _as_once(a))))
    assert ["Asked"] == kinds(talk.crash())
    events = talk.say(Answer(question=6, decision="deny", note="no"))
    assert (1, Outcome.LOST, "denied_by_person") == results(events)[0]
    assert "[outcome unknown; a person denied another attempt: no]" == text_of(events[1])


def _as_once(action: Action) -> Action:
    return replace(action, nature=Nature.ONCE)


def test_cancel_settles_what_is_in_doubt() -> None:
    """The result says that nobody knows; the turn is over."""
    talk = open_call("pay")
    talk.crash()
    events = talk.say(Cancel())
    assert ["Lapsed", "CancelAsked", "EffectEnded"] == kinds(events)
    assert "[outcome unknown: the runtime stopped while it ran; it was not repeated]" == text_of(
        events[2]
    )
    assert (None, ()) == (talk.view.turn, talk.view.open)


def test_crash_after_a_cancel_ends_the_turn() -> None:
    """Nobody is left to report, so the next engine does."""
    talk = open_call("pay")
    talk.say(Cancel())
    assert [(1, Outcome.LOST, "lost")] == results(talk.crash())
    assert talk.view.turn is None


def test_cancelled_model_call_of_a_dead_engine_is_lost() -> None:
    """The turn ends as cancelled, not as failed."""
    talk = Talk()
    talk.send()
    talk.say(Cancel())
    assert [(0, Outcome.LOST, "lost")] == results(talk.crash())
    assert talk.view.last_turn is not None and "cancelled" == talk.view.last_turn.outcome


def test_paused_session_settles_nothing() -> None:
    """Doubts wait for the resume."""
    talk = open_call("look")
    talk.say(Pause())
    assert [] == talk.crash()
    assert ["Resumed", "EffectStarted"] == kinds(talk.say(Resume()))


@pytest.mark.parametrize("name", ["look", "put", "pay", "sync"])
def test_time_nobody_ran_the_session_does_not_count(name: str) -> None:
    """A turn found a day later is not out of time, whatever its call was."""
    talk = open_call(name, Talk(replace(UNASKED, limits=Limits(turn_s=60))))
    talk.now_ms += 86_400_000
    talk.crash(grace_over=False)
    talk.say(Tick(), grace_over=False)
    assert talk.view.turn is not None and not talk.view.turn.cancel
    talk.now_ms += 59_999
    talk.say(Tick(), grace_over=False)
    assert talk.view.turn is not None and not talk.view.turn.cancel
    talk.now_ms += 1
    assert "CancelAsked" in kinds(talk.say(Tick(), grace_over=False))


# --- logs nobody writes today ------------------------------------------------------------


def test_effect_without_its_call() -> None:
    """A log of another program: it is settled all the same, without a result to show."""
    for decision, outcome in (("skip", Outcome.LOST), ("happened", Outcome.DONE)):
        talk = Talk()
        talk.send()
        talk.say(Pause())
        talk.model(outcome=Outcome.CANCELLED)
        talk.take(EffectStarted(cause=2, ordinal=1, effect="tool", name="t", engine=OTHER))
        talk.say(Resume())
        question = talk.view.questions[0].id
        events = talk.say(Answer(question=question, decision=decision))
        assert (1, outcome) == results(events)[0][:2]


@pytest.mark.parametrize(("about", "decision"), [("approval", "deny"), ("in_doubt", "skip")])
def test_question_about_nothing(about: str, decision: str) -> None:
    """The answer is recorded and that is all."""
    talk = Talk()
    talk.send()
    talk.take(
        Asked(
            cause=2,
            ordinal=7,
            about=about,
            name="t",
            digest="d",
            text="?",
            choices=(decision,),
        )
    )
    question = talk.view.questions[0].id
    assert ["Answered"] == kinds(talk.say(Answer(question=question, decision=decision)))
