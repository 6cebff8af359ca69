"""What the SQLite store reads; every function is one short read transaction."""

from __future__ import annotations

import heapq
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import apsw

from holdfast.adapters.store import store_common as common
from holdfast.adapters.store.sqlite_files import typed_errors
from holdfast.adapters.store.sqlite_schema import connect, read_only
from holdfast.core.errors import StoreBusy, StoreClosed
from holdfast.ports.store import (
    FeedEvent,
    Filter,
    Grant,
    Head,
    IndexRow,
    PendingKind,
    PendingRow,
    SealedEvent,
    Snapshot,
    StreamRow,
)

_EVENT: Final = "version, kind, time, actor, key, epoch, body, hash"
_ROW: Final = (
    "stream, tenant, owner, name, version, head, epoch, node, state, sensitivity, created_ms,"
    " updated_ms, last_activity_ms, messages, turns, tool_calls, sealed, tokens, parent, hidden"
)
_PENDING: Final = (
    "SELECT stream, kind, id, payload, digest, principal, due_ms, claim, seq, created_ms"
    " FROM pending WHERE {condition} ORDER BY {order} LIMIT ?"
)
_LIST: Final = (
    "SELECT updated_ms, stream FROM stream {source} AND {rest}"
    " ORDER BY updated_ms DESC, stream DESC LIMIT ?"
)
_ROWS: Final = "SELECT {row} FROM stream WHERE stream IN (SELECT value FROM json_each(?))"
_NEXT_STATE: Final = "SELECT min(state) FROM stream INDEXED BY {index} hidden = ? AND state > ?"
_RARE_TOKEN = 1000
_TRACES: Final = "SELECT hash, source FROM trace WHERE stream = ? AND hash IN ({places})"
_TRACES_AT_ONCE = 500


def _sql(text: str, **parts: str) -> str:
    """Fill constant parts and placeholders into a statement; never a value."""
    return text.format(**parts)


Condition = tuple[str, tuple[Any, ...]]
"""A part of a WHERE clause and its bindings."""


class Readers:
    """Connections for reading, each used by one thread at a time.

    Args:
        path: the database.
        passphrase: for an encrypted file.
        busy_s: how long a read waits for a lock, in seconds.
    """

    def __init__(self, path: Path, passphrase: str | None, busy_s: float) -> None:
        self._path = path
        self._passphrase = passphrase
        self._busy_s = busy_s
        self._idle: list[apsw.Connection] = []
        self._lasting: list[apsw.Connection] = []
        self._state = threading.Condition()
        self._active = 0
        self._held_back = False
        self._closed = False

    def would_wait(self) -> bool:
        """Tell whether a read would wait now: never do that on an event loop."""
        return self._held_back or not self._idle

    @contextmanager
    def take(self) -> Iterator[apsw.Connection]:
        """Lend a connection for one read transaction.

        Raises:
            StoreClosed: the store has been closed.
        """
        connection = self._enter()
        try:
            if connection is None:
                connection = read_only(connect(self._path, self._passphrase, busy_s=self._busy_s))
            with typed_errors(connection):
                yield connection
        finally:
            self._leave(connection)

    def lasting(self) -> apsw.Connection:
        """Make a connection for one who reads very often; it is closed with the others.

        Each of its reads is one statement, over when it returns, so nobody waits for it.

        Raises:
            StoreClosed: the store has been closed.
        """
        connection = read_only(connect(self._path, self._passphrase, busy_s=self._busy_s))
        with self._state:
            if not self._closed:
                self._lasting.append(connection)
                return connection
        connection.close()
        raise StoreClosed()

    @contextmanager
    def held_back(self, timeout_s: float) -> Iterator[None]:
        """Let nobody begin to read, and wait for those who do.

        Raises:
            StoreBusy: somebody reads for longer than `timeout_s`.
        """
        try:
            with self._state:
                self._held_back = True
                if not self._state.wait_for(lambda: self._active == 0, timeout_s):
                    raise StoreBusy()
            yield
        finally:
            with self._state:
                self._held_back = False
                self._state.notify_all()

    def close(self) -> None:
        """Refuse new reads, wait for the running ones and close."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._active == 0)
            for connection in (*self._idle, *self._lasting):
                connection.close()
            self._idle.clear()
            self._lasting.clear()

    def _enter(self) -> apsw.Connection | None:
        with self._state:
            self._state.wait_for(lambda: self._closed or not self._held_back)
            if self._closed:
                raise StoreClosed()
            self._active += 1
            return self._idle.pop() if self._idle else None

    def _leave(self, connection: apsw.Connection | None) -> None:
        with self._state:
            self._active -= 1
            if connection is not None:
                self._idle.append(connection)
            if self._active == 0:
                self._state.notify_all()


def _rows(connection: apsw.Connection, sql: str, bindings: Sequence[Any]) -> list[Any]:
    # All rows are fetched, which ends the read transaction.
    return connection.execute(sql, tuple(bindings)).fetchall()


def _first(connection: apsw.Connection, sql: str, bindings: Sequence[Any]) -> Any:
    rows = _rows(connection, sql, bindings)
    return rows[0] if rows else None


# --- events


def read_events(
    connection: apsw.Connection, stream: int, after: int, limit: int, backwards: bool
) -> list[SealedEvent]:
    """Read one session's events after a version, or before it, newest first."""
    if backwards:
        end = after if after > 0 else (1 << 63) - 1
        sql = _sql("SELECT {event} FROM event WHERE stream = ? AND version < ?", event=_EVENT)
        rows = _rows(connection, sql + " ORDER BY version DESC LIMIT ?", (stream, end, limit))
    else:
        sql = _sql("SELECT {event} FROM event WHERE stream = ? AND version > ?", event=_EVENT)
        rows = _rows(connection, sql + " ORDER BY version LIMIT ?", (stream, after, limit))
    return [_event(row) for row in rows]


def read_feed(connection: apsw.Connection, cursor: int, limit: int) -> list[FeedEvent]:
    """Read the feed after a cursor; one writer at a time, so ids are in commit order."""
    rows = _rows(
        connection,
        _sql(
            "SELECT {event}, id, stream FROM event WHERE id > ? ORDER BY id LIMIT ?", event=_EVENT
        ),
        (cursor, limit),
    )
    return [FeedEvent(cursor=row[8], stream=row[9], event=_event(row)) for row in rows]


def feed_end(connection: apsw.Connection) -> int:
    """Read the newest cursor of the feed."""
    return int(_first(connection, "SELECT coalesce(max(id), 0) FROM event", ())[0])


def heads_since(connection: apsw.Connection, cursor: int, limit: int) -> list[Head]:
    """Read where sessions stand that changed after a cursor."""
    sql = (
        "SELECT newest, stream, version, head FROM stream WHERE newest > ? ORDER BY newest LIMIT ?"
    )
    rows = _rows(connection, sql, (cursor, limit))
    return [Head(cursor=row[0], stream=row[1], version=row[2], hash=row[3]) for row in rows]


def _event(row: Any) -> SealedEvent:
    return SealedEvent(
        version=row[0],
        kind=row[1],
        time_ms=row[2],
        actor=row[3],
        key_id=row[4],
        epoch=row[5],
        body=row[6],
        hash=row[7],
    )


# --- sessions


def find(connection: apsw.Connection, tenant: str, name: str) -> StreamRow | None:
    """Find a session by its name."""
    sql = _sql("SELECT {row} FROM stream WHERE tenant = ? AND folded = ?", row=_ROW)
    row = _first(connection, sql, (tenant, common.folded(name)))
    return None if row is None else _stream_row(row)


def stream_row(connection: apsw.Connection, stream: int) -> StreamRow | None:
    """Read one session's row."""
    sql = _sql("SELECT {row} FROM stream WHERE stream = ?", row=_ROW)
    row = _first(connection, sql, (stream,))
    return None if row is None else _stream_row(row)


def _stream_row(row: Any) -> StreamRow:
    tokens = row[17]
    size = common.TOKEN_BYTES
    return StreamRow(
        stream=row[0],
        tenant=row[1],
        owner=row[2],
        name=row[3],
        version=row[4],
        head=row[5],
        epoch=row[6],
        node=row[7],
        index=IndexRow(
            state=row[8],
            sensitivity=row[9],
            created_ms=row[10],
            updated_ms=row[11],
            last_activity_ms=row[12],
            messages=row[13],
            turns=row[14],
            tool_calls=row[15],
            sealed=row[16],
            tokens=frozenset(tokens[at : at + size] for at in range(0, len(tokens), size)),
            parent=row[18],
            hidden=bool(row[19]),
        ),
    )


# --- listing


def list_streams(
    connection: apsw.Connection, filter: Filter
) -> tuple[list[StreamRow], tuple[int, int] | None]:
    """Read a page of a listing and the place to go on from, None at the end.

    The filter is cut into arms that are each one range of an index which is in
    the listing's order already; the arms are merged. So the cost is that of the
    page, not of all sessions.
    """
    place, size = common.cursor_at(filter), common.page_size(filter)
    rest, rest_bindings = _conditions(filter)
    if place is not None:
        rest += " AND (updated_ms, stream) < (?, ?)"
        rest_bindings += place
    connection.execute("BEGIN")
    try:
        found = [
            _rows(
                connection,
                _sql(_LIST, source=source, rest=rest),
                (*bindings, *rest_bindings, size + 1),
            )
            for source, bindings in _arms(connection, filter)
        ]
        places = list(islice(heapq.merge(*found, reverse=True), size + 1))
        streams = [stream for _, stream in places[:size]]
        rows = _rows(connection, _sql(_ROWS, row=_ROW), (json.dumps(streams),))
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")
    known = {row[0]: row for row in rows}
    page = [_stream_row(known[stream]) for stream in streams]
    return page, places[size - 1] if places[size:] else None


def count_streams(connection: apsw.Connection, filter: Filter) -> int:
    """Count the sessions a filter wants."""
    condition, bindings = _conditions(filter)
    sql = _sql("SELECT count(*) FROM stream WHERE {condition}", condition=condition)
    return int(_first(connection, sql, bindings)[0])


def _conditions(filter: Filter) -> Condition:
    """Write all of a filter but its cursor and limit."""
    parts, bindings = ["1"], list[Any]()
    if not filter.include_hidden:
        parts.append("hidden = 0")
    for column, value in (
        ("tenant", filter.tenant),
        ("owner", filter.owner),
        ("parent", filter.parent),
    ):
        if value is not None:
            parts.append(f"{column} = ?")
            bindings.append(value)
    if filter.min_sensitivity > 0:
        parts.append("sensitivity >= ?")
        bindings.append(filter.min_sensitivity)
    if filter.updated_before_ms is not None:
        parts.append("updated_ms < ?")
        bindings.append(filter.updated_before_ms)
    if filter.states:
        parts.append(f"state IN ({', '.join('?' * len(filter.states))})")
        bindings.extend(filter.states)
    for token in filter.tokens:
        parts.append(
            "EXISTS (SELECT 1 FROM token t WHERE t.token = ? AND t.stream = stream.stream)"
        )
        bindings.append(token)
    return " AND ".join(parts), tuple(bindings)


def _arms(connection: apsw.Connection, filter: Filter) -> list[Condition]:
    rare = _rare_token(connection, filter)
    if rare is not None:
        within = "NOT INDEXED WHERE stream IN (SELECT stream FROM token WHERE token = ?)"
        return [(within, (rare,))]
    if filter.parent:
        return [("INDEXED BY stream_by_parent WHERE parent = ? AND parent <> 0", (filter.parent,))]
    hidden = (0, 1) if filter.include_hidden else (0,)
    if filter.owner is not None:
        source = "INDEXED BY stream_by_owner WHERE owner = ? AND hidden = ?"
        return [(source, (filter.owner, flag)) for flag in hidden]
    if filter.tenant is not None:
        index = "stream_by_tenant WHERE tenant = ? AND"
    else:
        index = "stream_by_state WHERE"
    fixed = () if filter.tenant is None else (filter.tenant,)
    source = f"INDEXED BY {index} hidden = ? AND state = ?"
    return [
        (source, (*fixed, flag, state))
        for flag in hidden
        for state in sorted(filter.states) or _states(connection, index, (*fixed, flag))
    ]


def _states(connection: apsw.Connection, index: str, prefix: tuple[Any, ...]) -> list[int]:
    """Hop from one state that occurs to the next; a few steps on the index."""
    states: list[int] = []
    sql = _sql(_NEXT_STATE, index=index)
    state = _first(connection, sql, (*prefix, -1))[0]
    while state is not None:
        states.append(state)
        state = _first(connection, sql, (*prefix, state))[0]
    return states


def _rare_token(connection: apsw.Connection, filter: Filter) -> bytes | None:
    """Return a token of the filter that few sessions have, if there is one."""
    for token in filter.tokens:
        sql = "SELECT count(*) FROM (SELECT 1 FROM token WHERE token = ? LIMIT ?)"
        if _first(connection, sql, (token, _RARE_TOKEN))[0] < _RARE_TOKEN:
            return token
    return None


# --- what waits, and what was done


def pending(
    connection: apsw.Connection,
    stream: int | None,
    kind: PendingKind | None,
    due_before_ms: int | None,
    page: tuple[int, int],
) -> list[PendingRow]:
    """Read waiting rows in order of arrival or of due time; a page is (after, how many)."""
    after, limit = page
    parts, bindings = ["1"], list[Any]()
    for part, value in (
        ("stream = ?", stream),
        ("kind = ?", None if kind is None else kind.value),
        ("due_ms IS NOT NULL AND due_ms <= ?", due_before_ms),
        ("seq > ?", after or None),
    ):
        if value is not None:
            parts.append(part)
            bindings.append(value)
    order = "seq" if due_before_ms is None else "due_ms, seq"
    sql = _sql(_PENDING, condition=" AND ".join(parts), order=order)
    return [
        PendingRow(
            stream=row[0],
            kind=PendingKind(row[1]),
            id=row[2],
            payload=row[3],
            digest=row[4],
            principal=row[5],
            due_ms=row[6],
            claim=row[7],
            seq=row[8],
            created_ms=row[9],
        )
        for row in _rows(connection, sql, (*bindings, limit))
    ]


def command(
    connection: apsw.Connection, stream: int, id: bytes, now_ms: int
) -> tuple[int, bytes] | None:
    """Read version and digest of a carried-out command that is still kept."""
    row = _first(
        connection,
        "SELECT version, digest FROM command WHERE stream = ? AND id = ? AND done_ms >= ?",
        (stream, id, now_ms - common.COMMAND_KEPT_MS),
    )
    return None if row is None else (row[0], row[1])


# --- the rest


def get_blob(connection: apsw.Connection, stream: int, blob: bytes, part: int) -> bytes | None:
    """Read one part of a blob."""
    row = _first(
        connection,
        "SELECT body FROM blob WHERE stream = ? AND blob = ? AND part = ?",
        (stream, blob, part),
    )
    return None if row is None else bytes(row[0])


def has_snapshot(connection: apsw.Connection, stream: int) -> bool:
    """Tell whether a session has a snapshot."""
    return _first(connection, "SELECT 1 FROM snapshot WHERE stream = ?", (stream,)) is not None


def get_snapshot(connection: apsw.Connection, stream: int) -> Snapshot | None:
    """Read a session's snapshot."""
    row = _first(
        connection, "SELECT version, head, fold_id, body FROM snapshot WHERE stream = ?", (stream,)
    )
    if row is None:
        return None
    return Snapshot(version=row[0], head=row[1], fold_id=row[2], body=row[3])


def grants(connection: apsw.Connection, scope: str) -> tuple[int, list[Grant]]:
    """Read a scope's revision and its grants, as of one moment."""
    rows = _rows(
        connection,
        "SELECT s.revision, g.id, g.body, g.revision FROM scope s"
        " LEFT JOIN granted g ON g.scope = s.scope WHERE s.scope = ? ORDER BY g.id",
        (scope,),
    )
    if not rows:
        return 0, []
    return rows[0][0], [
        Grant(scope=scope, id=id, body=body, revision=revision)
        for _, id, body, revision in rows
        if id is not None
    ]


def traces(connection: apsw.Connection, stream: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Read which hashes a session remembers, in slices of bounded size."""
    found: dict[bytes, int] = {}
    for at in range(0, len(hashes), _TRACES_AT_ONCE):
        some = hashes[at : at + _TRACES_AT_ONCE]
        places = ", ".join("?" * len(some))
        sql = _sql(_TRACES, places=places)
        found.update(_rows(connection, sql, (stream, *some)))
    return found


def pseudonym(connection: apsw.Connection, tenant: str, digest: bytes) -> int | None:
    """Read the pseudonym kept for a digest."""
    row = _first(
        connection,
        "SELECT pseudonym FROM principal WHERE tenant = ? AND digest = ?",
        (tenant, digest),
    )
    return None if row is None else int(row[0])


def principal_of(connection: apsw.Connection, pseudonym: int) -> bytes | None:
    """Read the sealed name behind a pseudonym."""
    row = _first(connection, "SELECT sealed FROM principal WHERE pseudonym = ?", (pseudonym,))
    return None if row is None else bytes(row[0])


def verify_pages(connection: apsw.Connection) -> list[str]:
    """Run the database's own check; returns its findings."""
    findings = [str(row[0]) for row in _rows(connection, "PRAGMA integrity_check(100)", ())]
    return [] if findings == ["ok"] else findings
