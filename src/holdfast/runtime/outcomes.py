"""What became of a command that another process carried out, read from the log."""

from __future__ import annotations

from holdfast.core import errors
from holdfast.core.commands import External, Terminate
from holdfast.core.errors import Denied, HoldfastError, NotNow, SessionNotFound
from holdfast.core.events import Admitted, Refused
from holdfast.core.lifecycle import SessionState
from holdfast.runtime.host import Handled
from holdfast.runtime.journal import Journal

SEARCH_EVENTS_MAX = 5000


async def outcome_of(journal: Journal, id: bytes, version: int) -> Handled:
    """What a command that was carried out at a version came to.

    Raises:
        HoldfastError: it was refused, with the reason on record.
    """
    command = id.hex()
    row_version = version + 1
    searched = 0
    while row_version > 1 and searched < SEARCH_EVENTS_MAX:
        rows = await journal.store.read(journal.stream, row_version, 100, backwards=True)
        for row in rows:
            event = (await journal.open(row)).event
            if isinstance(event, Refused) and event.command == command:
                raise (
                    error_of(event.reason)
                    if event.guard == "decide"
                    else Denied(f"refused: {event.guard}.{event.reason}")
                )
            if isinstance(event, Admitted) and event.command == command:
                turn = row.version if event.turn else 0
                return Handled(row.version, version, turn, duplicate=True)
        searched += len(rows)
        row_version = rows[-1].version if rows else 0
    return Handled(version, version, duplicate=True)


async def left_no_trace(journal: Journal, command: External) -> Handled:
    """What became of a command that is neither on record nor waiting: it changed nothing.

    Raises:
        SessionNotFound, NotNow: the wipe of the session took it along.
    """
    row = await journal.store.stream_row(journal.stream)
    if isinstance(command, Terminate):
        return Handled(0, 0)  # somebody else was first
    if row is None or row.name is None:
        raise SessionNotFound("the session has been terminated")
    if row.index.state == int(SessionState.TERMINATING):
        raise NotNow("the session is Terminating")
    return Handled(0, 0)


def error_of(reason: str) -> HoldfastError:
    """The error with a reason code."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HoldfastError) and kind.reason == reason:
            try:
                return kind(f"refused: {reason}")
            except TypeError:
                break
    return HoldfastError(f"refused: {reason}")
