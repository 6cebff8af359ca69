"""Rows that many jobs of one transaction write, in statements of many rows each.

Every step of a statement lets go of the interpreter's lock and takes it again,
and an event loop at work holds it for a while each time. So what all appends of
a transaction write is kept back and written with a few steps at its end, in
which the loop goes on undisturbed.

Rules
- What is kept back is invisible to a SELECT: whoever reads these tables in the
  same transaction looks here, or writes it out first.
- A row is bound in the order of the columns named in its table's statement.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, Final

import apsw

_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)
"""Rows a statement; few sizes, so that each stays prepared."""

Values = tuple[Any, ...]


class Bulk:
    """Rows of one table that are written together.

    Args:
        width: values a row.
        before, after: the statement around its rows; it leaves out rows of NULLs.
        single: the statement for one row alone.
    """

    def __init__(self, width: int, before: str, after: str, single: str) -> None:
        row = f"({', '.join('?' * width)})"
        self.width = width
        self._statements = {size: before + ", ".join([row] * size) + after for size in _SIZES}
        self._statements[1] = single

    def write(self, connection: apsw.Connection, values: list[Any]) -> None:
        """Write rows.

        Args:
            values: those of all rows, one row after the other.
        """
        width = self.width
        at, left = 0, len(values) // width
        while left:
            # The largest that is full, and then one that is padded: two statements, mostly.
            at_most = bisect_right(_SIZES, left) - 1
            size = _SIZES[at_most if at == 0 or left >= _SIZES[-1] else bisect_left(_SIZES, left)]
            rows = values[at : at + size * width]
            if size > left:
                rows += [None] * ((size - left) * width)
            connection.execute(self._statements[size], rows)
            at, left = at + size * width, max(left - size, 0)


EVENTS: Final = Bulk(
    9,
    "INSERT INTO event(stream, version, kind, time, actor, key, epoch, body, hash)"
    " SELECT * FROM (VALUES ",
    ") WHERE column1 IS NOT NULL",
    "INSERT INTO event(stream, version, kind, time, actor, key, epoch, body, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
)
COMMANDS: Final = Bulk(
    5,
    "INSERT OR REPLACE INTO command(stream, id, digest, version, done_ms) SELECT * FROM (VALUES ",
    ") WHERE column1 IS NOT NULL",
    "INSERT OR REPLACE INTO command(stream, id, digest, version, done_ms) VALUES (?, ?, ?, ?, ?)",
)
STREAMS: Final = Bulk(
    16,
    "UPDATE stream SET version = v.column1, head = v.column2, state = v.column3,"
    " sensitivity = v.column4, created_ms = v.column5, updated_ms = v.column6,"
    " last_activity_ms = v.column7, messages = v.column8, turns = v.column9,"
    " tool_calls = v.column10, sealed = v.column11, tokens = v.column12,"
    " parent = v.column13, hidden = v.column14, newest = v.column15 FROM (VALUES ",
    ") AS v WHERE stream.stream = v.column16",
    "UPDATE stream SET version = ?, head = ?, state = ?, sensitivity = ?, created_ms = ?,"
    " updated_ms = ?, last_activity_ms = ?, messages = ?, turns = ?, tool_calls = ?,"
    " sealed = ?, tokens = ?, parent = ?, hidden = ?, newest = ? WHERE stream = ?",
)


class KeptRows:
    """What the appends of one transaction have still to write."""

    __slots__ = ("_commands", "_done", "_end", "_events", "_streams")

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._end = -1
        self._streams: dict[int, Values] = {}
        self._commands: list[Any] = []
        self._done: dict[tuple[int, bytes], tuple[int, bytes]] = {}

    def event(self, values: Values) -> None:
        """Keep an event's row."""
        self._events += values

    def feed_end(self, connection: apsw.Connection) -> int:
        """The cursor of the newest event once all that is kept is written.

        There is one writer at a time, so the rows get the ids that follow.
        """
        if self._end < 0:
            self._end = connection.execute("SELECT coalesce(max(id), 0) FROM event").get
        return self._end + len(self._events) // EVENTS.width

    def stream(self, values: Values) -> None:
        """Keep a session's index columns, its stream last; the newest count."""
        self._streams[values[-1]] = values

    def move(self, stream: int, version: int, head: bytes, newest: int) -> bool:
        """Move a session on whose index columns are kept here; False if they are not."""
        values = self._streams.get(stream)
        if values is None:
            return False
        self._streams[stream] = (version, head, *values[2:-2], newest, stream)
        return True

    def command(self, values: Values) -> None:
        """Keep the row of a carried-out command."""
        stream, id, digest, version, _ = values
        self._commands += values
        self._done[stream, id] = (version, digest)

    def command_done(self, stream: int, id: bytes) -> tuple[int, bytes] | None:
        """Version and digest of a command that this transaction carried out."""
        return self._done.get((stream, id))

    def write(self, connection: apsw.Connection) -> None:
        """Write all that is kept."""
        if self._events:
            EVENTS.write(connection, self._events)
        if self._streams:
            STREAMS.write(connection, [one for row in self._streams.values() for one in row])
        if self._commands:
            COMMANDS.write(connection, self._commands)
        self.forget()

    def forget(self) -> None:
        """Forget what is kept: it was written, or its transaction undone."""
        self._end = -1
        self._events.clear()
        self._streams.clear()
        self._commands.clear()
        self._done.clear()
