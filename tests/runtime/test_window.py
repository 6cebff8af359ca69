"""The visible window's bodies follow the log."""

from __future__ import annotations

import pytest

from holdfast.core.context import Entry
from holdfast.core.events import Admitted, Configured, ContextSet, EffectEnded, Opened, Outcome
from holdfast.core.messages import assistant, user
from holdfast.core.view import Recorded, Window
from holdfast.runtime.window import Bodies, Shown, messages_of

OPENED = Opened(
    session_id="s", tenant="t", user_id="u", installation="", commitment="", system_prompt="p"
)


def at(version: int, event: object) -> Recorded:
    """An event at its place."""
    return Recorded(version=version, time_ms=0, event=event)


def admitted(text: str) -> Admitted:
    """A user's message."""
    return Admitted(message=user(text), tokens=5)


def answered(cause: int, text: str) -> EffectEnded:
    """A model's answer to what was there at `cause`."""
    return EffectEnded(
        cause=cause, ordinal=0, effect="model", outcome=Outcome.DONE, message=assistant(text)
    )


def said(bodies: Bodies) -> list[str]:
    """The visible texts."""
    return [entry.message.text for entry in bodies.visible()]


def test_an_answer_stands_before_what_it_did_not_see() -> None:
    """A message that came while the model talked follows the answer."""
    bodies = Bodies()
    window = Window()
    for version, event in enumerate(
        (OPENED, admitted("a"), admitted("late"), answered(2, "to a"), answered(3, "to late")), 1
    ):
        bodies.take(at(version, event), window)
    assert ["a", "to a", "late", "to late"] == said(bodies)
    found = bodies.message_at(4)
    assert found is not None and "to a" == found.text
    assert bodies.message_at(99) is None


def test_the_prompt_is_the_last_one_and_a_cut_keeps_what_is_shown() -> None:
    """A rewind drops entries, a summary comes first, the prompt stays."""
    bodies = Bodies()
    for version, event in enumerate((OPENED, admitted("a"), admitted("b")), 1):
        bodies.take(at(version, event), Window())
    assert "p" == bodies.prompt
    bodies.take(at(4, Configured(system_prompt="q")), Window())
    assert "q" == bodies.prompt
    tokens, count = bodies.kept_by(2)
    assert 1 == count and tokens > 0
    cut = ContextSet(reason="x", window=((1, 2),), tokens=0, count=1, summary=assistant("sum"))
    bodies.take(at(5, cut), Window(closed=((1, 2),), start=6, summary=5))
    assert ["sum", "a"] == said(bodies)


def test_only_messages_are_bodies() -> None:
    """Events without a message bring nothing."""
    assert () == messages_of(Configured())
    assert ("a",) == tuple(m.text for m in messages_of(admitted("a")))


def test_a_rewind_counts_what_is_drafted_and_still_visible() -> None:
    """Two commands of one batch: what the first hid is not counted by the second."""
    bodies = Bodies([Entry(2, user("a")), Entry(4, user("b"))])
    drafted = [Entry(6, user("c")), Entry(7, user("d"))]
    window = Window(closed=((1, 3),), start=6)
    assert 2 == bodies.kept_by(6, drafted, window)[1]
    assert 3 == bodies.kept_by(6, drafted)[1]


def test_what_was_shown_stays_what_it_was() -> None:
    """Whatever comes later, also in between or after a cut: no message moves in it."""
    bodies = Bodies()
    seen: list[tuple[Shown, list[str]]] = []
    cut = ContextSet(reason="x", window=((1, 2),), tokens=0, count=1, summary=assistant("sum"))
    log = (OPENED, admitted("a"), admitted("late"), answered(2, "to a"), cut, admitted("new"))
    for version, event in enumerate(log, 1):
        window = Window(closed=((1, 2),), start=6) if version > 4 else Window()
        bodies.take(at(version, event), window)
        seen.append((bodies.shown(), said(bodies)))
    assert [texts for _, texts in seen] == [[m.text for m in shown] for shown, _ in seen]
    assert ["a", "to a", "late"] == [message.text for message in seen[3][0]]
    assert ["sum", "a", "new"] == [message.text for message in seen[5][0]]


def test_what_is_shown_is_a_sequence() -> None:
    """Length, places from both ends, slices, equality; nothing beyond its end."""
    messages = (assistant("s"), user("a"), user("b"))
    bodies = Bodies([Entry(2, messages[1]), Entry(4, messages[2])], summary=messages[0])
    shown = bodies.shown()
    bodies.take(at(5, admitted("c")), Window())
    assert 3 == len(shown)
    assert messages == tuple(shown)
    assert messages == shown and hash(messages) == hash(shown)
    assert [*messages, *messages] == [shown[place] for place in (0, 1, 2, -3, -2, -1)]
    assert messages[1:] == shown[1:]
    assert messages[2] in shown and user("c") not in shown
    assert shown != bodies.shown() and shown != list(messages)
    for place in (3, -4):
        with pytest.raises(IndexError):
            shown[place]
