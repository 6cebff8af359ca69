"""The store port: where sealed events, the index and everything owed are kept.

The store sees no plaintext of a person, a model or a tool: bodies, pending
payloads and index blobs come sealed. It is the only thing that orders.

Contract of `append` (contract 4.2)
- `append(stream, expected_version, epoch, …) → head`. All or nothing for this
  session; other sessions of the same group commit are unaffected.
- Every condition is tested before anything is written, in this order:
  epoch → `Fenced`; version → `Conflict`; done → `DuplicateCommand` or
  `CommandMismatch`; asserts → `Stale(scope)`; takes → `CounterRefused(counter)`.
- Durable when it returns. Once queued it is not cancellable: a cancelled caller
  still gets its events in, or not, as a whole.
- Counters are touched last, in id order: the new limits of an append first, then
  its settles, then its takes. A take or a settle on an unknown counter that names no limit, and
  a settle of more than is held, are `CounterRefused` as well. What was
  used is a fact: it may be more than was held, and may pass the limit; then
  nothing more can be taken.
- The scope `session_scope(stream)`, the scopes and counters `counter_of(scope, …)` of it
  and the counters `grant:<id, hex>` of its grants are the session's own: `erase` removes them.
- An append to a session that is not leased by this opening is `Fenced`, one to
  an unknown stream is `SessionNotFound`.
- `events_since` is commit-ordered and never skips: a cursor once returned has
  everything before it.
- No read transaction outlives one page.
- A lease belongs to the process (the node), not to a session: `lease` marks the
  session with this node and raises its epoch, if the session's node is dead or
  is this one; else `LeaseHeld`. A dead node is known without waiting where the
  operating system tells (flock), else by the database's clock.

All methods may raise `StoreFull`, `StoreReadOnly`, `StoreBusy`, `CorruptStore`
and `StoreClosed`; nothing is dropped or replaced in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from holdfast.ports.tokens import TokenStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEvent:
    """One event as stored. `body` is nonce and ciphertext, or clear if key 0.

    Args:
        version: 1, 2, 3 … without a gap.
        kind: the event's kind code; bit 0x8000 means must-understand.
        time_ms: milliseconds since 1970, never before the event before.
        actor: pseudonym of the principal, a random 63-bit number.
        key_id: number of the data key; 0 means the body is in clear.
        epoch: lease epoch of the writer.
        hash: SHA-256 of the chain up to here.
    """

    version: int
    kind: int
    time_ms: int
    actor: int
    key_id: int
    epoch: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """One event of the commit-ordered feed over all sessions."""

    cursor: int
    stream: int
    event: SealedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a session stands; `cursor` is its newest event's place in the feed."""

    cursor: int
    stream: int
    version: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """What the index keeps of a session; clear columns only as contract 1.9 allows.

    Args:
        state: lifecycle code.
        sensitivity: 0 to 4.
        created_ms, updated_ms, last_activity_ms: times.
        messages, turns, tool_calls: counts.
        sealed: title, tags, user, workspace … sealed under the session's key.
        tokens: blind tokens (keyed hashes, 16 bytes) for equality filters.
        parent: stream of the parent or fork origin, or 0.
        hidden: destroyed sessions leave listings and keep a tombstone.
    """

    state: int
    sensitivity: int = 1
    created_ms: int = 0
    updated_ms: int = 0
    last_activity_ms: int = 0
    messages: int = 0
    turns: int = 0
    tool_calls: int = 0
    sealed: bytes = b""
    tokens: frozenset[bytes] = frozenset()
    parent: int = 0
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """A session as the store knows it. `name` is None after a wipe."""

    stream: int
    tenant: str
    owner: int
    name: str | None
    version: int
    head: bytes
    epoch: int
    node: str | None
    index: IndexRow


def session_scope(stream: int) -> str:
    """The scope of a session's own grants and counters; it goes when the session is erased."""
    return f"s{stream:x}"


def counter_of(scope: str, name: str) -> str:
    """The id of one of a scope's counters, as short as its parts."""
    return f"{scope}.{name}"


class PendingKind(StrEnum):
    """What may wait in the pending table (contract 1.11)."""

    COMMAND = "command"
    QUESTION = "question"
    EXTERNAL = "external"
    TIMER = "timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRow:
    """One thing that waits. `seq` gives the order of arrival; 0 before it is kept.

    Args:
        id: unique within (stream, kind); 16 bytes.
        digest: keyed hash of the payload; the same id with another digest is
            refused with `CommandMismatch`.
        principal: pseudonym of who put it there.
        due_ms: when it falls due, or None.
        claim: who works on it, or None.
        payload: sealed.
    """

    stream: int
    kind: PendingKind
    id: bytes
    payload: bytes = b""
    digest: bytes = b""
    principal: int = 0
    due_ms: int | None = None
    claim: str | None = None
    seq: int = 0
    created_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDone:
    """Marks a command as carried out by the append it goes with.

    A matching pending row is removed; one with another digest is a
    `CommandMismatch`. The id is kept with the version for seven
    days (contract 1.11): the same id and digest again is `DuplicateCommand`,
    the same id and another digest `CommandMismatch`.
    """

    id: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Reserve `amount` on a counter: used + held + amount ≤ limit, or refused.

    Args:
        limit: a counter that does not exist is made with this limit first; None
            means that an unknown counter refuses.
    """

    counter: str
    amount: int
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantChange:
    """Write or remove a grant row together with the event that says so.

    The scope's revision goes up by one for each change.

    Args:
        body: sealed; None removes the row, and with an empty id all of the scope.
    """

    scope: str
    id: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Turn a reservation of `held` into `used` actually used (release: used 0).

    Args:
        limit: as of `Take`, for a bill that nothing was held for.
    """

    counter: str
    held: int
    used: int
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLimit:
    """Give a counter another limit together with the event that says so.

    What is used and held stays; a counter that does not exist is made.

    Args:
        limit: None means unlimited.
    """

    counter: str
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assert:
    """The decision relied on this revision of a scope's grants."""

    scope: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One account. `limit` None means unlimited.

    Args:
        revision: goes up whenever the limit changes.
    """

    id: str
    limit: int | None
    used: int = 0
    held: int = 0
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """All that one append asks for; see the contract above.

    Args:
        events: may be empty; then only the rest is written.
        pending: rows to add; an existing (kind, id) is replaced and keeps its
            place. They are written after `done` and `settled` removed theirs.
        settled: (kind, id) of pending rows to remove.
        index: the session's new index row, or None to leave it.
        traces: keyed hashes to remember for the session, with their source.
            A hash that is already there keeps its first source.
        limits: new limits of counters; they hold for the takes of this append.
        grants: rows of the grants table to write or remove. They are written after
            the asserts were tested, so that an append may change what it relied on.
        drop_name: the session's name, tenant, owner and index blob are erased (wipe), and
            with them what `erase` removes beside blobs: a crash leaves nothing that waits.
        urgent: it carries an outcome, a cancel or a lifecycle event, and may
            use the room kept free for those on a full disk (contract 2.21).
    """

    stream: int
    expected_version: int
    epoch: int
    events: tuple[SealedEvent, ...]
    takes: tuple[Take, ...] = ()
    settles: tuple[Settle, ...] = ()
    asserts: tuple[Assert, ...] = ()
    pending: tuple[PendingRow, ...] = ()
    settled: tuple[tuple[PendingKind, bytes], ...] = ()
    done: tuple[CommandDone, ...] = ()
    index: IndexRow | None = None
    traces: tuple[tuple[bytes, int], ...] = ()
    drop_name: bool = False
    urgent: bool = False
    grants: tuple[GrantChange, ...] = ()
    limits: tuple[NewLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to append to a session.

    Args:
        epoch: fencing token, checked by every append.
        version, head: where the stream stands.
        grace_s: how long a former holder may still be acting; 0 where its
            death is proved by the operating system.
        margin_s: seconds the lease is still good for on the monotonic clock;
            None means as long as the process lives.
    """

    stream: int
    epoch: int
    version: int
    head: bytes
    grace_s: float = 0.0
    margin_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A cached fold; wrong `fold_id` or `head` means it is ignored."""

    version: int
    head: bytes
    fold_id: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which sessions a listing wants; empty means all of the tenant.

    Args:
        tokens: all of these blind tokens must be present.
        updated_before_ms: only those in which nothing happened at that time or later.
        cursor: opaque, from the page before.

    Order: newest `updated` first, ties by stream, highest first. A session that
    is updated while somebody pages is seen at most once.
    """

    tenant: str | None = None
    states: frozenset[int] = frozenset()
    owner: int | None = None
    parent: int | None = None
    tokens: frozenset[bytes] = frozenset()
    min_sensitivity: int = 0
    updated_before_ms: int | None = None
    include_hidden: bool = False
    cursor: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a listing; `cursor` is empty at the end."""

    rows: tuple[StreamRow, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One row of the grants table; `body` is sealed by its owner."""

    scope: str
    id: bytes
    body: bytes
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a store says of itself."""

    ok: bool
    detail: str = ""
    latency_ms: float = 0.0
    free_bytes: int | None = None
    facts: dict[str, str] = field(default_factory=dict)


class Store(TokenStore, Protocol):
    """One store; see the module's contract."""

    @property
    def name(self) -> str:
        """Short name of the kind of store: memory, sqlite, postgres."""
        ...

    @property
    def node(self) -> str:
        """This opening of the store; the holder of its leases."""
        ...

    # --- sessions and events
    async def create_stream(self, *, name: str, tenant: str, owner: int, first: Append) -> Lease:
        """Create a stream with its first events, leased to this node (epoch 1).

        `first.expected_version` is 0 and `first.epoch` is 1.

        Raises:
            SessionExists: the name is taken (case-folded, per tenant).
        """
        ...

    async def append(self, append: Append) -> bytes:
        """Append; returns the new head hash. See the module's contract."""
        ...

    async def read(
        self, stream: int, after: int = 0, limit: int = 1000, *, backwards: bool = False
    ) -> list[SealedEvent]:
        """Read events with version > `after`, in order.

        Backwards: version < `after` (0 means from the end), newest first.
        """
        ...

    async def events_since(self, cursor: int, limit: int = 1000) -> list[FeedEvent]:
        """Read the commit-ordered feed of all sessions after a cursor."""
        ...

    async def feed_end(self) -> int:
        """The newest cursor of the feed."""
        ...

    async def heads_since(self, cursor: int, limit: int = 1000) -> list[Head]:
        """Where sessions with events after a cursor stand, by their newest event; O(page)."""
        ...

    async def find(self, tenant: str, name: str) -> StreamRow | None:
        """Find a session by its name (case-folded)."""
        ...

    async def stream_row(self, stream: int) -> StreamRow | None:
        """Read one session's row."""
        ...

    async def list_streams(self, filter: Filter) -> Page:
        """List sessions, O(page)."""
        ...

    async def count_streams(self, filter: Filter) -> int:
        """Count sessions (cursor and limit are ignored)."""
        ...

    # --- leases
    async def lease(self, stream: int) -> Lease:
        """Take the session for this node; its epoch goes up.

        Raises:
            LeaseHeld: another live node has it.
            SessionNotFound: no such stream.
        """
        ...

    async def release(self, stream: int, epoch: int) -> None:
        """Give the session back; nothing happens if it is not ours any more."""
        ...

    # --- pending
    async def submit(self, row: PendingRow, *, urgent: bool = False) -> int:
        """Durably queue a row; returns its seq. The same id and digest again is a
        no-op that returns the first seq; if it was carried out already,
        `DuplicateCommand`; another digest is `CommandMismatch`. `urgent` as in
        `Append` (a cancel, for instance).

        Raises:
            SessionNotFound: no such stream, or its session is wiped.
        """
        ...

    async def pending(
        self,
        stream: int | None = None,
        kind: PendingKind | None = None,
        *,
        due_before_ms: int | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[PendingRow]:
        """Read waiting rows in order of seq; with `due_before_ms` only those due
        at or before it, in order of due time. `after` leaves out all up to that
        seq: the last one of a page leads to the next."""
        ...

    async def drop_pending(self, stream: int, kind: PendingKind, id: bytes) -> bool:
        """Remove a waiting row; False if there was none."""
        ...

    async def command(self, stream: int, id: bytes) -> tuple[int, bytes] | None:
        """Version and digest of a carried-out command, or None."""
        ...

    # --- blobs and snapshots
    async def put_blob(self, stream: int, blob: bytes, part: int, body: bytes) -> None:
        """Keep one sealed part (≤ 1 MiB and overhead) in its own transaction."""
        ...

    async def get_blob(self, stream: int, blob: bytes, part: int) -> bytes:
        """Read one sealed part.

        Raises:
            BlobNotFound: it is not there.
        """
        ...

    async def drop_blobs(self, stream: int, blob: bytes | None = None) -> int:
        """Remove one blob's parts or, with None, all of the stream's."""
        ...

    async def put_snapshot(self, stream: int, snapshot: Snapshot) -> None:
        """Keep the session's newest snapshot (a cache); an older one of the same
        fold is ignored."""
        ...

    async def get_snapshot(self, stream: int) -> Snapshot | None:
        """Read the session's snapshot."""
        ...

    async def erase(self, stream: int) -> None:
        """Remove snapshot, blobs, traces, pending rows, blind tokens, grants and
        counters of a wiped session, and make the file forget them; events stay
        (sealed). A counter on which a child still holds something stays."""
        ...

    # --- counters, grants, traces, principals
    async def set_counter(self, id: str, limit: int | None) -> Counter:
        """Create a counter or change its limit (used and held stay)."""
        ...

    async def counter(self, id: str) -> Counter | None:
        """Read a counter."""
        ...

    async def counters(self, ids: Sequence[str]) -> dict[str, Counter]:
        """Read those of these counters that exist, as of one moment."""
        ...

    async def put_grant(self, grant: Grant) -> int:
        """Write a grant row; the scope's revision goes up and is returned."""
        ...

    async def drop_grant(self, scope: str, id: bytes) -> int:
        """Remove a grant row; the scope's revision goes up and is returned."""
        ...

    async def grants(self, scope: str) -> tuple[int, list[Grant]]:
        """The scope's revision (0 if never written) and its rows."""
        ...

    async def traces(self, stream: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
        """Which of these keyed hashes the session remembers, with their source."""
        ...

    async def principal(self, tenant: str, digest: bytes, sealed: bytes, fresh: int) -> int:
        """The pseudonym kept for a digest; `fresh` is kept if there is none."""
        ...

    async def principal_of(self, pseudonym: int) -> bytes | None:
        """The sealed name behind a pseudonym, or None once it was erased."""
        ...

    async def erase_principal(self, pseudonym: int) -> bool:
        """Forget who a pseudonym was."""
        ...

    # --- the whole
    async def changed(self, timeout_s: float) -> bool:
        """Wait until another process or node committed something; False on time-out.

        Commits since the last call count, so nothing is missed between calls of
        one waiter; now and then it may return True for nothing.
        """
        ...

    async def health(self) -> Health:
        """Check that the store can be read and written."""
        ...

    async def verify_pages(self) -> list[str]:
        """Findings of the database's own integrity check; empty is good."""
        ...

    async def aclose(self) -> None:
        """Finish what is queued, give up all leases and close."""
        ...
