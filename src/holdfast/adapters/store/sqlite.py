"""`SqliteStore`: sessions in one SQLite file, for any number of local processes.

One thread writes, in group commits; reads use connections of their own. Beside
the file stand its lock files (`.writer`, `.turn`, `.node-…`) and the ballast.

Rules (contract 1.14)
- No process that has this store open may open the file, its `-wal` or its `-shm`
  as a plain file: closing that file would drop the database's locks.
- `apsw` is the only SQLite library that may touch the file in this process.
- A process that has a store open must not fork and go on in the child: the
  child would keep the node's lease alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from holdfast.adapters.store import sqlite_read as reads
from holdfast.adapters.store import store_common as common
from holdfast.adapters.store.sqlite_files import typed_errors
from holdfast.adapters.store.sqlite_open import Parts, Settings, open_parts
from holdfast.adapters.store.sqlite_tokens import SqliteTokens
from holdfast.adapters.store.sqlite_write import Transaction, read_counter, read_counters
from holdfast.adapters.store.sqlite_writer import Job
from holdfast.core.errors import BlobNotFound, HoldfastError, StoreBusy, StoreClosed
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.store import (
    Append,
    Counter,
    FeedEvent,
    Filter,
    Grant,
    Head,
    Health,
    Lease,
    Page,
    PendingKind,
    PendingRow,
    SealedEvent,
    Snapshot,
    StreamRow,
)

BUSY_S = 10.0
"""How long a caller waits for another process's lock, in seconds."""

_READ_THREADS = 3
_DIRECT_ROWS = 32
_ERASE_PARTS = 4
_CHECKPOINT_S = 2.0

P = ParamSpec("P")
T = TypeVar("T")


class SqliteStore(SqliteTokens):
    """One opening of a SQLite store; see the store port for its contract.

    Use `SqliteStore.open`.
    """

    def __init__(self, parts: Parts, clock: Clock, busy_s: float) -> None:
        self._parts = parts
        self._busy_s = busy_s
        self._clock = clock
        self._readers = parts.readers
        self._writer = parts.writer
        self._pool = ThreadPoolExecutor(_READ_THREADS, thread_name_prefix="holdfast-read")
        self._closing: asyncio.Future[None] | None = None
        self._closed = False
        self._watching: asyncio.AbstractEventLoop | None = None
        self._waking: asyncio.AbstractEventLoop | None = None

    @classmethod
    async def open(
        cls,
        path: str | Path,
        *,
        clock: Clock | None = None,
        passphrase: str | None = None,
        busy_s: float = BUSY_S,
        vfs: str | None = None,
    ) -> SqliteStore:
        """Open a store, and create it and its directories if there is none.

        Args:
            path: the database file.
            clock: time of day; the machine's own without.
            passphrase: encrypts the whole file; always the same for one file.
            busy_s: how long to wait for other processes' locks, in seconds.
            vfs: a registered SQLite file layer, for fault tests.

        Raises:
            NewerProgram: a newer program wrote the file.
            CorruptStore: the file is damaged or something else.
            WrongKey: the passphrase does not open the file.
            StoreFull, StoreReadOnly, StoreBusy: as they say.
            UnsupportedFileSystem: the directory is on a network file system.
        """
        clock = clock if clock is not None else SystemClock()
        settings = Settings(path=Path(path), passphrase=passphrase, busy_s=busy_s, vfs=vfs)
        return cls(await asyncio.to_thread(open_parts, settings, clock), clock, busy_s)

    @property
    def name(self) -> str:
        """Short name of the kind of store."""
        return "sqlite"

    @property
    def node(self) -> str:
        """This opening of the store."""
        return self._parts.lease.node

    # --- sessions and events

    async def create_stream(self, *, name: str, tenant: str, owner: int, first: Append) -> Lease:
        """Create a stream with its first events, leased to this node."""
        common.check_first(first)
        return await self._write(
            lambda transaction: transaction.create(name, tenant, owner, first),
            urgent=first.urgent,
        )

    async def append(self, append: Append) -> bytes:
        """Append; returns the new head hash."""
        common.check_append(append)
        self._still_open()
        return await self._enqueue(
            lambda transaction: transaction.append(append), urgent=append.urgent
        )

    async def read(
        self, stream: int, after: int = 0, limit: int = 1000, *, backwards: bool = False
    ) -> list[SealedEvent]:
        """Read events of one session."""
        limit = max(limit, 0)
        if limit <= _DIRECT_ROWS:
            return await self._look_up(reads.read_events, stream, after, limit, backwards)
        return await self._read(reads.read_events, stream, after, limit, backwards)

    async def events_since(self, cursor: int, limit: int = 1000) -> list[FeedEvent]:
        """Read the commit-ordered feed of all sessions after a cursor."""
        return await self._read(reads.read_feed, cursor, max(limit, 0))

    async def feed_end(self) -> int:
        """The newest cursor of the feed."""
        return await self._look_up(reads.feed_end)

    async def heads_since(self, cursor: int, limit: int = 1000) -> list[Head]:
        """Where sessions with events after a cursor stand."""
        return await self._read(reads.heads_since, cursor, max(limit, 0))

    async def find(self, tenant: str, name: str) -> StreamRow | None:
        """Find a session by its name."""
        return await self._look_up(reads.find, tenant, name)

    async def stream_row(self, stream: int) -> StreamRow | None:
        """Read one session's row."""
        return await self._look_up(reads.stream_row, stream)

    async def list_streams(self, filter: Filter) -> Page:
        """List sessions, O(page)."""
        rows, place = await self._read(reads.list_streams, filter)
        return Page(rows=tuple(rows), cursor="" if place is None else common.cursor_of(*place))

    async def count_streams(self, filter: Filter) -> int:
        """Count sessions."""
        return await self._read(reads.count_streams, filter)

    # --- leases

    async def lease(self, stream: int) -> Lease:
        """Take the session for this node."""
        return await self._write(lambda transaction: transaction.lease(stream), urgent=True)

    async def release(self, stream: int, epoch: int) -> None:
        """Give the session back."""
        await self._write(lambda transaction: transaction.release(stream, epoch), urgent=True)

    # --- pending

    async def submit(self, row: PendingRow, *, urgent: bool = False) -> int:
        """Durably queue a row."""
        common.check_pending(row)
        return await self._write(lambda transaction: transaction.submit(row), urgent=urgent)

    async def pending(
        self,
        stream: int | None = None,
        kind: PendingKind | None = None,
        *,
        due_before_ms: int | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[PendingRow]:
        """Read waiting rows."""
        page = (after, max(limit, 0))
        return await self._read(reads.pending, stream, kind, due_before_ms, page)

    async def drop_pending(self, stream: int, kind: PendingKind, id: bytes) -> bool:
        """Remove a waiting row."""
        return await self._write(
            lambda transaction: transaction.drop_pending(stream, kind, id), urgent=True
        )

    async def command(self, stream: int, id: bytes) -> tuple[int, bytes] | None:
        """Version and digest of a carried-out command."""
        return await self._look_up(reads.command, stream, id, self._clock.now_ms())

    # --- blobs and snapshots

    async def put_blob(self, stream: int, blob: bytes, part: int, body: bytes) -> None:
        """Keep one sealed part, in its own transaction."""
        common.check_part(part, body)
        await self._write(
            lambda transaction: transaction.put_blob(stream, blob, part, body), bulk=True
        )

    async def get_blob(self, stream: int, blob: bytes, part: int) -> bytes:
        """Read one sealed part."""
        body = await self._read(reads.get_blob, stream, blob, part)
        if body is None:
            raise BlobNotFound()
        return body

    async def drop_blobs(self, stream: int, blob: bytes | None = None) -> int:
        """Remove one blob's parts or all of the stream's, a few at a time."""
        total = 0
        while True:
            dropped = await self._write(
                lambda transaction: transaction.drop_blobs(stream, blob, _ERASE_PARTS),
                bulk=True,
                urgent=True,
            )
            total += dropped
            if dropped < _ERASE_PARTS:
                return total

    async def put_snapshot(self, stream: int, snapshot: Snapshot) -> None:
        """Keep the session's newest snapshot."""
        await self._write(lambda transaction: transaction.put_snapshot(stream, snapshot), bulk=True)

    async def get_snapshot(self, stream: int) -> Snapshot | None:
        """Read the session's snapshot."""
        if not await self._look_up(reads.has_snapshot, stream):
            return None  # a short session has none: no thread for that
        return await self._read(reads.get_snapshot, stream)

    async def erase(self, stream: int) -> None:
        """Remove all of a wiped session but its row, events and command ids.

        When it returns, the rows are in neither the file nor its log. It may be
        called again after an error; `StoreBusy` means that a reader in another
        process still pins the log.
        """
        await self._write(lambda transaction: transaction.erase(stream), urgent=True)
        await self.drop_blobs(stream)
        await self._write(lambda _: self._forget_log(), bulk=True, urgent=True, outside=True)

    # --- counters, grants, traces, principals

    async def set_counter(self, id: str, limit: int | None) -> Counter:
        """Create a counter or change its limit."""
        return await self._write(lambda transaction: transaction.set_counter(id, limit))

    async def counter(self, id: str) -> Counter | None:
        """Read a counter."""
        return await self._look_up(read_counter, id)

    async def counters(self, ids: Sequence[str]) -> dict[str, Counter]:
        """Read those of these counters that exist, in one statement."""
        return await self._look_up(read_counters, tuple(ids)) if ids else {}

    async def put_grant(self, grant: Grant) -> int:
        """Write a grant row."""
        return await self._write(lambda transaction: transaction.put_grant(grant))

    async def drop_grant(self, scope: str, id: bytes) -> int:
        """Remove a grant row."""
        return await self._write(lambda transaction: transaction.drop_grant(scope, id), urgent=True)

    async def grants(self, scope: str) -> tuple[int, list[Grant]]:
        """The scope's revision and its rows."""
        return await self._look_up(reads.grants, scope)

    async def traces(self, stream: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Which of these keyed hashes the session remembers."""
        if len(hashes) <= _DIRECT_ROWS:
            return await self._look_up(reads.traces, stream, hashes)
        return await self._read(reads.traces, stream, hashes)

    async def principal(self, tenant: str, digest: bytes, sealed: bytes, fresh: int) -> int:
        """The pseudonym kept for a digest."""
        there = await self._look_up(reads.pseudonym, tenant, digest)
        if there is not None:
            return there
        return await self._write(
            lambda transaction: transaction.principal(tenant, digest, sealed, fresh)
        )

    async def principal_of(self, pseudonym: int) -> bytes | None:
        """The sealed name behind a pseudonym."""
        return await self._look_up(reads.principal_of, pseudonym)

    async def erase_principal(self, pseudonym: int) -> bool:
        """Forget who a pseudonym was."""
        return await self._write(
            lambda transaction: transaction.erase_principal(pseudonym), urgent=True
        )

    # --- the whole

    async def changed(self, timeout_s: float) -> bool:
        """Wait until another process or node committed something."""
        self._still_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        waiter = Job(run=lambda _: True, loop=loop, future=future)
        self._writer.watch(waiter)
        try:
            await asyncio.wait({future}, timeout=timeout_s)
            return future.done() and future.result()
        finally:
            self._writer.unwatch(waiter)
            future.cancel()

    async def health(self) -> Health:
        """Check that the store can be read and written."""
        self._still_open()
        ballast = self._parts.ballast
        facts = {
            "sqlite": apsw.sqlite_lib_version(),
            "node": self.node,
            "file_system": self._parts.file_system,
        }
        started = time.monotonic()
        try:
            await self._write(lambda transaction: transaction.probe())
            await self._read(reads.feed_end)
            with typed_errors():
                free = ballast.free_bytes()
                facts["ballast"] = "kept" if ballast.kept() else "given up"
                facts["checkpoint"] = self._writer.checkpoint_trouble or "ok"
        except StoreClosed:
            raise
        except HoldfastError as error:
            return Health(ok=False, detail=f"{error.reason}: {error.message}", facts=facts)
        latency_ms = (time.monotonic() - started) * 1000
        return Health(ok=True, latency_ms=latency_ms, free_bytes=free, facts=facts)

    async def verify_pages(self) -> list[str]:
        """Findings of SQLite's integrity check."""
        return await self._read(reads.verify_pages)

    async def aclose(self) -> None:
        """Finish what is queued, give up all leases and close; again is no matter."""
        if self._closing is None:
            self._closed = True
            self._closing = asyncio.ensure_future(self._close())
        # A cancelled caller does not leave a half-closed store behind.
        await asyncio.shield(self._closing)

    def abandon(self) -> None:
        """Drop everything as a crash would: leases and queued work are left behind.

        For tests of recovery; a program calls `aclose`.
        """
        self._closed = True
        self._writer.close(drop=True)
        self._writer.join(self._busy_s)
        self._pool.shutdown(wait=True)
        self._parts.close(keep_node_file=True)

    # --- inside

    def _still_open(self) -> None:
        if self._closed:
            raise StoreClosed()

    async def _write(
        self,
        run: Callable[[Transaction], T],
        *,
        urgent: bool = False,
        bulk: bool = False,
        outside: bool = False,
    ) -> T:
        """Have the writer do something, and wait for it."""
        self._still_open()
        return await self._enqueue(run, urgent=urgent, bulk=bulk, outside=outside)

    def _enqueue(
        self,
        run: Callable[[Transaction], T],
        *,
        urgent: bool = False,
        bulk: bool = False,
        outside: bool = False,
    ) -> asyncio.Future[T]:
        """Queue a job.

        Cancelling the future forgets the answer; the job stays queued and is
        carried out as a whole or not at all.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        job = Job(run=run, loop=loop, future=future, urgent=urgent, outside=outside)
        self._writer.put(job, bulk=bulk, wake=False)
        if self._waking is not loop:
            # All that this round of the loop queues goes into one transaction; and
            # a writer that is awake earlier contends for the interpreter's lock.
            self._waking = loop
            loop.call_soon(self._wake_writer)
        if self._watching is not loop:
            self._watching = loop
            loop.call_later(self._busy_s / 4, self._watch, loop)
        return future

    def _wake_writer(self) -> None:
        self._waking = None
        self._writer.wake()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail those who wait too long for another process; runs while work is queued."""
        if self._writer.expire(time.monotonic() - self._busy_s):
            loop.call_later(self._busy_s / 4, self._watch, loop)
        elif self._watching is loop:
            self._watching = None

    async def _read(
        self,
        function: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read on a thread."""
        self._still_open()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, lambda: self._read_now(function, *args, **kwargs)
        )

    async def _look_up(
        self,
        function: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read a few rows by an index, on the event loop: a thread costs ten times that."""
        self._still_open()
        if self._readers.would_wait():
            return await self._read(function, *args, **kwargs)
        return self._read_now(function, *args, **kwargs)

    def _read_now(
        self,
        function: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with self._readers.take() as connection:
            return function(connection, *args, **kwargs)

    def _forget_log(self) -> None:
        """Bring the log's pages into the file and cut it to nothing."""
        connection = self._parts.connection
        with self._readers.held_back(_CHECKPOINT_S):
            connection.set_busy_timeout(round(_CHECKPOINT_S * 1000))
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                connection.set_busy_timeout(round(self._busy_s * 1000))

    async def _close(self) -> None:
        released = self._enqueue(lambda transaction: transaction.release_all(), urgent=True)
        # A failure does no harm: leases end with the node's lock file, which goes now.
        with contextlib.suppress(HoldfastError):
            await released
        self._writer.close()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        if not self._writer.join(self._busy_s):
            self._parts.lease.close()
            raise StoreBusy("another process holds the writer lock; closed but for that")
        self._pool.shutdown(wait=True)
        self._parts.close()
