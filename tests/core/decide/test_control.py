"""Cancel, pause, resume, the lifecycle by hand, answers, the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import ASKING, Talk, answer, kinds, results
from holdfast.core.commands import (
    Answer,
    Cancel,
    HostCall,
    KeyGone,
    MoveTo,
    NoteExport,
    Pause,
    Resume,
    Terminate,
    Tick,
)
from holdfast.core.endings import KEEP_MAX
from holdfast.core.errors import IllegalTransition, InvalidInput, NotNow, QuestionNotFound
from holdfast.core.events import (
    CancelAsked,
    Ended,
    Exported,
    Outcome,
    Paused,
    Resumed,
    StateSet,
    Wiped,
    WipeStarted,
)
from holdfast.core.lifecycle import SessionState, can_move
from holdfast.core.owed import Owed, owed

S = SessionState


def in_state(state: SessionState, *, turn: bool = False) -> Talk:
    """A session in a state."""
    talk = Talk()
    if turn or state is S.PROCESSING:
        talk.send()
    if state in (S.PAUSED, S.COMPLETED, S.ERROR):
        talk.say(MoveTo(state=state.title))
    if state in (S.TERMINATING, S.TERMINATED):
        talk.say(Terminate())
    if state is S.TERMINATED:
        talk.say(KeyGone(destroyed_at_ms=5, key_epoch=1))
    assert state == talk.view.state
    return talk


LIVE = (S.ACTIVE, S.PROCESSING, S.PAUSED, S.COMPLETED, S.ERROR)
BY_HAND = (S.ACTIVE, S.PAUSED, S.COMPLETED, S.ERROR)


def test_cancel_says_why_and_who() -> None:
    """The event has both."""
    talk = in_state(S.PROCESSING)
    assert [CancelAsked(why="tired", by="7")] == talk.say(Cancel(why="tired"), by="7")


def test_cancel_without_a_reason_still_cancels() -> None:
    """An empty why is not mistaken for no cancel."""
    talk = in_state(S.PROCESSING)
    assert ["CancelAsked"] == kinds(talk.say(Cancel(why="")))
    assert talk.view.turn is not None and talk.view.turn.cancel
    assert () == owed(talk.view).run


@pytest.mark.parametrize("state", [s for s in S if s not in (S.UNKNOWN, S.CREATING, S.PROCESSING)])
def test_cancel_without_a_turn_does_nothing(state: SessionState) -> None:
    """There is nothing to cancel (seed B11)."""
    assert [] == in_state(state).say(Cancel())


@pytest.mark.parametrize("state", [s for s in S if s not in (S.UNKNOWN, S.CREATING)])
def test_pause_from_working_states_only(state: SessionState) -> None:
    """Anywhere else nothing happens."""
    talk = in_state(state)
    expected = [Paused(why="lunch")] if state in (S.ACTIVE, S.PROCESSING) else []
    assert expected == talk.say(Pause(why="lunch"))
    if expected:
        assert (S.PAUSED, "lunch") == (talk.view.state, talk.view.state_reason)


@pytest.mark.parametrize("state", [s for s in S if s not in (S.UNKNOWN, S.CREATING)])
def test_resume_from_paused_only(state: SessionState) -> None:
    """Anywhere else nothing happens."""
    expected = [Resumed()] if state is S.PAUSED else []
    assert expected == in_state(state).say(Resume())


def test_pause_holds_the_turn() -> None:
    """Nothing is owed until the resume, then what was owed before; the clock starts anew."""
    talk = in_state(S.PROCESSING)
    before = owed(talk.view)
    talk.say(Pause())
    assert Owed() == owed(talk.view)
    talk.now_ms += 5_000
    talk.say(Resume())
    assert S.PROCESSING == talk.view.state
    assert (before.run, 3_605_000 + 1_000_000) == (
        owed(talk.view).run,
        owed(talk.view).turn_ends_ms,
    )


def test_turn_that_ends_in_a_pause_leaves_the_session_paused() -> None:
    """Resuming then makes it active."""
    talk = in_state(S.PROCESSING)
    talk.say(Pause())
    talk.model(answer(text="done"))
    assert (S.PAUSED, None) == (talk.view.state, talk.view.turn)
    talk.say(Resume())
    assert S.ACTIVE == talk.view.state


@pytest.mark.parametrize("here", [s for s in S if s not in (S.UNKNOWN, S.CREATING)])
@pytest.mark.parametrize("there", S)
def test_lifecycle_by_hand(here: SessionState, there: SessionState) -> None:
    """The table's edges between the states people may set, and no other."""
    talk = in_state(here)
    version = talk.view.version
    if not (there in BY_HAND and can_move(here, there)):
        with pytest.raises(IllegalTransition):
            talk.say(MoveTo(state=there.title))
        assert version == talk.view.version
        return
    talk.say(MoveTo(state=there.title, reason="so"))
    if here is S.PROCESSING and there is S.ACTIVE:
        talk.model(outcome=Outcome.CANCELLED)
    assert there == talk.view.state
    if there is S.ACTIVE:
        assert None is talk.view.turn


@pytest.mark.parametrize("state", [S.COMPLETED, S.ERROR])
def test_moving_on_ends_the_turn(state: SessionState) -> None:
    """What runs is cancelled, the reason kept."""
    talk = in_state(S.PROCESSING)
    events = talk.say(MoveTo(state=state.title, reason="enough"))
    assert [CancelAsked(why="ended"), StateSet(state=state.title, reason="enough")] == events
    assert () == owed(talk.view).run
    talk.model(answer(text="so far"), outcome=Outcome.CANCELLED)
    assert (state, None) == (talk.view.state, talk.view.turn)


def test_reopened_session_works() -> None:
    """Completed and failed sessions take messages again once they are active."""
    for state in (S.COMPLETED, S.ERROR):
        talk = in_state(state)
        assert [StateSet(state="Active", reason="again")] == talk.say(
            MoveTo(state="Active", reason="again")
        )
        assert ["Admitted", "EffectStarted"] == kinds(talk.send())


def test_unknown_state_is_refused() -> None:
    """What does not decode is no state to move to."""
    with pytest.raises(IllegalTransition, match="not set to Unknown by hand"):
        Talk().say(MoveTo(state="nonsense"))


# --- the end ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", LIVE)
def test_the_end(state: SessionState) -> None:
    """Terminating, the intent to wipe once all has stopped, then the attestation."""
    talk = in_state(state)
    ending = StateSet(state="Terminating", reason="bye", tombstone=True)
    events = talk.say(Terminate(why="bye", tombstone=True))
    if state is S.PROCESSING:
        assert [CancelAsked(why="terminated"), ending] == events
        events = talk.model(outcome=Outcome.CANCELLED)
        assert ["EffectEnded", "WipeStarted"] == kinds(events)
    else:
        assert [ending, WipeStarted()] == events
    assert Owed(destroy_key=True) == owed(talk.view)
    assert [] == talk.say(Terminate())
    assert [Wiped(destroyed_at_ms=5, key_epoch=2), Ended(tombstone=True)] == talk.say(
        KeyGone(destroyed_at_ms=5, key_epoch=2)
    )
    assert (S.TERMINATED, True, True) == (
        talk.view.state,
        talk.view.tombstone,
        talk.view.wiped,
    )
    assert Owed() == owed(talk.view)
    assert [] == talk.say(KeyGone(destroyed_at_ms=6, key_epoch=3))


def test_the_end_remembers_what_is_kept() -> None:
    """While it waits for what is below, more can be kept; once the wipe begins, nothing."""
    talk = Talk()
    first = talk.say(Terminate(keep=("B", "a")), finalised=None)
    assert [StateSet(state="Terminating", keep=("a", "b"))] == first
    assert [] == talk.say(Terminate(keep=("A",)), finalised=None)
    more = talk.say(Terminate(keep=("c",)), finalised=None)
    assert [StateSet(state="Terminating", keep=("a", "b", "c"))] == more
    many = tuple(f"s{number}" for number in range(KEEP_MAX))
    with pytest.raises(InvalidInput, match="at most 256"):
        talk.say(Terminate(keep=many), finalised=None)
    assert ["WipeStarted"] == kinds(talk.say(Tick(), finalised=0))
    assert ("a", "b", "c") == talk.view.keep
    assert [] == talk.say(Terminate(keep=("d",)))


@pytest.mark.parametrize("state", LIVE)
def test_an_export_is_on_record(state: SessionState) -> None:
    """In every state but the end, and it changes nothing but the count."""
    talk = in_state(state)
    before = talk.view
    assert [Exported(form="jsonl")] == talk.say(NoteExport(form="jsonl"))
    assert (before.exports + 1, before.state, before.turn) == (
        talk.view.exports,
        talk.view.state,
        talk.view.turn,
    )
    talk.say(Terminate(), finalised=None)
    with pytest.raises(NotNow, match="Terminating"):
        talk.say(NoteExport(form="jsonl"))


def test_key_that_goes_without_a_wipe_is_not_attested() -> None:
    """Only after the intent."""
    assert [] == Talk().say(KeyGone(destroyed_at_ms=5, key_epoch=2))


def test_wipe_waits_for_the_programs_calls() -> None:
    """They run under the session's key."""
    talk = Talk()
    call = talk.facts().model
    assert call is not None
    talk.say(HostCall(action=replace(call, by_host=True)))
    assert ["StateSet"] == kinds(talk.say(Terminate()))
    events = talk.crash()
    assert ["EffectEnded", "WipeStarted"] == kinds(events)


def test_questions_lapse_at_the_end() -> None:
    """Nobody is asked any more."""
    talk = Talk(guards=ASKING)
    talk.send()
    talk.model(answer("pay"))
    events = talk.say(Terminate())
    assert ["Lapsed", "CancelAsked", "EffectEnded", "StateSet", "WipeStarted"] == kinds(events)
    assert [(1, Outcome.CANCELLED, "cancelled")] == results(events)


# --- answers ---------------------------------------------------------------------------


def asked() -> Talk:
    """A session with the question 5."""
    talk = Talk(guards=ASKING)
    talk.send()
    talk.model(answer("pay"))
    assert 5 == talk.view.questions[0].id
    return talk


def test_unknown_question() -> None:
    """Unknown, answered and lapsed are all not found."""
    talk = asked()
    with pytest.raises(QuestionNotFound, match="no open question 4"):
        talk.say(Answer(question=4, decision="approve"))
    talk.say(Answer(question=5, decision="approve"))
    with pytest.raises(QuestionNotFound):
        talk.say(Answer(question=5, decision="approve"))


def test_decision_is_one_of_the_choices() -> None:
    """The error names them."""
    with pytest.raises(InvalidInput, match="'perhaps' is not one of: once, session"):
        asked().say(Answer(question=5, decision="perhaps"))


def test_paused_session_takes_no_answer() -> None:
    """Acting on it would start something; the question stays."""
    talk = asked()
    talk.say(Pause())
    with pytest.raises(NotNow, match="Paused"):
        talk.say(Answer(question=5, decision="approve"))
    talk.say(Resume())
    assert ["Answered", "EffectStarted"] == kinds(talk.say(Answer(question=5, decision="approve")))
