"""The visible window's bodies follow the log."""

from __future__ import annotations

from holdfast.core.context import Entry
from holdfast.core.events import Admitted, Configured, ContextSet, EffectEnded, Opened, Outcome
from holdfast.core.messages import assistant, user
from holdfast.core.view import Recorded, Window
from holdfast.runtime.window import Bodies, messages_of

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
