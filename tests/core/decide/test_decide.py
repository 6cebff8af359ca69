"""One entrance for all commands."""

from __future__ import annotations

import pytest

from core_talk import Talk, answer, kinds
from holdfast.core import decide as module
from holdfast.core.commands import Cancel, Command, Pause, Recover, Resume, Tick
from holdfast.core.decide import Decision, decide
from holdfast.core.errors import NotNow
from holdfast.core.events import Resumed
from holdfast.core.lifecycle import SessionState


def test_names() -> None:
    """The package's entrance."""
    assert ["Decision", "Guards", "Later", "decide"] == module.__all__


@pytest.mark.parametrize("command", [Recover(), Tick()])
def test_looking_changes_nothing_by_itself(command: Command) -> None:
    """With nothing owed there is nothing to decide."""
    talk = Talk()
    expected = Decision((), talk.view, own=False)
    assert expected == decide(talk.view, talk.facts(), command)


def test_decision_tells_what_the_command_did_itself() -> None:
    """And the view after each event."""
    talk = Talk()
    talk.send()
    decision = decide(talk.view, talk.facts(), Cancel())
    assert decision.own
    assert (decision.view,) == decision.views
    talk.say(Cancel())
    assert not decide(talk.view, talk.facts(), Cancel()).own


@pytest.mark.parametrize("command", [Recover(), Tick()])
def test_looking_starts_what_is_owed(command: Command) -> None:
    """A turn without an intent gets one."""
    talk = Talk()
    talk.send()
    talk.say(Pause())
    talk.model(answer("look"))
    talk.take(Resumed())
    assert ["EffectStarted"] == kinds(talk.say(command))


def test_refusal_raises_and_records_nothing() -> None:
    """The view is untouched."""
    talk = Talk()
    talk.say(Pause())
    with pytest.raises(NotNow):
        talk.send()
    assert (2, SessionState.PAUSED) == (talk.view.version, talk.view.state)
    talk.say(Resume())
    assert SessionState.ACTIVE == talk.view.state
