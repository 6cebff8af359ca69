"""Tokens in the SQLite store: the statements, and the methods of `SqliteStore` for them.

What changes runs on the writer's thread, in a transaction that many callers share;
like everything there it tests all its conditions before it writes anything.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import apsw

from holdfast.adapters.store.sqlite_files import typed_error, typed_errors
from holdfast.adapters.store.sqlite_read import Readers
from holdfast.adapters.store.sqlite_write import Transaction
from holdfast.core.errors import AlreadyThere, Stale
from holdfast.ports.store import GrantChange
from holdfast.ports.tokens import (
    NO_EVENT,
    Doing,
    Found,
    Revocation,
    Rotation,
    TokenChange,
    TokenEvent,
    TokenFilter,
    TokenRow,
    TokenState,
    Why,
    event_behind,
    token_scope,
)

P = ParamSpec("P")
T = TypeVar("T")

_COLUMNS: Final = (
    "b.id, b.tenant, b.agent, b.digest, b.created_ms, b.expires_ms, b.ends_ms, b.span_ms,"
    " b.sealed, b.stream, b.parent, b.generation, b.agent_epoch, b.state"
)


def _sql(text: str, **parts: str) -> str:
    """Fill constant parts into a statement; never a value."""
    return text.format(columns=_COLUMNS, **parts)


_ROW: Final = _sql("SELECT {columns} FROM bearer b WHERE b.id = ?")
# Two look-ups in one statement; as a join they take three times as long.
_FIND: Final = _sql(
    "SELECT {columns}, (SELECT generation FROM bearer_digest WHERE digest = ?1),"
    " (SELECT name FROM stream WHERE stream = b.stream)"
    " FROM bearer b WHERE b.id = (SELECT id FROM bearer_digest WHERE digest = ?1)"
)
_LATE: Final = _sql(
    "SELECT {columns} FROM bearer b WHERE b.state = 0 AND b.expires_ms <= ?"
    " ORDER BY b.expires_ms, b.id LIMIT ?"
)
_MATCHING: Final = (
    "(?1 IS NULL OR b.tenant = ?1) AND (?2 IS NULL OR b.agent = ?2)"
    " AND (?3 IS NULL OR b.stream = ?3) AND (?4 IS NULL OR (b.state = 0 AND b.expires_ms > ?4))"
)
_LIST: Final = _sql(
    "SELECT {columns} FROM bearer b WHERE {matching} AND b.id > ?5 ORDER BY b.id LIMIT ?6",
    matching=_MATCHING,
)
_COUNT: Final = _sql("SELECT count(*) FROM bearer b WHERE {matching}", matching=_MATCHING)
_BELOW: Final = (
    "WITH RECURSIVE below(id) AS (SELECT id FROM bearer WHERE {named}"
    " UNION SELECT b.id FROM bearer b JOIN below ON b.parent = below.id AND b.parent <> x'')"
    " SELECT {columns} FROM bearer b WHERE b.state = 0 AND b.id IN (SELECT id FROM below)"
    " ORDER BY b.id"
)
_EPOCH: Final = "SELECT epoch FROM bearer_epoch"
_BY_ID: Final = _sql(_BELOW, named="id = ?")
_BY_STREAM: Final = _sql(_BELOW, named="stream = ? AND stream <> 0")
_BY_AGENT: Final = _sql(_BELOW, named="tenant = ? AND agent = ?")


class SqliteTokens:
    """The part of `SqliteStore` that keeps tokens; see the port for its contract."""

    _readers: Readers
    _quick: apsw.Connection | None = None

    @abstractmethod
    def _still_open(self) -> None:
        """Refuse if the store is closed."""

    @abstractmethod
    async def _write(
        self,
        run: Callable[[Transaction], T],
        *,
        urgent: bool = False,
        bulk: bool = False,
        outside: bool = False,
    ) -> T:
        """Have the writer do something, and wait for it."""

    @abstractmethod
    async def _look_up(
        self,
        function: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read a few rows."""

    async def token_add(self, row: TokenRow, doing: Doing) -> None:
        """Keep a new token."""
        await self._write(lambda transaction: _add(transaction.connection, row, doing))

    async def token_find(self, digest: bytes) -> Found | None:
        """What a digest leads to."""
        return self._at_once(_find, digest)

    async def stream_name(self, stream: int) -> str | None:
        """Read the id of a session."""
        return await self._look_up(_name, stream)

    async def token_row(self, id: bytes) -> TokenRow | None:
        """Read one row."""
        return await self._look_up(_row, id)

    async def token_rotate(self, rotation: Rotation, doing: Doing) -> TokenRow:
        """Put the next generation in place."""
        return await self._write(
            lambda transaction: _rotate(transaction.connection, rotation, doing)
        )

    async def token_revoke(self, revocation: Revocation, doing: Doing) -> list[bytes]:
        """Revoke tokens that are live, with their descendants."""
        return await self._write(
            lambda transaction: _revoke(transaction, revocation, doing), urgent=True
        )

    async def token_sweep(self, doing: Doing, limit: int = 1000) -> int:
        """Mark tokens that have expired; remove what is past its end."""
        if not await self._look_up(_due, doing.now_ms):
            return 0
        return await self._write(
            lambda transaction: _sweep(transaction.connection, doing, limit), urgent=True
        )

    async def token_list(self, wanted: TokenFilter) -> list[TokenRow]:
        """Read a page of rows."""
        return await self._look_up(_list, wanted)

    async def token_count(self, wanted: TokenFilter) -> int:
        """Count rows."""
        return await self._look_up(_count, wanted)

    async def token_epoch(self) -> int:
        """Goes up when an answer that was read before may be wrong."""
        return self._at_once(_epoch)

    async def token_stir(self) -> None:
        """Raise the epoch."""
        await self._write(lambda transaction: _raise_epoch(transaction.connection), urgent=True)

    def _at_once(
        self,
        function: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read by an index, on the way of every request: no more than the statement itself."""
        self._still_open()
        if self._quick is None:
            with typed_errors():
                self._quick = self._readers.lasting()
        try:
            return function(self._quick, *args, **kwargs)
        except apsw.Error as error:
            raise typed_error(error, self._quick) or error from error

    async def agent_epoch(self, tenant: str, agent: int) -> int:
        """How often all tokens of an agent were revoked."""
        return await self._look_up(_agent_epoch, tenant, agent)

    async def token_events(self, after: int = 0, limit: int = 1000) -> list[TokenEvent]:
        """Read the chain, in order."""
        return await self._look_up(_events, after, max(limit, 0))

    async def token_head(self) -> tuple[int, bytes]:
        """Number and hash of the newest event of the chain."""
        return await self._look_up(_head)


# --- reading ----------------------------------------------------------------------


def _made(values: tuple[Any, ...]) -> TokenRow:
    return TokenRow(
        id=values[0],
        tenant=values[1],
        agent=values[2],
        digest=values[3],
        created_ms=values[4],
        expires_ms=values[5],
        ends_ms=values[6],
        span_ms=values[7],
        sealed=values[8],
        stream=values[9],
        parent=values[10],
        generation=values[11],
        agent_epoch=values[12],
        state=TokenState(values[13]),
    )


def _one(connection: apsw.Connection, sql: str, *bindings: Any) -> tuple[Any, ...] | None:
    rows = connection.execute(sql, bindings).fetchall()
    return rows[0] if rows else None


def _row(connection: apsw.Connection, id: bytes) -> TokenRow | None:
    found = _one(connection, _ROW, id)
    return None if found is None else _made(found)


def _find(connection: apsw.Connection, digest: bytes) -> Found | None:
    found = _one(connection, _FIND, digest)
    return None if found is None else Found(_made(found), found[-2], found[-1])


def _name(connection: apsw.Connection, stream: int) -> str | None:
    found = _one(connection, "SELECT name FROM stream WHERE stream = ?", stream)
    return None if found is None else found[0]


def _filter(wanted: TokenFilter) -> tuple[Any, ...]:
    return (wanted.tenant, wanted.agent, wanted.stream, wanted.live_ms)


def _list(connection: apsw.Connection, wanted: TokenFilter) -> list[TokenRow]:
    bindings = (*_filter(wanted), wanted.after, max(wanted.limit, 0))
    return [_made(values) for values in connection.execute(_LIST, bindings).fetchall()]


def _count(connection: apsw.Connection, wanted: TokenFilter) -> int:
    return int(connection.execute(_COUNT, _filter(wanted)).get)


def _epoch(connection: apsw.Connection) -> int:
    return int(connection.execute(_EPOCH).get)


def _agent_epoch(connection: apsw.Connection, tenant: str, agent: int) -> int:
    sql = "SELECT epoch FROM bearer_agent WHERE tenant = ? AND agent = ?"
    found = _one(connection, sql, tenant, agent)
    return 0 if found is None else int(found[0])


def _due(connection: apsw.Connection, now_ms: int) -> bool:
    return bool(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM bearer WHERE state = 0 AND expires_ms <= ?1)"
            " OR EXISTS (SELECT 1 FROM bearer WHERE state <> 0 AND ends_ms <= ?1)",
            (now_ms,),
        ).get
    )


def _head(connection: apsw.Connection) -> tuple[int, bytes]:
    last = _one(connection, "SELECT seq, hash FROM bearer_event ORDER BY seq DESC LIMIT 1")
    return NO_EVENT if last is None else (last[0], last[1])


def _events(connection: apsw.Connection, after: int, limit: int) -> list[TokenEvent]:
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT seq, id, tenant, kind, generation, time_ms, expires_ms, actor, why, hash"
        " FROM bearer_event WHERE seq > ? ORDER BY seq LIMIT ?",
        (after, limit),
    ).fetchall()
    return [
        TokenEvent(
            seq=values[0],
            token=values[1],
            tenant=values[2],
            kind=values[3],
            generation=values[4],
            time_ms=values[5],
            expires_ms=values[6],
            actor=values[7],
            why=values[8],
            hash=values[9],
        )
        for values in rows
    ]


# --- changing ---------------------------------------------------------------------


def _add(connection: apsw.Connection, row: TokenRow, doing: Doing) -> None:
    if _row(connection, row.id) is not None:
        raise AlreadyThere("there is such a token already")
    _check_digest(connection, row.digest)
    if _agent_epoch(connection, row.tenant, row.agent) != row.agent_epoch:
        raise Stale("the agent's tokens")
    _check_parent(connection, row, doing)
    values = (
        row.id,
        row.tenant,
        row.agent,
        row.digest,
        row.created_ms,
        row.expires_ms,
        row.ends_ms,
        row.span_ms,
        row.sealed,
        row.stream,
        row.parent,
        row.generation,
        row.agent_epoch,
        int(row.state),
    )
    connection.execute(
        "INSERT INTO bearer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values
    )
    _keep_digest(connection, row)
    _note(connection, row, TokenChange.CREATED, doing)


def _rotate(connection: apsw.Connection, rotation: Rotation, doing: Doing) -> TokenRow:
    row = _row(connection, rotation.id)
    if row is None or row.generation != rotation.generation or not row.live(doing.now_ms):
        raise Stale("the token")
    _check_parent(connection, row, doing)
    _check_digest(connection, rotation.digest)
    after = row.rotated(rotation)
    connection.execute(
        "UPDATE bearer SET generation = ?, digest = ?, expires_ms = ?, sealed = ? WHERE id = ?",
        (after.generation, after.digest, after.expires_ms, after.sealed, after.id),
    )
    _keep_digest(connection, after)
    _raise_epoch(connection)
    _note(connection, after, TokenChange.REFRESHED, doing)
    return after


def _revoke(transaction: Transaction, revocation: Revocation, doing: Doing) -> list[bytes]:
    connection = transaction.connection
    bindings: tuple[Any, ...]
    if revocation.id:
        sql, bindings = _BY_ID, (revocation.id,)
    elif revocation.stream:
        sql, bindings = _BY_STREAM, (revocation.stream,)
    else:
        sql, bindings = _BY_AGENT, (revocation.tenant, revocation.agent)
        connection.execute(
            "INSERT INTO bearer_agent VALUES (?, ?, 1)"
            " ON CONFLICT(tenant, agent) DO UPDATE SET epoch = epoch + 1",
            bindings,
        )
    rows = [_made(values) for values in connection.execute(sql, bindings).fetchall()]
    for row in rows:
        connection.execute(
            "UPDATE bearer SET state = ? WHERE id = ?", (int(TokenState.REVOKED), row.id)
        )
        why = revocation.why if _named(row, revocation) else Why.PARENT
        _note(connection, row, TokenChange.REVOKED, doing, why)
        scope = token_scope(row.id.hex())
        transaction.change_grants(GrantChange(scope=scope, id=b"", body=None))
    if rows or revocation.agent:
        _raise_epoch(connection)
    return [row.id for row in rows]


def _sweep(connection: apsw.Connection, doing: Doing, limit: int) -> int:
    late = connection.execute(_LATE, (doing.now_ms, limit)).fetchall()
    for row in map(_made, late):
        connection.execute(
            "UPDATE bearer SET state = ? WHERE id = ?", (int(TokenState.EXPIRED), row.id)
        )
        _note(connection, row, TokenChange.EXPIRED, doing)
    gone = connection.execute(
        "SELECT id FROM bearer WHERE state <> 0 AND ends_ms <= ? LIMIT ?", (doing.now_ms, limit)
    ).fetchall()
    for (id,) in gone:
        connection.execute("DELETE FROM bearer_digest WHERE id = ?", (id,))
        connection.execute("DELETE FROM bearer WHERE id = ?", (id,))
    if late or gone:
        _raise_epoch(connection)
    return len(late)


def _check_digest(connection: apsw.Connection, digest: bytes) -> None:
    if _one(connection, "SELECT 1 FROM bearer_digest WHERE digest = ?", digest) is not None:
        raise AlreadyThere("there is such a token already")


def _check_parent(connection: apsw.Connection, row: TokenRow, doing: Doing) -> None:
    if row.parent:
        parent = _row(connection, row.parent)
        if parent is None or not parent.live(doing.now_ms):
            raise Stale("the token's parent")


def _keep_digest(connection: apsw.Connection, row: TokenRow) -> None:
    connection.execute(
        "INSERT INTO bearer_digest VALUES (?, ?, ?)", (row.digest, row.id, row.generation)
    )


def _raise_epoch(connection: apsw.Connection) -> None:
    connection.execute("UPDATE bearer_epoch SET epoch = epoch + 1")


def _named(row: TokenRow, revocation: Revocation) -> bool:
    if revocation.id:
        return row.id == revocation.id
    if revocation.stream:
        return row.stream == revocation.stream
    return (row.tenant, row.agent) == (revocation.tenant, revocation.agent)


def _note(
    connection: apsw.Connection, row: TokenRow, kind: TokenChange, doing: Doing, why: str = ""
) -> None:
    """Write the event that says what became of a row, behind the newest of the chain."""
    event = event_behind(_head(connection), row, kind, doing, why)
    values = (
        event.seq,
        event.token,
        event.tenant,
        event.kind,
        event.generation,
        event.time_ms,
        event.expires_ms,
        event.actor,
        event.why,
        event.hash,
    )
    connection.execute("INSERT INTO bearer_event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
