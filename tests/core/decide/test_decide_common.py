"""A draft grows event by event and is always folded."""

from __future__ import annotations

from core_talk import Talk, action_of
from holdfast.core.decide.common import Draft
from holdfast.core.events import Paused, Resumed
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import ToolUse


def test_draft_folds_what_it_takes() -> None:
    """Each event has the next version and the time of the facts."""
    talk = Talk()
    draft = Draft(talk.view, talk.facts(now_ms=77))
    assert 2 == draft.add(Paused(why="x"))
    assert (SessionState.PAUSED, 77) == (draft.view.state, draft.view.updated_ms)
    assert 3 == draft.add(Resumed())
    assert [Paused(why="x"), Resumed()] == draft.events


def test_draft_learns_actions() -> None:
    """What was known stays known."""
    talk = Talk()
    first, second = action_of(ToolUse("1", "look")), action_of(ToolUse("2", "pay"))
    draft = Draft(talk.view, talk.facts(actions={EffectRef(1, 1): first}))
    draft.learn({EffectRef(1, 2): second})
    assert {EffectRef(1, 1): first, EffectRef(1, 2): second} == draft.facts.actions
