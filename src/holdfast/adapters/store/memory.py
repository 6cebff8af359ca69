"""`MemoryStore`: a working twin of the durable stores, without a disk.

Everything happens at once inside the call: no threads, no real time, so a run
with a seeded clock is reproducible. A `MemoryDisk` is what several openings
("processes") share; killing one leaves the others on the same data.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence

from holdfast.adapters.store import store_common as common
from holdfast.adapters.store.memory_disk import Done, MemoryDisk, Principal, Scope, Stream, matches
from holdfast.adapters.store.memory_tokens import MemoryTokens
from holdfast.core.errors import (
    AlreadyThere,
    BlobNotFound,
    CommandMismatch,
    Conflict,
    DuplicateCommand,
    Fenced,
    LeaseHeld,
    SessionExists,
    SessionNotFound,
    Stale,
    StoreClosed,
    StoreFull,
)
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.store import (
    Append,
    Counter,
    FeedEvent,
    Filter,
    Grant,
    Head,
    Health,
    IndexRow,
    Lease,
    Page,
    PendingKind,
    PendingRow,
    SealedEvent,
    Snapshot,
    StreamRow,
)

__all__ = ["MemoryDisk", "MemoryStore"]


class MemoryStore(MemoryTokens):
    """One opening of a `MemoryDisk`; see the store port for its contract.

    Args:
        disk: what is shared; a disk of its own without.
        node: name of this process; every opening gets a number behind it, so
            that a reopened node is not its dead predecessor.
        clock: time of day and sleeping.
    """

    def __init__(
        self, disk: MemoryDisk | None = None, *, node: str = "node", clock: Clock | None = None
    ) -> None:
        self.disk = disk if disk is not None else MemoryDisk()
        self._label = node
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._closed = False
        self._news = False
        self._waiters: list[asyncio.Future[bool]] = []
        self._node = self.disk.new_node(node)
        self.disk.join(self)

    @property
    def name(self) -> str:
        """Short name of the kind of store."""
        return "memory"

    @property
    def label(self) -> str:
        """The name this process was opened with."""
        return self._label

    @property
    def node(self) -> str:
        """This opening of the store."""
        return self._node

    # --- sessions and events

    async def create_stream(self, *, name: str, tenant: str, owner: int, first: Append) -> Lease:
        """Create a stream with its first events, leased to this node."""
        common.check_first(first)
        self._offer(first)
        self._writable(first.urgent)
        disk = self.disk
        key = (tenant, common.folded(name))
        if key in disk.names or first.stream in disk.streams:
            raise SessionExists()
        now = self._clock.now_ms()
        row = StreamRow(
            stream=first.stream,
            tenant=tenant,
            owner=owner,
            name=name,
            version=0,
            head=b"",
            epoch=1,
            node=self._node,
            index=IndexRow(state=0, created_ms=now, updated_ms=now, last_activity_ms=now),
        )
        stream = Stream(row)
        charged = self._test(first, stream)
        if disk.before_commit is not None:
            disk.before_commit(first)
        disk.streams[first.stream] = stream
        disk.names[key] = first.stream
        self._keep(first, stream, charged)
        return Lease(stream=first.stream, epoch=1, version=stream.row.version, head=stream.row.head)

    async def append(self, append: Append) -> bytes:
        """Append; returns the new head hash."""
        common.check_append(append)
        self._offer(append)
        self._writable(append.urgent)
        stream = self._stream(append.stream)
        charged = self._test(append, stream)
        if self.disk.before_commit is not None:
            self.disk.before_commit(append)
        return self._keep(append, stream, charged)

    async def read(
        self, stream: int, after: int = 0, limit: int = 1000, *, backwards: bool = False
    ) -> list[SealedEvent]:
        """Read events of one session; versions have no gap, so a version is a place."""
        self._open()
        found = self.disk.streams.get(stream)
        events = found.events if found is not None else []
        if not backwards:
            start = max(after, 0)
            return events[start : start + max(limit, 0)]
        end = min(after - 1, len(events)) if after > 0 else len(events)
        return events[max(0, end - max(limit, 0)) : max(end, 0)][::-1]

    async def events_since(self, cursor: int, limit: int = 1000) -> list[FeedEvent]:
        """Read the commit-ordered feed of all sessions after a cursor."""
        self._open()
        start = max(cursor, 0)
        return self.disk.feed[start : start + max(limit, 0)]

    async def feed_end(self) -> int:
        """The newest cursor of the feed."""
        self._open()
        return len(self.disk.feed)

    async def heads_since(self, cursor: int, limit: int = 1000) -> list[Head]:
        """Where sessions with events after a cursor stand."""
        self._open()
        return self.disk.heads_since(cursor, limit)

    async def find(self, tenant: str, name: str) -> StreamRow | None:
        """Find a session by its name."""
        self._open()
        stream = self.disk.names.get((tenant, common.folded(name)))
        return None if stream is None else self.disk.streams[stream].row

    async def stream_row(self, stream: int) -> StreamRow | None:
        """Read one session's row."""
        self._open()
        found = self.disk.streams.get(stream)
        return None if found is None else found.row

    async def list_streams(self, filter: Filter) -> Page:
        """List sessions; this store sorts them anew each time."""
        self._open()
        place = common.cursor_at(filter)
        size = common.page_size(filter)
        rows = sorted(
            (row for row in self._matching(filter) if place is None or _place(row) < place),
            key=_place,
            reverse=True,
        )
        page = tuple(rows[:size])
        return Page(rows=page, cursor=common.cursor_of(*_place(page[-1])) if rows[size:] else "")

    async def count_streams(self, filter: Filter) -> int:
        """Count sessions."""
        self._open()
        return sum(1 for _ in self._matching(filter))

    # --- leases

    async def lease(self, stream: int) -> Lease:
        """Take the session for this node."""
        self._writable(True)
        found = self._stream(stream)
        holder = found.row.node
        if holder is not None and holder != self._node and self.disk.alive(holder):
            raise LeaseHeld()
        found.row = dataclasses.replace(found.row, epoch=found.row.epoch + 1, node=self._node)
        self.disk.committed(self)
        row = found.row
        return Lease(stream=stream, epoch=row.epoch, version=row.version, head=row.head)

    async def release(self, stream: int, epoch: int) -> None:
        """Give the session back."""
        self._writable(True)
        found = self.disk.streams.get(stream)
        if found is None or found.row.node != self._node or found.row.epoch != epoch:
            return
        found.row = dataclasses.replace(found.row, node=None)
        self.disk.committed(self)

    # --- pending

    async def submit(self, row: PendingRow, *, urgent: bool = False) -> int:
        """Queue a row."""
        common.check_pending(row)
        self._writable(urgent)
        stream = self._stream(row.stream)
        if row.kind is PendingKind.COMMAND:
            done = self._done(stream, row.id)
            if done is not None:
                if done.digest != row.digest:
                    raise CommandMismatch()
                raise DuplicateCommand(done.version)
        there = self.disk.pending.get((row.stream, row.kind, row.id))
        if there is not None:
            if there.digest != row.digest:
                raise CommandMismatch()
            return there.seq
        if stream.row.name is None:
            raise SessionNotFound()  # wiped: nobody would ever take it up
        seq = self._wait_for(row)
        self.disk.committed(self)
        return seq

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
        self._open()
        rows = [
            row
            for row in self.disk.pending.values()
            if (stream is None or row.stream == stream)
            and row.seq > after
            and (kind is None or row.kind is kind)
            and (due_before_ms is None or (row.due_ms is not None and row.due_ms <= due_before_ms))
        ]
        if due_before_ms is None:
            rows.sort(key=lambda row: row.seq)
        else:
            rows.sort(key=lambda row: (row.due_ms or 0, row.seq))
        return rows[: max(limit, 0)]

    async def drop_pending(self, stream: int, kind: PendingKind, id: bytes) -> bool:
        """Remove a waiting row."""
        self._writable(True)
        dropped = self.disk.pending.pop((stream, kind, id), None) is not None
        self.disk.committed(self)
        return dropped

    async def command(self, stream: int, id: bytes) -> tuple[int, bytes] | None:
        """Version and digest of a carried-out command."""
        self._open()
        found = self.disk.streams.get(stream)
        done = None if found is None else self._done(found, id)
        return None if done is None else (done.version, done.digest)

    # --- blobs and snapshots

    async def put_blob(self, stream: int, blob: bytes, part: int, body: bytes) -> None:
        """Keep one sealed part."""
        common.check_part(part, body)
        self._writable(False)
        self._stream(stream).blobs[(blob, part)] = bytes(body)
        self.disk.committed(self)

    async def get_blob(self, stream: int, blob: bytes, part: int) -> bytes:
        """Read one sealed part."""
        self._open()
        found = self.disk.streams.get(stream)
        body = None if found is None else found.blobs.get((blob, part))
        if body is None:
            raise BlobNotFound()
        return body

    async def drop_blobs(self, stream: int, blob: bytes | None = None) -> int:
        """Remove one blob's parts or all of the stream's."""
        self._writable(True)
        found = self.disk.streams.get(stream)
        if found is None:
            return 0
        gone = [key for key in found.blobs if blob is None or key[0] == blob]
        for key in gone:
            del found.blobs[key]
        self.disk.committed(self)
        return len(gone)

    async def put_snapshot(self, stream: int, snapshot: Snapshot) -> None:
        """Keep the session's newest snapshot."""
        self._writable(False)
        found = self._stream(stream)
        there = found.snapshot
        if there is None or there.fold_id != snapshot.fold_id or there.version <= snapshot.version:
            found.snapshot = snapshot
        self.disk.committed(self)

    async def get_snapshot(self, stream: int) -> Snapshot | None:
        """Read the session's snapshot."""
        self._open()
        found = self.disk.streams.get(stream)
        return None if found is None else found.snapshot

    async def erase(self, stream: int) -> None:
        """Remove all of a wiped session but its row, its events and command ids."""
        self._writable(True)
        self._stream(stream).blobs.clear()
        self.disk.erase(stream)
        self.disk.committed(self)

    # --- counters, grants, traces, principals

    async def set_counter(self, id: str, limit: int | None) -> Counter:
        """Create a counter or change its limit."""
        self._writable(False)
        counter = common.with_limit(self.disk.counters.get(id), id, limit)
        self.disk.counters[id] = counter
        self.disk.committed(self)
        return counter

    async def counter(self, id: str) -> Counter | None:
        """Read a counter."""
        self._open()
        return self.disk.counters.get(id)

    async def counters(self, ids: Sequence[str]) -> dict[str, Counter]:
        """Read those of these counters that exist."""
        self._open()
        return {id: self.disk.counters[id] for id in ids if id in self.disk.counters}

    async def put_grant(self, grant: Grant) -> int:
        """Write a grant row."""
        self._writable(False)
        scope = self.disk.scopes.setdefault(grant.scope, Scope())
        scope.revision += 1
        scope.grants[grant.id] = dataclasses.replace(grant, revision=scope.revision)
        self.disk.committed(self)
        return scope.revision

    async def drop_grant(self, scope: str, id: bytes) -> int:
        """Remove a grant row."""
        self._writable(True)
        found = self.disk.scopes.setdefault(scope, Scope())
        found.revision += 1
        found.grants.pop(id, None)
        self.disk.committed(self)
        return found.revision

    async def grants(self, scope: str) -> tuple[int, list[Grant]]:
        """The scope's revision and its rows."""
        self._open()
        found = self.disk.scopes.get(scope)
        if found is None:
            return 0, []
        return found.revision, sorted(found.grants.values(), key=lambda grant: grant.id)

    async def traces(self, stream: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Which of these keyed hashes the session remembers."""
        self._open()
        found = self.disk.streams.get(stream)
        known = {} if found is None else found.traces
        return {hash: known[hash] for hash in hashes if hash in known}

    async def principal(self, tenant: str, digest: bytes, sealed: bytes, fresh: int) -> int:
        """The pseudonym kept for a digest."""
        self._open()
        there = self.disk.pseudonyms.get((tenant, digest))
        if there is not None:
            return there
        self._writable(False)
        if fresh in self.disk.principals:
            raise AlreadyThere("this pseudonym belongs to another principal")
        self.disk.pseudonyms[(tenant, digest)] = fresh
        self.disk.principals[fresh] = Principal(tenant, digest, sealed)
        self.disk.committed(self)
        return fresh

    async def principal_of(self, pseudonym: int) -> bytes | None:
        """The sealed name behind a pseudonym."""
        self._open()
        found = self.disk.principals.get(pseudonym)
        return None if found is None else found.sealed

    async def erase_principal(self, pseudonym: int) -> bool:
        """Forget who a pseudonym was."""
        self._writable(True)
        found = self.disk.principals.pop(pseudonym, None)
        if found is None:
            return False
        del self.disk.pseudonyms[(found.tenant, found.digest)]
        self.disk.committed(self)
        return True

    # --- the whole

    async def changed(self, timeout_s: float) -> bool:
        """Wait until another opening of the disk committed something."""
        self._open()
        if not self._news:
            future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
            alarm = asyncio.ensure_future(self._sleep(timeout_s))
            try:
                await asyncio.wait({future, alarm}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                alarm.cancel()
                if future in self._waiters:
                    self._waiters.remove(future)
                future.cancel()
        self._open()
        news, self._news = self._news, False
        return news

    async def health(self) -> Health:
        """Check that the store can be written."""
        self._open()
        if self.disk.full:
            return Health(ok=False, detail="the disk is full", free_bytes=0)
        return Health(ok=True, facts={"node": self._node})

    async def verify_pages(self) -> list[str]:
        """Find nothing: there are no pages."""
        self._open()
        return []

    async def aclose(self) -> None:
        """Give up all leases and close; again is no matter."""
        if self._closed:
            return
        for stream in self.disk.streams.values():
            if stream.row.node == self._node:
                stream.row = dataclasses.replace(stream.row, node=None)
        self.disk.committed(self)
        self.disk.forget(self)

    def wake(self) -> None:
        """Hear that another opening of the disk committed something."""
        self._news = True
        for future in self._waiters:
            if not future.done():
                future.set_result(True)

    def end(self) -> None:
        """Refuse every further call; the disk calls this."""
        self._closed = True
        for future in self._waiters:
            if not future.done():
                future.set_result(False)

    # --- inside

    async def _sleep(self, seconds: float) -> bool:
        await self._clock.sleep(seconds)
        return False

    def _open(self) -> None:
        if self._closed:
            raise StoreClosed()

    def _writable(self, urgent: bool) -> None:
        self._open()
        if self.disk.full and not urgent:
            raise StoreFull()

    def _offer(self, append: Append) -> None:
        self.disk.offered.extend(
            (append.stream, event.key_id, event.body) for event in append.events if event.key_id
        )

    def _told(self) -> None:
        self.disk.committed(self)

    def _stream(self, stream: int) -> Stream:
        found = self.disk.streams.get(stream)
        if found is None:
            raise SessionNotFound()
        return found

    def _test(self, append: Append, stream: Stream) -> dict[str, Counter]:
        """Test every condition in the contract's order; returns the counters after."""
        row = stream.row
        if row.epoch != append.epoch or row.node != self._node:
            raise Fenced()
        if row.version != append.expected_version:
            raise Conflict()
        for command in append.done:
            done = self._done(stream, command.id)
            if done is not None:
                if done.digest != command.digest:
                    raise CommandMismatch()
                raise DuplicateCommand(done.version)
            waiting = self.disk.pending.get((row.stream, PendingKind.COMMAND, command.id))
            if waiting is not None and waiting.digest != command.digest:
                raise CommandMismatch()
        for claim in append.asserts:
            scope = self.disk.scopes.get(claim.scope)
            if claim.revision != (0 if scope is None else scope.revision):
                raise Stale(claim.scope)
        return common.charge(append, self.disk.counters.get)

    def _keep(self, append: Append, stream: Stream, charged: dict[str, Counter]) -> bytes:
        """Keep all of a tested append; nothing in here can fail."""
        disk = self.disk
        now = self._clock.now_ms()
        for event in append.events:
            stream.events.append(event)
            disk.record(append.stream, event)
        version = append.expected_version + len(append.events)
        for command in append.done:
            stream.commands[command.id] = Done(command.digest, version, now)
            disk.pending.pop((append.stream, PendingKind.COMMAND, command.id), None)
        for kind, id in append.settled:
            disk.pending.pop((append.stream, kind, id), None)
        for row in append.pending:
            self._wait_for(row)
        for hash, source in append.traces:
            stream.traces.setdefault(hash, source)
        for change in append.grants:
            disk.change_grants(change)
        self._row_after(append, stream)
        disk.counters.update(charged)
        if append.drop_name:
            disk.erase(append.stream)
        disk.committed(self)
        if disk.after_commit is not None:
            disk.after_commit(append)
        return stream.row.head

    def _row_after(self, append: Append, stream: Stream) -> None:
        row = stream.row
        index = append.index if append.index is not None else row.index
        name, tenant, owner = row.name, row.tenant, row.owner
        if append.drop_name:
            if name is not None:
                del self.disk.names[(row.tenant, common.folded(name))]
            name, tenant, owner = None, "", 0
            index = dataclasses.replace(index, sealed=b"")
        stream.row = dataclasses.replace(
            row,
            name=name,
            tenant=tenant,
            owner=owner,
            index=index,
            version=append.expected_version + len(append.events),
            head=append.events[-1].hash if append.events else row.head,
        )

    def _wait_for(self, row: PendingRow) -> int:
        key = (row.stream, row.kind, row.id)
        there = self.disk.pending.get(key)
        if there is None:
            self.disk.seq += 1
        seq = self.disk.seq if there is None else there.seq
        created = row.created_ms or self._clock.now_ms()
        self.disk.pending[key] = dataclasses.replace(row, seq=seq, created_ms=created)
        return seq

    def _done(self, stream: Stream, id: bytes) -> Done | None:
        done = stream.commands.get(id)
        if done is None or done.time_ms < self._clock.now_ms() - common.COMMAND_KEPT_MS:
            return None
        return done

    def _matching(self, filter: Filter) -> Iterator[StreamRow]:
        for stream in self.disk.streams.values():
            if matches(stream.row, filter):
                yield stream.row


def _place(row: StreamRow) -> tuple[int, int]:
    return (row.index.updated_ms, row.stream)
