"""What one write transaction of the SQLite store does.

Every method runs on the writer's thread inside a transaction that many callers
share. It tests all its conditions before it writes anything, so a refusal
leaves no trace and nobody else in the transaction is touched by it.

What is known of sessions' rows is kept from one transaction to the next, for as
long as no other connection commits anything. Events, index columns and command
ids of all appends are written together at the end (see `sqlite_rows`); whatever
else touches those tables has them written first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import apsw

from holdfast.adapters.store import store_common as common
from holdfast.adapters.store.sqlite_files import NodeLease
from holdfast.adapters.store.sqlite_rows import KeptRows
from holdfast.core.errors import (
    AlreadyThere,
    CommandMismatch,
    Conflict,
    DuplicateCommand,
    Fenced,
    LeaseHeld,
    SessionExists,
    SessionNotFound,
    Stale,
)
from holdfast.ports.clock import Clock
from holdfast.ports.store import (
    Append,
    Counter,
    Grant,
    GrantChange,
    IndexRow,
    Lease,
    PendingKind,
    PendingRow,
    Snapshot,
    counter_of,
    session_scope,
)

_SWEEP_EVERY_MS = 3600 * 1000
_SWEEP_ROWS = 2000

_ROWS_KNOWN_MAX = 4096

_ROW = "SELECT epoch, version, head, node, tokens, newest FROM stream WHERE stream = ?"
_COMMAND = (
    "SELECT version, digest FROM command WHERE stream = ?1 AND id = ?2 AND done_ms >= ?3"
    " UNION ALL SELECT 0, digest FROM pending"
    " WHERE stream = ?1 AND kind = 'command' AND id = ?2 LIMIT 1"
)
_PUT_PENDING = (
    "INSERT INTO pending(stream, kind, id, digest, principal, due_ms, claim, payload, created_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(stream, kind, id) DO UPDATE SET"
    " digest = excluded.digest, principal = excluded.principal, due_ms = excluded.due_ms,"
    " claim = excluded.claim, payload = excluded.payload, created_ms = excluded.created_ms"
    " RETURNING seq"
)


@dataclass(slots=True)
class _Row:
    """The part of a session's row that an append is tested against."""

    epoch: int
    version: int
    head: bytes
    node: str | None
    tokens: bytes = b""
    newest: int = 0


class Transaction:
    """The statements of the writer; one object serves one transaction after another.

    Args:
        connection: the writer's own.
        lease: this node, and its knowledge of the others.
        clock: for the times of commands and pending rows.
    """

    def __init__(self, connection: apsw.Connection, lease: NodeLease, clock: Clock) -> None:
        self._connection = self.connection = connection
        self._lease = lease
        self._clock = clock
        self._counters: dict[str, Counter] = {}
        self._dirty: set[str] = set()
        self._kept = KeptRows()
        self._rows: dict[int, _Row] = {}
        self._revisions: dict[str, int] = {}
        self._waiting: list[bytes] = []
        self._data_version = -1
        self._committing = False
        self._now_ms = 0
        self._swept_ms = 0

    # --- the transaction itself

    def begin(self) -> None:
        """Begin; forget what may not be so any more."""
        self._counters.clear()
        self._dirty.clear()
        self._kept.forget()
        self._connection.execute("BEGIN IMMEDIATE")
        # Asked for inside the transaction, it takes all earlier commits of others into account.
        data_version = self._connection.pragma("data_version")
        if data_version != self._data_version or len(self._rows) > _ROWS_KNOWN_MAX:
            self._forget_rows()
            self._data_version = data_version
        self._now_ms = self._clock.now_ms()

    def commit(self) -> None:
        """Write what is kept back, the counters last and in id order, and commit."""
        self._kept.write(self._connection)
        if self._dirty:
            self._write_counters()
        self._sweep()
        self._committing = True
        self._connection.execute("COMMIT")
        self._committing = False

    def _write_counters(self) -> None:
        for id in sorted(self._dirty):
            counter = self._counters[id]
            self._run(
                "INSERT INTO counter(id, ceiling, used, held, revision) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT(id) DO UPDATE SET ceiling = excluded.ceiling,"
                " used = excluded.used, held = excluded.held, revision = excluded.revision",
                (id, counter.limit, counter.used, counter.held, counter.revision),
            )
        self._dirty.clear()

    def rollback(self) -> None:
        """Undo, if SQLite has not done so by itself.

        A commit that failed in its last step has left whole pages in the log,
        and a crash now would bring them back. The next commit overwrites them,
        so one that means nothing is made at once.
        """
        self._undo()
        if not self._committing:
            return
        self._committing = False
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self.probe()
            self._connection.execute("COMMIT")
        except apsw.Error:
            # Still out of order: then the next commit that works does it.
            self._undo()

    def _undo(self) -> None:
        self._kept.forget()
        self._forget_rows()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _forget_rows(self) -> None:
        self._rows.clear()
        self._revisions.clear()

    # --- sessions and events

    def create(self, name: str, tenant: str, owner: int, first: Append) -> Lease:
        """Create a stream with its first events, leased to this node."""
        folded = common.folded(name)
        taken = self._one("SELECT 1 FROM stream WHERE tenant = ? AND folded = ?", (tenant, folded))
        if taken is not None or self._find(first.stream) is not None:
            raise SessionExists()
        row = _Row(epoch=1, version=0, head=b"", node=self._lease.node)
        charged = self._test(first, row)
        now = self._now_ms
        self._run(
            "INSERT INTO stream VALUES"
            " (?, ?, ?, ?, ?, 0, x'', 1, ?, 0, 1, ?, ?, ?, 0, 0, 0, x'', x'', 0, 0, 0)",
            (first.stream, tenant, owner, name, folded, self._lease.node, now, now, now),
        )
        self._rows[first.stream] = row
        head = self._write(first, row, charged)
        return Lease(stream=first.stream, epoch=1, version=len(first.events), head=head)

    def append(self, append: Append) -> bytes:
        """Append; returns the new head."""
        row = self._need(append.stream)
        charged = self._test(append, row)
        return self._write(append, row, charged)

    def lease(self, stream: int) -> Lease:
        """Take the session for this node, if its holder is dead or this one."""
        row = self._need(stream)
        others = row.node is not None and row.node != self._lease.node
        if others and not self._lease.is_dead(row.node or ""):
            raise LeaseHeld()
        self._run(
            "UPDATE stream SET epoch = epoch + 1, node = ? WHERE stream = ?",
            (self._lease.node, stream),
        )
        row.epoch, row.node = row.epoch + 1, self._lease.node
        return Lease(stream=stream, epoch=row.epoch, version=row.version, head=row.head)

    def release(self, stream: int, epoch: int) -> None:
        """Give the session back if it is ours."""
        self._run(
            "UPDATE stream SET node = NULL WHERE stream = ? AND epoch = ? AND node = ?",
            (stream, epoch, self._lease.node),
        )
        self._rows.pop(stream, None)

    def release_all(self) -> None:
        """Give every session of this node back."""
        self._run("UPDATE stream SET node = NULL WHERE node = ?", (self._lease.node,))
        self._forget_rows()

    # --- pending

    def submit(self, row: PendingRow) -> int:
        """Queue a row; returns its seq."""
        self._need(row.stream)
        if row.kind is PendingKind.COMMAND:
            self._test_command(row.stream, row.id, row.digest)
        there = self._one(
            "SELECT seq, digest FROM pending WHERE stream = ? AND kind = ? AND id = ?",
            (row.stream, row.kind.value, row.id),
        )
        if there is None:
            if self._one("SELECT 1 FROM stream WHERE stream = ? AND name IS NULL", (row.stream,)):
                raise SessionNotFound()  # wiped: nobody would ever take it up
            return self._put_pending(row)
        if there[1] != row.digest:
            raise CommandMismatch()
        return int(there[0])

    def drop_pending(self, stream: int, kind: PendingKind, id: bytes) -> bool:
        """Remove a waiting row; False if there was none."""
        self._run(
            "DELETE FROM pending WHERE stream = ? AND kind = ? AND id = ?", (stream, kind.value, id)
        )
        return self._connection.changes() > 0

    # --- blobs and snapshots

    def put_blob(self, stream: int, blob: bytes, part: int, body: bytes) -> None:
        """Keep one part; the same part again is replaced."""
        self._need(stream)
        self._run(
            "INSERT INTO blob(stream, blob, part, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(stream, blob, part) DO UPDATE SET body = excluded.body",
            (stream, blob, part, body),
        )

    def drop_blobs(self, stream: int, blob: bytes | None, most: int) -> int:
        """Remove up to `most` parts of a blob, or of all of the stream's; how many."""
        self._run(
            "DELETE FROM blob WHERE id IN (SELECT id FROM blob"
            " WHERE stream = ?1 AND (?2 IS NULL OR blob = ?2) LIMIT ?3)",
            (stream, blob, most),
        )
        return self._connection.changes()

    def put_snapshot(self, stream: int, snapshot: Snapshot) -> None:
        """Keep the newest snapshot."""
        self._need(stream)
        self._run(
            "INSERT INTO snapshot(stream, version, head, fold_id, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(stream) DO UPDATE SET version = excluded.version,"
            " head = excluded.head, fold_id = excluded.fold_id, body = excluded.body"
            " WHERE fold_id <> excluded.fold_id OR version <= excluded.version",
            (stream, snapshot.version, snapshot.head, snapshot.fold_id, snapshot.body),
        )

    def erase(self, stream: int) -> None:
        """Remove all of a wiped session but its row, events, command ids and blobs."""
        self._kept.write(self._connection)
        self._need(stream).tokens = b""
        for statement in (
            "DELETE FROM snapshot WHERE stream = ?",
            "DELETE FROM trace WHERE stream = ?",
            "DELETE FROM pending WHERE stream = ?",
            "DELETE FROM token WHERE stream = ?",
        ):
            self._run(statement, (stream,))
        self._run("UPDATE stream SET tokens = x'' WHERE stream = ?", (stream,))
        self._erase_scope(session_scope(stream))

    def _erase_scope(self, scope: str) -> None:
        """Remove a session's own grants, and counters on which nothing is held."""
        self._write_counters()
        self._counters.clear()
        self._run(
            "DELETE FROM counter WHERE held = 0 AND id IN"
            " (SELECT 'grant:' || lower(hex(id)) FROM granted WHERE scope = ?)",
            (scope,),
        )
        mine = counter_of(scope, "")
        # A prefix as a range, which the primary key serves; "." is followed by "/".
        self._run(
            "DELETE FROM counter WHERE held = 0 AND id >= ? AND id < ?", (mine, f"{mine[:-1]}/")
        )
        below = self._connection.execute(
            "SELECT scope FROM scope WHERE scope >= ? AND scope < ?", (mine, f"{mine[:-1]}/")
        ).fetchall()
        for name in (scope, *(str(found) for (found,) in below)):
            if self._revision(name):
                self.change_grants(GrantChange(scope=name, id=b"", body=None))

    # --- counters, grants, principals

    def set_counter(self, id: str, limit: int | None) -> Counter:
        """Create a counter or change its limit."""
        counter = common.with_limit(self._counter(id), id, limit)
        self._counters[id] = counter
        self._dirty.add(id)
        return counter

    def put_grant(self, grant: Grant) -> int:
        """Write a grant; returns its scope's new revision."""
        revision = self._touch_scope(grant.scope)
        self._run(
            "INSERT INTO granted(scope, id, body, revision) VALUES (?, ?, ?, ?)"
            " ON CONFLICT(scope, id) DO UPDATE SET"
            " body = excluded.body, revision = excluded.revision",
            (grant.scope, grant.id, grant.body, revision),
        )
        return revision

    def drop_grant(self, scope: str, id: bytes) -> int:
        """Remove a grant; returns its scope's new revision."""
        revision = self._touch_scope(scope)
        self._run("DELETE FROM granted WHERE scope = ? AND id = ?", (scope, id))
        return revision

    def change_grants(self, change: GrantChange) -> None:
        """Write or remove a grant, or all of a scope; its revision goes up by one."""
        if change.body is not None:
            self.put_grant(Grant(scope=change.scope, id=change.id, body=change.body))
        elif change.id:
            self.drop_grant(change.scope, change.id)
        else:
            self._touch_scope(change.scope)
            self._run("DELETE FROM granted WHERE scope = ?", (change.scope,))

    def principal(self, tenant: str, digest: bytes, sealed: bytes, fresh: int) -> int:
        """Return the pseudonym of a digest; keep `fresh` if there is none."""
        there = self._one(
            "SELECT pseudonym FROM principal WHERE tenant = ? AND digest = ?", (tenant, digest)
        )
        if there is not None:
            return int(there[0])
        if self._one("SELECT 1 FROM principal WHERE pseudonym = ?", (fresh,)) is not None:
            raise AlreadyThere("this pseudonym belongs to another principal")
        self._run("INSERT INTO principal VALUES (?, ?, ?, ?)", (fresh, tenant, digest, sealed))
        return fresh

    def erase_principal(self, pseudonym: int) -> bool:
        """Forget who a pseudonym was; False if nobody knew."""
        self._run("DELETE FROM principal WHERE pseudonym = ?", (pseudonym,))
        return self._connection.changes() > 0

    def probe(self) -> None:
        """Write something that means nothing."""
        self._run(
            "INSERT INTO probe VALUES (1, ?) ON CONFLICT(id) DO UPDATE SET"
            " checked_ms = excluded.checked_ms",
            (self._now_ms,),
        )

    # --- testing an append

    def _test(self, append: Append, row: _Row) -> dict[str, Counter]:
        """Test every condition in the contract's order; returns the counters after."""
        if row.epoch != append.epoch or row.node != self._lease.node:
            raise Fenced()
        if row.version != append.expected_version:
            raise Conflict()
        self._waiting.clear()
        for done in append.done:
            if self._test_command(append.stream, done.id, done.digest):
                self._waiting.append(done.id)
        for claim in append.asserts:
            if claim.revision != self._revision(claim.scope):
                raise Stale(claim.scope)
        if append.settles or append.takes or append.limits:
            return common.charge(append, self._counter)
        return {}

    def _test_command(self, stream: int, id: bytes, digest: bytes) -> bool:
        """Test that a command was not carried out; tells whether it waits.

        Raises:
            DuplicateCommand: it was carried out.
            CommandMismatch: it was, or it waits, with another body.
        """
        done = self._kept.command_done(stream, id)
        if done is None:
            since_ms = self._now_ms - common.COMMAND_KEPT_MS
            found = self._one(_COMMAND, (stream, id, since_ms))
            if found is None:
                return False
            done = (found[0], found[1])
        if done[1] != digest:
            raise CommandMismatch()
        if done[0]:
            raise DuplicateCommand(done[0])
        return True

    # --- writing an append

    def _write(self, append: Append, row: _Row, charged: dict[str, Counter]) -> bytes:
        stream, kept = append.stream, self._kept
        for event in append.events:
            kept.event(
                (
                    stream,
                    event.version,
                    event.kind,
                    event.time_ms,
                    event.actor,
                    event.key_id,
                    event.epoch,
                    event.body,
                    event.hash,
                )
            )
        if append.events:
            row.version, row.head = append.events[-1].version, append.events[-1].hash
            row.newest = kept.feed_end(self._connection)
        self._write_row(append, row)
        for done in append.done:
            kept.command((stream, done.id, done.digest, row.version, self._now_ms))
        for id in self._waiting:
            self.drop_pending(stream, PendingKind.COMMAND, id)
        for kind, id in append.settled:
            self.drop_pending(stream, kind, id)
        for waiting in append.pending:
            self._put_pending(waiting)
        for hash, source in append.traces:
            self._run("INSERT OR IGNORE INTO trace VALUES (?, ?, ?)", (stream, hash, source))
        for change in append.grants:
            self.change_grants(change)
        if charged:
            self._counters.update(charged)
            self._dirty.update(charged)
        if append.drop_name:
            self.erase(stream)
        return row.head

    def _write_row(self, append: Append, row: _Row) -> None:
        stream = append.stream
        if append.index is not None:
            self._write_index(stream, append.index, row)
        elif not self._kept.move(stream, row.version, row.head, row.newest):
            self._run(
                "UPDATE stream SET version = ?, head = ?, newest = ? WHERE stream = ?",
                (row.version, row.head, row.newest, stream),
            )
        if append.drop_name:
            self._kept.write(self._connection)
            self._run(
                "UPDATE stream SET name = NULL, folded = NULL, tenant = '', owner = 0, "
                "sealed = x'' WHERE stream = ?",
                (stream,),
            )

    def _write_index(self, stream: int, index: IndexRow, row: _Row) -> None:
        tokens = row.tokens
        if index.tokens or tokens:
            tokens = b"".join(sorted(index.tokens))
        self._kept.stream(
            (
                row.version,
                row.head,
                index.state,
                index.sensitivity,
                index.created_ms,
                index.updated_ms,
                index.last_activity_ms,
                index.messages,
                index.turns,
                index.tool_calls,
                index.sealed,
                tokens,
                index.parent,
                index.hidden,
                row.newest,
                stream,
            )
        )
        if tokens != row.tokens:
            row.tokens = tokens
            self._run("DELETE FROM token WHERE stream = ?", (stream,))
            for token in index.tokens:
                self._run("INSERT INTO token VALUES (?, ?)", (token, stream))

    def _put_pending(self, row: PendingRow) -> int:
        seq = self._one(
            _PUT_PENDING,
            (
                row.stream,
                row.kind.value,
                row.id,
                row.digest,
                row.principal,
                row.due_ms,
                row.claim,
                row.payload,
                row.created_ms or self._now_ms,
            ),
        )
        assert seq is not None, "an upsert returns its row"
        return int(seq[0])

    # --- small things

    def _touch_scope(self, scope: str) -> int:
        found = self._one(
            "INSERT INTO scope VALUES (?, 1)"
            " ON CONFLICT(scope) DO UPDATE SET revision = revision + 1 RETURNING revision",
            (scope,),
        )
        assert found is not None, "an upsert returns its row"
        revision = self._revisions[scope] = int(found[0])
        return revision

    def _revision(self, scope: str) -> int:
        revision = self._revisions.get(scope)
        if revision is None:
            found = self._one("SELECT revision FROM scope WHERE scope = ?", (scope,))
            revision = self._revisions[scope] = 0 if found is None else int(found[0])
        return revision

    def _counter(self, id: str) -> Counter | None:
        counter = self._counters.get(id)
        if counter is None:
            counter = read_counter(self._connection, id)
            if counter is not None:
                self._counters[id] = counter
        return counter

    def _find(self, stream: int) -> _Row | None:
        row = self._rows.get(stream)
        if row is None:
            found = self._one(_ROW, (stream,))
            if found is not None:
                row = self._rows[stream] = _Row(*found)
        return row

    def _need(self, stream: int) -> _Row:
        row = self._find(stream)
        if row is None:
            raise SessionNotFound()
        return row

    def _sweep(self) -> None:
        """Forget commands that are older than their time, some at a time."""
        if self._now_ms - self._swept_ms < _SWEEP_EVERY_MS:
            return
        self._run(
            "DELETE FROM command WHERE (stream, id) IN (SELECT stream, id FROM command"
            " WHERE done_ms < ? ORDER BY done_ms LIMIT ?)",
            (self._now_ms - common.COMMAND_KEPT_MS, _SWEEP_ROWS),
        )
        if self._connection.changes() < _SWEEP_ROWS:
            self._swept_ms = self._now_ms

    def _one(self, sql: str, bindings: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # All rows are fetched so that no statement stays open behind the answer.
        rows = self._connection.execute(sql, bindings).fetchall()
        return rows[0] if rows else None

    def _run(self, sql: str, bindings: tuple[Any, ...]) -> None:
        self._connection.execute(sql, bindings)


def read_counter(connection: apsw.Connection, id: str) -> Counter | None:
    """Read a counter."""
    return read_counters(connection, (id,)).get(id)


def read_counters(connection: apsw.Connection, ids: tuple[str, ...]) -> dict[str, Counter]:
    """Read those of these counters that exist."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT id, ceiling, used, held, revision FROM counter"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(ids),),
    ).fetchall()
    return {
        id: Counter(id=id, limit=limit, used=used, held=held, revision=revision)
        for id, limit, used, held, revision in rows
    }
