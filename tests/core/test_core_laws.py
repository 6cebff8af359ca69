"""Laws of the core, for whatever hypothesis thinks of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_strategies import of
from core_world import OPS, World
from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    Command,
    Configure,
    Import,
    KeyGone,
    MoveTo,
    Pause,
    Recover,
    Resume,
    Send,
    SetContext,
    Terminate,
    Tick,
)
from holdfast.core.errors import HoldfastError, NewerProgram, Unreadable
from holdfast.core.events import KIND_OF, MUST_UNDERSTAND, Event, Unknown
from holdfast.core.messages import user
from holdfast.core.owed import Owed, owed
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.codec import (
    COMMANDS,
    decode_command,
    decode_event,
    decode_view,
    encode_command,
    encode_event,
    encode_view,
)

STEPS = st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 10_000)), max_size=60)
SOME = settings(max_examples=settings().max_examples // 3)  # large values draw slowly
EVENTS = st.one_of([of(kind) for kind in KIND_OF])


# --- the wire form ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KIND_OF, ids=lambda kind: kind.__name__)
def test_event_round_trip(kind: type[Event]) -> None:
    """Whatever is written is read as the same event."""

    @SOME
    @given(of(kind))
    def law(event: Event) -> None:
        assert event == decode_event(*encode_event(event))

    law()


@pytest.mark.parametrize("kind", COMMANDS.values(), ids=lambda kind: kind.__name__)
def test_command_round_trip(kind: type[Command]) -> None:
    """Whatever waits in the inbox is the command that was put there."""

    @given(of(kind))
    def law(command: Command) -> None:
        assert command == decode_command(encode_command(command))

    law()


@pytest.mark.slow
@SOME
@given(of(SessionView))
def test_view_round_trip(view: SessionView) -> None:
    """A snapshot is the view."""
    assert view == decode_view(encode_view(view))


# --- the fold -----------------------------------------------------------------------------


@given(STEPS, st.lists(EVENTS, max_size=5))
def test_evolve_is_total(steps: list[tuple[str, int]], events: list[Event]) -> None:
    """Any event on any view that can be reached folds without an error."""
    world = World()
    for op, number in steps[:20]:
        world.act(op, number)
    view = world.talk.view
    for event in [*events, Unknown(99)]:
        view = evolve(view, Recorded(version=view.version + 1, time_ms=1, event=event))
        owed(view)


@pytest.mark.slow
@SOME
@given(of(SessionView), EVENTS)
def test_evolve_is_total_even_on_views_nobody_can_reach(view: SessionView, event: Event) -> None:
    """Not even a forged snapshot makes a fold fail."""
    view = replace(view, version=7)
    assert 8 == evolve(view, Recorded(version=8, time_ms=1, event=event)).version


# --- sequences of commands ------------------------------------------------------------------


@given(STEPS, st.booleans(), st.sampled_from([2, 50]))
def test_whatever_happens_the_invariants_hold(
    steps: list[tuple[str, int]], asks: bool, rounds: int
) -> None:
    """Every step is judged by `World.check`; without more faults every turn ends."""
    world = World(asks=asks, rounds=rounds)
    for op, number in steps:
        world.act(op, number)
    assert world.talk.view == decode_view(encode_view(world.talk.view))
    world.finish()


OUTSIDE: tuple[Command, ...] = (
    Send(message=user("x")),
    AddMessage(message=user("x")),
    Configure(title="x"),
    SetContext(reason="clear"),
    SetContext(reason="rewind", to_version=1),
    MoveTo(state="Active"),
    Answer(question=1, decision="approve"),
    Import(source="x"),
    Cancel(),
    Pause(),
    Resume(),
    Terminate(),
    Tick(),
    Recover(),
    KeyGone(destroyed_at_ms=1, key_epoch=1),
)


@given(STEPS, st.booleans())
def test_ended_session_takes_and_owes_nothing(steps: list[tuple[str, int]], queued: bool) -> None:
    """Whatever led there, after the end nothing is recorded any more."""
    world = World()
    for op, number in steps[:30]:
        world.act(op, number)
    world.finish()
    world.act("terminate", 0)
    for effect in range(len(world.talk.view.host_open)):
        world.act("host_end", effect)
    assert Owed(destroy_key=True) == owed(world.talk.view) or world.talk.view.wiped
    world.act("key_gone", 0)
    view = world.talk.view
    assert view.wiped and Owed() == owed(view)
    for command in OUTSIDE:
        try:
            world.talk.say(command, queued=queued)
        except HoldfastError:
            pass
        assert view == world.talk.view


# --- programs of other ages ------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 77, 0x1FFF, 0x7FFF])
def test_kind_that_may_be_ignored(code: int) -> None:
    """A later program's kind is skipped when it says so."""
    assert Unknown(code) == decode_event(code, b'{"anything":1}')


@pytest.mark.parametrize("code", [MUST_UNDERSTAND, MUST_UNDERSTAND | 0x1FFF, 0xFFFF])
def test_kind_that_must_be_understood(code: int) -> None:
    """Otherwise the session needs a newer program."""
    with pytest.raises(NewerProgram, match="needs a newer program"):
        decode_event(code, b"{}")


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"message":1}'])
def test_payload_that_does_not_fit(payload: bytes) -> None:
    """Damage is not guessed at."""
    with pytest.raises(Unreadable):
        decode_event(MUST_UNDERSTAND | 4, payload)
