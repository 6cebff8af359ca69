"""The journal: one session's log as the engine sees it, over sealed rows.

It seals and opens events, moves large payloads to blobs, keeps the chain's head
and settles appends whose acknowledgement was lost (contract 2.3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from holdfast.core.errors import (
    ChainBroken,
    Conflict,
    StoreClosed,
    StoreFull,
    StoreReadOnly,
    Unavailable,
    Unreadable,
)
from holdfast.core.events import IN_CLEAR, Event, Opened
from holdfast.core.view import Recorded
from holdfast.ports.clock import Clock
from holdfast.ports.keys import Keys
from holdfast.ports.store import (
    Append,
    Assert,
    CommandDone,
    GrantChange,
    IndexRow,
    Lease,
    NewLimit,
    PendingKind,
    PendingRow,
    SealedEvent,
    Settle,
    Store,
    Take,
)
from holdfast.runtime.codec import decode_event, encode_event
from holdfast.runtime.envelope import (
    GENESIS,
    Crypto,
    Header,
    encoded_header,
    header_of,
    open_clear,
    seal_clear,
    sealed_event,
    stored_hash,
)

INLINE_BYTES_MAX = 256 * 1024
PART_BYTES = 1024 * 1024
PAGE = 1000
_BLOB_MARK = b'{"$blob":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What goes with an append beside its events."""

    done: tuple[CommandDone, ...] = ()
    pending: tuple[PendingRow, ...] = ()
    settled: tuple[tuple[PendingKind, bytes], ...] = ()
    asserts: tuple[Assert, ...] = ()
    index: IndexRow | None = None
    urgent: bool = False
    drop_name: bool = False
    takes: tuple[Take, ...] = ()
    settles: tuple[Settle, ...] = ()
    grants: tuple[GrantChange, ...] = ()
    limits: tuple[NewLimit, ...] = ()


@dataclass(slots=True, kw_only=True)
class Journal:
    """One session's log.

    Args:
        crypto: None once the key is destroyed; then only clear events open.
        version, head, epoch: where the stream stands and our lease on it.
    """

    store: Store
    keys: Keys
    clock: Clock
    stream: int
    crypto: Crypto | None
    version: int = 0
    head: bytes = GENESIS
    epoch: int = 0
    bytes_written: int = 0
    _public: bytes = field(default=b"")

    # --- writing ---------------------------------------------------------------

    async def seal(
        self, events: Sequence[tuple[Event, int]], *, now_ms: int
    ) -> tuple[SealedEvent, ...]:
        """Seal (event, actor) pairs for the versions after the head; remembers nothing."""
        rows: list[SealedEvent] = []
        previous, version = self.head, self.version
        for event, actor in events:
            version += 1
            kind, payload = encode_event(event)
            clear = type(event) in IN_CLEAR
            # A stream that does not exist yet has no place for parts.
            if not clear and self.version and len(payload) > INLINE_BYTES_MAX:
                payload = await self._to_blob(payload)
            header = Header(
                stream=self.stream,
                version=version,
                kind=kind,
                time_ms=now_ms,
                actor=actor,
                key_id=0 if clear else self._open_crypto().key_id,
                epoch=self.epoch,
            )
            if clear:
                row = sealed_event(header, seal_clear(header, payload, self.keys.sign), previous)
            else:
                row = self._open_crypto().seal_event(header, payload, previous)
            rows.append(row)
            previous = row.hash
        return tuple(rows)

    async def append(
        self, events: Sequence[tuple[Event, int]], *, now_ms: int, extras: Extras
    ) -> None:
        """Append (event, actor) pairs; on return they are durable and the head has moved.

        Raises:
            WriteRefused, Unavailable: as the store port says; the head stays.
        """
        rows = await self.seal(events, now_ms=now_ms)
        request = Append(
            stream=self.stream,
            expected_version=self.version,
            epoch=self.epoch,
            events=rows,
            done=extras.done,
            pending=extras.pending,
            settled=extras.settled,
            asserts=extras.asserts,
            index=extras.index,
            urgent=extras.urgent,
            drop_name=extras.drop_name,
            takes=extras.takes,
            settles=extras.settles,
            grants=extras.grants,
            limits=extras.limits,
        )
        try:
            await self.store.append(request)
        except (StoreFull, StoreReadOnly, StoreClosed):
            raise
        except (Conflict, Unavailable, OSError):
            if not await self._is_ours(rows):
                raise
        self.version = rows[-1].version
        self.head = rows[-1].hash
        self.bytes_written += sum(len(row.body) for row in rows)

    async def _is_ours(self, rows: Sequence[SealedEvent]) -> bool:
        """After a lost acknowledgement: is the stored row the one we sent?"""
        stored = await self.store.read(self.stream, rows[-1].version - 1, 1)
        return bool(stored) and stored[0].hash == rows[-1].hash

    def adopt(self, lease: Lease) -> None:
        """Stand where a lease says."""
        self.version, self.head, self.epoch = lease.version, lease.head, lease.epoch

    # --- reading ---------------------------------------------------------------

    async def open(self, row: SealedEvent, header: bytes = b"") -> Recorded:
        """Open one stored event.

        Args:
            header: its encoded header, if it is at hand.

        Raises:
            Unreadable: it is not what was written, or its key is destroyed.
            NewerProgram: it needs a newer program.
        """
        payload = await self.payload(row, header)
        return Recorded(
            version=row.version,
            time_ms=row.time_ms,
            event=decode_event(row.kind, payload),
            actor=row.actor,
            epoch=row.epoch,
        )

    async def payload(self, row: SealedEvent, header: bytes = b"") -> bytes:
        """The payload of one stored event, as it was written; a large one is fetched.

        Raises:
            Unreadable: it is not what was written, or its key is destroyed.
            BlobNotFound: a part of a large one is missing.
        """
        if row.key_id == 0:
            return open_clear(header_of(self.stream, row), row.body, self._public_key())
        if self.crypto is None:
            raise Unreadable(f"event {row.version}: the session's key is destroyed")
        payload = self.crypto.open_stored(header or encoded_header(self.stream, row), row)
        return await self._from_blob(payload) if payload.startswith(_BLOB_MARK) else payload

    async def replay(
        self, after: int = 0, head: bytes = GENESIS, *, until: int | None = None
    ) -> AsyncIterator[Recorded]:
        """Read events in order and verify the chain on the way.

        Args:
            after: version to start behind; `head` is the hash there.

        Raises:
            ChainBroken: a row is missing, altered or out of place.
        """
        previous = head
        version = after
        while until is None or version < until:
            wanted = PAGE if until is None else min(PAGE, until - version)
            rows = await self.store.read(self.stream, version, wanted)
            for row in rows:
                if row.version != version + 1:
                    raise ChainBroken(f"event {version + 1} is missing")
                header = encoded_header(self.stream, row)
                if stored_hash(previous, header, row) != row.hash:
                    raise ChainBroken(f"event {row.version} does not fit the chain")
                yield await self.open(row, header)
                previous, version = row.hash, row.version
                if version == until:
                    return
            if len(rows) < wanted:
                return

    async def event_at(self, version: int) -> Recorded:
        """Read one event.

        Raises:
            Unreadable: it is not there or not readable.
        """
        rows = await self.store.read(self.stream, version - 1, 1)
        if not rows or rows[0].version != version:
            raise Unreadable(f"event {version} is missing")
        return await self.open(rows[0])

    # --- blobs -----------------------------------------------------------------

    async def put_blob(self, data: bytes, id: bytes | None = None) -> tuple[bytes, int, str]:
        """Keep bytes as sealed parts; returns id, number of parts, digest.

        The id is random and the digest is of ciphertext (contract 2.8).

        Args:
            id: the id to keep them under, when it was drawn before.
        """
        crypto = self._open_crypto()
        blob = id or self.clock.random_bytes(16)
        digest = hashlib.sha256()
        count = 0
        for start in range(0, max(1, len(data)), PART_BYTES):
            piece = data[start : start + PART_BYTES]
            sealed = crypto.seal_box("blob", (self.stream, blob, count), piece)
            digest.update(sealed)
            await self.store.put_blob(self.stream, blob, count, sealed)
            count += 1
        return blob, count, digest.hexdigest()

    async def get_blob(self, blob: bytes, parts: int, sha256: str | None = None) -> bytes:
        """Read a blob back.

        Raises:
            BlobNotFound: a part is missing.
            Unreadable: a part is not what was written.
        """
        crypto = self._open_crypto()
        digest = hashlib.sha256()
        pieces: list[bytes] = []
        for part in range(parts):
            sealed = await self.store.get_blob(self.stream, blob, part)
            digest.update(sealed)
            pieces.append(crypto.open_box("blob", (self.stream, blob, part), sealed))
        if sha256 is not None and digest.hexdigest() != sha256:
            raise Unreadable("a large payload is not the one its event names")
        return b"".join(pieces)

    async def _to_blob(self, payload: bytes) -> bytes:
        blob, parts, digest = await self.put_blob(payload)
        facts = {"$blob": blob.hex(), "parts": parts, "sha256": digest, "size": len(payload)}
        return json.dumps(facts, separators=(",", ":")).encode()

    async def _from_blob(self, payload: bytes) -> bytes:
        facts = json.loads(payload)
        return await self.get_blob(bytes.fromhex(facts["$blob"]), facts["parts"], facts["sha256"])

    # --- keys ------------------------------------------------------------------

    def _open_crypto(self) -> Crypto:
        if self.crypto is None:
            raise Unreadable("the session's key is destroyed")
        return self.crypto

    def _public_key(self) -> bytes:
        if not self._public:
            self._public = self.keys.audit_public_key
        return self._public


def check_commitment(opened: Opened, crypto: Crypto, installation: bytes) -> None:
    """Check that event 1 was written under this key and installation (contract 1.3).

    Raises:
        ChainBroken: it was not.
    """
    if opened.commitment != crypto.commitment.hex():
        raise ChainBroken("event 1 commits to another key")
    if opened.installation != installation.hex():
        raise ChainBroken("event 1 names another installation")
