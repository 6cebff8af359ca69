"""What became of a command that another process carried out, read from the log."""

from __future__ import annotations

from holdfast.core import errors
from holdfast.core.commands import Command, Send, Terminate
from holdfast.core.errors import (
    Denied,
    HoldfastError,
    NotNow,
    SessionNotFound,
    VersionMismatch,
)
from holdfast.core.events import Admitted, Refused
from holdfast.core.lifecycle import SessionState
from holdfast.ports.store import PendingKind, Store
from holdfast.runtime.host import Handled, Mail
from holdfast.runtime.journal import Journal
from holdfast.runtime.waiting import waits

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


async def check_timely(store: Store, stream: int, mail: Mail) -> None:
    """Refuse what whoever leads a session would refuse, or not come to for long.

    What was carried out or waits already is looked at by its id and not refused.

    Raises:
        NotNow: it is a message, and the session is paused.
        VersionMismatch: the session has not the version that it is for.
    """
    said = isinstance(mail.command, Send)
    assert mail.id is not None, "what is submitted has an id"
    if not said and mail.expects is None:
        return
    if await store.command(stream, mail.id) is not None:
        return
    if await waits(store, stream, PendingKind.COMMAND, mail.id):
        return
    row = await store.stream_row(stream)
    if row is not None and said and row.index.state == int(SessionState.PAUSED):
        raise NotNow("the session is Paused; it takes no messages")
    if row is not None and mail.expects not in (None, row.version):
        raise VersionMismatch


async def left_no_trace(journal: Journal, command: Command, expects: int | None = None) -> Handled:
    """What became of a command that is neither on record nor waiting: it changed nothing.

    Args:
        expects: the version it was for, which the session had when it was submitted.

    Raises:
        SessionNotFound, NotNow: the wipe of the session took it along.
        VersionMismatch: the session has another version now.
    """
    row = await journal.store.stream_row(journal.stream)
    if isinstance(command, Terminate) and expects is None:
        return Handled(0, 0)  # somebody else was first
    if row is None or row.name is None:
        raise SessionNotFound("the session has been terminated")
    if row.index.state == int(SessionState.TERMINATING):
        raise NotNow("the session is Terminating")
    if expects is not None and row.version != expects:
        raise VersionMismatch
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
