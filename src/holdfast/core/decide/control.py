"""Deciding about control: cancel, pause, resume, the lifecycle, answers, the end."""

from __future__ import annotations

from holdfast.core.commands import Cancel, KeyGone, MoveTo, NoteExport, Pause, Terminate
from holdfast.core.decide.common import Draft
from holdfast.core.decide.effects import cancel_turn
from holdfast.core.endings import KEEP_MAX
from holdfast.core.errors import IllegalTransition, InvalidInput, NotNow
from holdfast.core.events import (
    Ended,
    Exported,
    Paused,
    Resumed,
    StateSet,
    Wiped,
)
from holdfast.core.lifecycle import (
    ENDED,
    SessionState,
    can_move,
    check_move,
    decode_state,
)

BY_HAND = frozenset(
    {SessionState.ACTIVE, SessionState.PAUSED, SessionState.COMPLETED, SessionState.ERROR}
)


def cancel(draft: Draft, command: Cancel, by: str) -> None:
    """End the running turn; nothing happens if there is none (seed B11)."""
    cancel_turn(draft, command.why, by)


def pause(draft: Draft, command: Pause) -> None:
    """Pause; nothing happens unless the session is active or processing."""
    if can_move(draft.view.state, SessionState.PAUSED):
        draft.add(Paused(why=command.why))


def resume(draft: Draft) -> None:
    """Resume; nothing happens unless the session is paused."""
    if draft.view.state is SessionState.PAUSED:
        draft.add(Resumed())


def move_to(draft: Draft, command: MoveTo) -> None:
    """Walk one edge of the lifecycle by hand.

    Raises:
        IllegalTransition: the table has no such edge, or it is not one for people.
    """
    there = decode_state(command.state)
    if there not in BY_HAND:
        raise IllegalTransition(f"a session is not set to {there.title} by hand")
    check_move(draft.view.state, there)
    if there is SessionState.PAUSED:
        pause(draft, Pause(why=command.reason))
    elif draft.view.state is SessionState.PAUSED and there is SessionState.ACTIVE:
        resume(draft)
    elif draft.view.state is SessionState.PROCESSING and there is SessionState.ACTIVE:
        cancel_turn(draft, "user")
    else:
        cancel_turn(draft, "ended")
        draft.add(StateSet(state=there.title, reason=command.reason))


def terminate(draft: Draft, command: Terminate) -> None:
    """Begin the end: refuse what is new, stop what runs; the wipe follows.

    While it waits for what is below it, a later one can name more to keep.

    Raises:
        InvalidInput: more is to be kept than a session remembers.
    """
    view = draft.view
    ended = view.state in ENDED
    keep = tuple(sorted({name.casefold() for name in (*view.keep, *command.keep)}))
    if ended and (view.wiping or keep == view.keep):
        return
    if len(keep) > KEEP_MAX:
        raise InvalidInput(f"at most {KEEP_MAX} sessions below one are kept by name")
    if not ended:
        cancel_turn(draft, "terminated")
    draft.add(
        StateSet(
            state=SessionState.TERMINATING.title,
            reason=command.why,
            tombstone=command.tombstone,
            keep=keep,
        )
    )


def note_export(draft: Draft, command: NoteExport) -> None:
    """Put an export on record.

    Raises:
        NotNow: the session is being wiped.
    """
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}; it is not exported any more")
    draft.add(Exported(form=command.form))


def key_gone(draft: Draft, command: KeyGone) -> None:
    """Attest the wipe and end the log."""
    if not draft.view.wiping or draft.view.wiped:
        return
    draft.add(Wiped(destroyed_at_ms=command.destroyed_at_ms, key_epoch=command.key_epoch))
    draft.add(Ended(tombstone=draft.view.tombstone))
