"""The fold as a value: what can be looked up in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from holdfast.core.ids import EffectRef
from holdfast.core.view import Call, OpenEffect, Question, SessionView, Turn, Window, changed, put

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


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (VIEW, {"version": 3}),
        (Window(), {"tokens": 3}),
        (Turn(id=1, cause=1, clock_ms=1), {"id": 3}),
    ],
)
def test_changed_is_a_copy(value: object, change: dict[str, int]) -> None:
    """The one it was made from stays as it was, as with `dataclasses.replace`."""
    before = repr(value)
    assert replace(value, **change) == changed(value, **change)
    assert before == repr(value)


def test_put_changes_the_view_itself() -> None:
    """It is for a view that nobody else holds."""
    view = SessionView()
    assert view is put(view, version=3)
    assert 3 == view.version


@pytest.mark.parametrize("change", [changed, put])
def test_a_field_that_is_none_is_noticed(change: Callable[..., object]) -> None:
    """A slip in a handler does not make a field of its own."""
    with pytest.raises(AssertionError):
        change(SessionView(), versoin=3)
