"""The fold, one kind of event after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import START_MS, UNASKED, Talk, opened
from holdfast.core.events import (
    Admitted,
    Answered,
    Asked,
    CancelAsked,
    Configured,
    ContextSet,
    Details,
    EffectStarted,
    Ended,
    Event,
    Imported,
    Lapsed,
    Origin,
    Paused,
    Refused,
    Resumed,
    StateSet,
    Totals,
    Unknown,
    Wiped,
    WipeStarted,
)
from holdfast.core.gitstate import GitState
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import Inspected
from holdfast.core.labels import UNTRUSTED, Label, Sensitivity
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, Role, Text, assistant, user
from holdfast.core.quantities import Usage
from holdfast.core.risk import NO_RISK, UNEXPOSED, Exposure, Risk
from holdfast.core.session import evolve, fold
from holdfast.core.settings import Settings
from holdfast.core.view import CONSENT, FinishedTurn, Question, Recorded, SessionView, Turn, Window

SECRET = Label(sensitivity=Sensitivity.CRITICAL)
TOTALS = Totals(
    messages=2, turns=3, rounds=4, tool_calls=5, approvals=6, usage=Usage(input_tokens=7)
)


def after(*events: Event) -> SessionView:
    """The view after a birth and these events, one millisecond apart."""
    talk = Talk()
    for event in events:
        talk.now_ms += 1
        talk.take(event)
    return talk.view


def say(text: str = "hi", **fields: object) -> Admitted:
    """A message that starts a turn."""
    return Admitted(message=user(text), tokens=3, **fields)


@pytest.mark.parametrize("version", [0, 2, 7])
def test_gap_is_a_mistake(version: int) -> None:
    """Events are folded one after the other."""
    with pytest.raises(AssertionError, match="without a gap"):
        evolve(SessionView(), Recorded(version=version, time_ms=0, event=Paused()))


def test_fold_goes_on_from_a_view() -> None:
    """From nothing or from where it stood."""
    events = [
        Recorded(version=n, time_ms=n, event=event)
        for n, event in enumerate([opened(), Paused(), Resumed()], start=1)
    ]
    assert fold(events) == fold(events[1:], fold(events[:1]))
    assert SessionView() == fold([])


def test_opened() -> None:
    """Everything a birth brings, a fork's window and totals included."""
    origin = Origin(session_id="p", stream=3, version=9, head="ab")
    birth = opened(
        user_id="u2",
        channel_id="c",
        chat_id="d",
        system_prompt="x",
        details=Details(title="T"),
        git=GitState("main", "c0"),
        origin=origin,
        messages=(user("a", UNTRUSTED), assistant("b")),
        tokens=9,
        totals=TOTALS,
        label=SECRET,
    )
    view = fold([Recorded(version=1, time_ms=77, event=birth)])
    expected = SessionView(
        version=1,
        session_id="one",
        tenant="t",
        user_id="u2",
        channel_id="c",
        chat_id="d",
        state=SessionState.ACTIVE,
        settings=UNASKED,
        prompt_at=1,
        details=Details(title="T"),
        git=GitState("main", "c0"),
        origin=origin,
        label=SECRET.join(UNTRUSTED),
        created_ms=77,
        updated_ms=77,
        last_activity_ms=77,
        message_count=2,
        turn_count=3,
        round_count=4,
        tool_call_count=5,
        approval_count=6,
        usage=Usage(input_tokens=7),
        context_tokens=9,
        window=Window(tokens=9, count=2),
    )
    assert expected == view
    assert 0 == fold([Recorded(version=1, time_ms=0, event=opened())]).prompt_at


def test_configured() -> None:
    """Only what is named changes; activity only when it was touched."""
    before = after()
    settings, details = Settings(name="n"), Details(tags=("a",))
    view = after(Configured(settings=settings, system_prompt="p", details=details))
    assert (settings, 2, details) == (view.settings, view.prompt_at, view.details)
    assert START_MS == view.last_activity_ms
    assert before == replace(
        after(Configured(touched=True)),
        version=1,
        updated_ms=START_MS,
        last_activity_ms=START_MS,
    )
    assert START_MS + 1 == after(Configured(touched=True)).last_activity_ms
    assert 0 == after(Configured(system_prompt="p"), Configured(system_prompt="")).prompt_at
    assert 2 == after(Configured(system_prompt="p"), Configured()).prompt_at


def test_git_changes_only_when_it_was_looked_at() -> None:
    """None means outside of a repository only if somebody looked."""
    state = GitState("b", "c")
    seen = Configured(git=state, git_checked=True)
    assert state == after(seen, Configured()).git
    assert None is after(seen, Configured(git_checked=True)).git


def test_imported() -> None:
    """Messages, totals and times are taken over; what may not act is only remembered."""
    event = Imported(
        source="s",
        messages=(user("a", SECRET), assistant("b")),
        tokens=9,
        totals=TOTALS,
        created_ms=5,
        updated_ms=6,
        inert='{"x":1}',
    )
    view = after(event)
    assert (5, 6, 2, 2, 9, 9) == (
        view.created_ms,
        view.last_activity_ms,
        view.inert_at,
        view.window.count,
        view.window.tokens,
        view.context_tokens,
    )
    assert Sensitivity.CRITICAL == view.label.sensitivity
    assert (2, 3, 4, 5, 6) == (
        view.message_count,
        view.turn_count,
        view.round_count,
        view.tool_call_count,
        view.approval_count,
    )
    assert 80 == after(Imported(source="s", totals=Totals(last_prompt_tokens=80))).context_tokens
    plain = after(Imported(source="s"))
    assert (START_MS, START_MS, 0) == (plain.created_ms, plain.last_activity_ms, plain.inert_at)


def test_admitted_starts_a_turn() -> None:
    """The turn's id is the message's version; the session is processing."""
    view = after(say())
    assert Turn(id=2, cause=2, clock_ms=START_MS + 1) == view.turn
    assert (SessionState.PROCESSING, 1, 1, 3) == (
        view.state,
        view.message_count,
        view.window.count,
        view.context_tokens,
    )
    assert START_MS + 1 == view.last_activity_ms


def test_admitted_joins_the_turn() -> None:
    """The model has something new to see; the turn stays the same."""
    view = after(say(), say())
    assert Turn(id=2, cause=3, clock_ms=START_MS + 1) == view.turn
    assert 2 == view.message_count


def test_admitted_for_the_history_only() -> None:
    """No turn; an assistant's line is no user message; the label rises."""
    view = after(say(turn=False), Admitted(message=assistant("x"), tokens=2, turn=False))
    assert (None, SessionState.ACTIVE, 1, 2, 5) == (
        view.turn,
        view.state,
        view.message_count,
        view.window.count,
        view.window.tokens,
    )
    message = Message(Role.USER, (Text("x"),), SECRET)
    assert SECRET == after(Admitted(message=message, tokens=1)).label


def test_admitted_in_another_state_leaves_the_state() -> None:
    """A fold takes what the log says."""
    assert SessionState.PAUSED == after(Paused(), say()).state


@pytest.mark.parametrize(
    "event", [Refused(action="a", guard="g", reason="r"), Unknown(7)], ids=["refused", "unknown"]
)
def test_events_that_change_nothing(event: Event) -> None:
    """Only the version and the time move on."""
    expected = replace(after(), version=2, updated_ms=START_MS + 1)
    assert expected == after(event)


ASKED = Asked(
    cause=2,
    ordinal=1,
    about="approval",
    name="n",
    digest="d",
    text="?",
    choices=("approve", "deny"),
)


def test_asked() -> None:
    """The question's text is not in the fold."""
    expected = Question(
        id=3,
        ref=EffectRef(2, 1),
        about="approval",
        name="n",
        digest="d",
        choices=("approve", "deny"),
        due_ms=None,
        asked_ms=START_MS + 2,
    )
    assert (expected,) == after(say(), ASKED).questions


@pytest.mark.parametrize(("decision", "count"), [("approve", 1), ("deny", 0)])
def test_answered(decision: str, count: int) -> None:
    """The question is gone, approvals are counted, the turn's clock starts anew."""
    view = after(say(), ASKED, Answered(question=3, decision=decision))
    assert ((), count) == (view.questions, view.approval_count)
    assert view.turn is not None and START_MS + 3 == view.turn.clock_ms


def test_answer_to_no_question_changes_nothing_else() -> None:
    """A fold is total."""
    view = after(say(), ASKED, Answered(question=9, decision="approve"))
    assert (1, 0) == (len(view.questions), view.approval_count)
    assert () == after(Answered(question=9, decision="approve")).questions


def test_lapsed() -> None:
    """The question is gone; a turn that only waited for it is over."""
    assert () == after(say(), ASKED, Lapsed(question=3, why="x")).questions
    view = after(say(), ASKED, CancelAsked(why="user"), Lapsed(question=3, why="x"))
    assert None is view.turn


def test_context_set() -> None:
    """The window begins behind the event; its summary comes first."""
    event = ContextSet(reason="compact", window=((1, 2),), tokens=4, count=1, summary=user("s"))
    view = after(say(), event)
    assert Window(closed=((1, 2),), start=4, tokens=4, count=1, summary=3) == view.window
    assert 4 == view.context_tokens
    assert 0 == after(replace(event, summary=None)).window.summary


def test_paused_and_resumed() -> None:
    """With a turn it goes on processing, without one it is active; the clock starts anew."""
    view = after(Paused(why="x" * 400))
    assert (SessionState.PAUSED, "x" * 300) == (view.state, view.state_reason)
    view = after(Paused(why="x"), Resumed())
    assert (SessionState.ACTIVE, "") == (view.state, view.state_reason)
    view = after(say(), Paused(), Resumed())
    assert SessionState.PROCESSING == view.state
    assert view.turn is not None and START_MS + 3 == view.turn.clock_ms


def test_state_set() -> None:
    """By name; a tombstone stays."""
    view = after(StateSet(state="Terminating", reason="r" * 400, tombstone=True))
    assert (SessionState.TERMINATING, "r" * 300, True) == (
        view.state,
        view.state_reason,
        view.tombstone,
    )
    assert after(StateSet(state="Error", tombstone=True), StateSet(state="Active")).tombstone
    assert SessionState.UNKNOWN == after(StateSet(state="later word")).state


def test_cancel_asked() -> None:
    """Without a turn nothing; with nothing open the turn is over; else it is marked."""
    assert None is after(CancelAsked(why="user")).turn
    finished = FinishedTurn(id=2, outcome="cancelled", reason="user", version=3)
    view = after(say(), CancelAsked(why="user"))
    assert (finished, None, SessionState.ACTIVE, 1) == (
        view.last_turn,
        view.turn,
        view.state,
        view.turn_count,
    )
    started = EffectStarted(cause=2, ordinal=0, effect="model")
    view = after(say(), started, CancelAsked(why="y" * 400))
    assert view.turn is not None and "y" * 300 == view.turn.cancel
    view = after(say(), started, CancelAsked(why=""))
    assert view.turn is not None and "cancelled" == view.turn.cancel


def test_the_end() -> None:
    """Intent, attestation, end."""
    view = after(WipeStarted())
    assert (True, False, SessionState.TERMINATING) == (view.wiping, view.wiped, view.state)
    view = after(WipeStarted(), Wiped(destroyed_at_ms=1, key_epoch=1), Ended(tombstone=True))
    assert (True, True, SessionState.TERMINATED, True) == (
        view.wiping,
        view.wiped,
        view.state,
        view.tombstone,
    )


# --- what is known of content -------------------------------------------------------------

FOUND = Inspected(level=Sensitivity.HIGHLY_SENSITIVE, kinds=(("card", 2),))


def test_what_was_found_in_a_message_is_exposed_and_told() -> None:
    """Where nothing was found nothing changes."""
    view = after(say(found=FOUND))
    assert Exposure(level=Sensitivity.HIGHLY_SENSITIVE, kinds=("card",), at=2) == view.exposure
    assert Risk(kinds=(("card", 2, START_MS + 1),), grew_at=2) == view.risk
    assert (UNEXPOSED, NO_RISK) == (after(say()).exposure, after(say()).risk)


def test_what_was_found_in_an_import_is_exposed_only() -> None:
    """It is nobody's disclosure here."""
    view = after(Imported(source="s", found=FOUND))
    assert Exposure(level=Sensitivity.HIGHLY_SENSITIVE, kinds=("card",), at=2) == view.exposure
    assert NO_RISK == view.risk


def test_a_birth_brings_exposure_and_risk_as_of_itself() -> None:
    """So that consent given elsewhere does not hold here."""
    birth = opened(
        exposure=Exposure(level=Sensitivity.SENSITIVE, kinds=("email",), at=99),
        risk=Risk(kinds=(("email", 1, 5),), grew_at=98),
    )
    view = fold([Recorded(version=1, time_ms=0, event=birth)])
    assert replace(birth.exposure, at=1) == view.exposure
    assert replace(birth.risk, grew_at=1) == view.risk


def test_a_session_is_raised_and_never_lowered_by_configuring() -> None:
    """Label and exposure alike."""
    view = after(Configured(raise_to=Sensitivity.CRITICAL), Configured(raise_to=Sensitivity.PUBLIC))
    assert (Sensitivity.CRITICAL, 2) == (view.label.sensitivity, view.exposure.at)
    assert Sensitivity.CRITICAL == view.exposure.level


def test_a_mark_of_the_enclave_stays() -> None:
    """No later event takes it back."""
    assert not after(Configured(touched=True)).tee_active
    view = after(Configured(tee_active=True), Configured(), Configured(touched=True))
    assert view.tee_active


@pytest.mark.parametrize(
    ("about", "decision", "at"),
    [(CONSENT, "once", 4), (CONSENT, "deny", 0), ("approval", "once", 0)],
)
def test_a_yes_to_the_question_about_consent_is_consent(about: str, decision: str, at: int) -> None:
    """And no other answer is."""
    asked = replace(ASKED, about=about, ordinal=0)
    assert at == after(say(), asked, Answered(question=3, decision=decision)).consent_at
