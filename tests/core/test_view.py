"""The fold as a value: what can be looked up in it."""

from __future__ import annotations

import pytest

from holdfast.core.ids import EffectRef
from holdfast.core.view import Call, OpenEffect, Question, SessionView, Window

EFFECT = OpenEffect(
    ref=EffectRef(4, 1), effect="tool", name="t", digest="", attempt=1, engine="", version=5
)
QUESTION = Question(
    id=6, ref=EffectRef(4, 1), about="", name="", digest="", choices=(), due_ms=None, asked_ms=0
)
VIEW = SessionView(
    calls=(Call(1, "a", "t"), Call(2, "b", "t")), open=(EFFECT,), questions=(QUESTION,)
)


@pytest.mark.parametrize(
    ("version", "shown"), [(1, True), (3, True), (4, False), (6, False), (7, True), (99, True)]
)
def test_window_shows(version: int, shown: bool) -> None:
    """Closed ranges, then everything from the start."""
    assert shown == Window(closed=((1, 2), (3, 3)), start=7).shows(version)


def test_look_ups() -> None:
    """By reference, id and place; None when there is none."""
    assert EFFECT == VIEW.open_at(EffectRef(4, 1))
    assert None is VIEW.open_at(EffectRef(4, 2))
    assert QUESTION == VIEW.question(6)
    assert None is VIEW.question(7)
    assert Call(2, "b", "t") == VIEW.call(2)
    assert None is VIEW.call(3)
