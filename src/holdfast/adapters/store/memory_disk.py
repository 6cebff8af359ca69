"""`MemoryDisk`: what several openings of `MemoryStore` share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from holdfast.ports.store import (
    Append,
    Counter,
    FeedEvent,
    Filter,
    Grant,
    GrantChange,
    Head,
    PendingKind,
    PendingRow,
    SealedEvent,
    Snapshot,
    StreamRow,
    counter_of,
    session_scope,
)

PendingKey = tuple[int, PendingKind, bytes]
"""Stream, kind and id of a waiting row."""


@dataclass(frozen=True, slots=True)
class Done:
    """A carried-out command."""

    digest: bytes
    version: int
    time_ms: int


@dataclass(slots=True)
class Stream:
    """All that one session has."""

    row: StreamRow
    events: list[SealedEvent] = field(default_factory=list)
    commands: dict[bytes, Done] = field(default_factory=dict)
    traces: dict[bytes, int] = field(default_factory=dict)
    blobs: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    snapshot: Snapshot | None = None


@dataclass(slots=True)
class Scope:
    """A scope's grants and their revision."""

    revision: int = 0
    grants: dict[bytes, Grant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is behind a pseudonym."""

    tenant: str
    digest: bytes
    sealed: bytes


class Opening(Protocol):
    """One process that has the disk open."""

    @property
    def label(self) -> str:
        """The name it was opened with."""
        ...

    @property
    def node(self) -> str:
        """The name nobody else ever has."""
        ...

    def wake(self) -> None:
        """Hear that another process committed something."""
        ...

    def end(self) -> None:
        """Refuse every further call."""
        ...


class MemoryDisk:
    """What openings of `MemoryStore` share, with hooks for faults.

    Attributes:
        offered: (stream, key id, body) of every ciphertext ever handed to an
            append, committed or not; events in clear (key 0) are left out.
        before_commit: called with each append before anything is kept; what it
            raises reaches the caller and nothing is kept.
        after_commit: called with each append after it is kept; what it raises
            reaches the caller: a lost acknowledgement.
        full: the disk is full; only what is urgent still fits.
        node_count: how many openings there have been.

    The other attributes are the stored data.
    """

    def __init__(self) -> None:
        self.offered: list[tuple[int, int, bytes]] = []
        self.before_commit: Callable[[Append], None] | None = None
        self.after_commit: Callable[[Append], None] | None = None
        self.full = False
        self.node_count = 0
        self.streams: dict[int, Stream] = {}
        self.names: dict[tuple[str, str], int] = {}
        self.feed: list[FeedEvent] = []
        self.newest: dict[int, int] = {}
        self.pending: dict[PendingKey, PendingRow] = {}
        self.seq = 0
        self.counters: dict[str, Counter] = {}
        self.scopes: dict[str, Scope] = {}
        self.principals: dict[int, Principal] = {}
        self.pseudonyms: dict[tuple[str, bytes], int] = {}
        self.tokens: object = None  # made by `memory_tokens` when the first is kept
        self._openings: list[Opening] = []

    def record(self, stream: int, event: SealedEvent) -> None:
        """Put an event at the feed's end."""
        self.feed.append(FeedEvent(cursor=len(self.feed) + 1, stream=stream, event=event))
        self.newest.pop(stream, None)
        self.newest[stream] = len(self.feed)  # in the order of their newest events

    def heads_since(self, cursor: int, limit: int) -> list[Head]:
        """Where sessions stand that changed after a cursor, by their newest event."""
        changed = itertools.takewhile(lambda at: at[1] > cursor, reversed(self.newest.items()))
        found = [
            Head(cursor=at, stream=stream, version=row.version, hash=row.head)
            for stream, at in changed
            for row in (self.streams[stream].row,)
        ]
        return found[::-1][: max(limit, 0)]

    def kill(self, node: str) -> None:
        """End processes without a word: their calls fail, their leases are takeable.

        Args:
            node: a store's `node`, or the name it was opened with.
        """
        for opening in list(self._openings):
            if node in (opening.node, opening.label):
                self.forget(opening)

    def alive(self, node: str) -> bool:
        """Tell whether a node is open."""
        return any(opening.node == node for opening in self._openings)

    def join(self, opening: Opening) -> None:
        """Add an opening."""
        self._openings.append(opening)

    def new_node(self, label: str) -> str:
        """Return a node name that nobody had before."""
        self.node_count += 1
        return f"{label}.{self.node_count}"

    def forget(self, opening: Opening) -> None:
        """Remove an opening and end it."""
        if opening in self._openings:
            self._openings.remove(opening)
        opening.end()

    def change_grants(self, change: GrantChange) -> None:
        """Write or remove a grant, or all of a scope; its revision goes up by one."""
        scope = self.scopes.setdefault(change.scope, Scope())
        scope.revision += 1
        if change.body is not None:
            scope.grants[change.id] = Grant(
                scope=change.scope, id=change.id, body=change.body, revision=scope.revision
            )
        elif change.id:
            scope.grants.pop(change.id, None)
        else:
            scope.grants.clear()

    def erase(self, stream: int) -> None:
        """Remove all of a wiped session but its row, events, command ids and blobs."""
        found = self.streams[stream]
        found.snapshot = None
        found.traces.clear()
        index = replace(found.row.index, tokens=frozenset())
        found.row = replace(found.row, index=index)
        for key in [key for key in self.pending if key[0] == stream]:
            del self.pending[key]
        self.erase_scope(session_scope(stream))

    def erase_scope(self, scope: str) -> None:
        """Remove a scope's grants, and the counters of it on which nothing is held."""
        found = self.scopes.get(scope)
        uses = {f"grant:{id.hex()}" for id in found.grants} if found is not None else set()
        mine = counter_of(scope, "")
        for name in [name for name in self.scopes if name == scope or name.startswith(mine)]:
            self.change_grants(GrantChange(scope=name, id=b"", body=None))
        gone = [
            id
            for id, counter in self.counters.items()
            if (id.startswith(mine) or id in uses) and not counter.held
        ]
        for id in gone:
            del self.counters[id]

    def committed(self, by: Opening) -> None:
        """Tell all other openings that one has committed."""
        for opening in self._openings:
            if opening is not by:
                opening.wake()


def matches(row: StreamRow, filter: Filter) -> bool:
    """Whether a listing with a filter has a session."""
    index = row.index
    return (
        (filter.tenant is None or row.tenant == filter.tenant)
        and (not filter.states or index.state in filter.states)
        and (filter.owner is None or row.owner == filter.owner)
        and (filter.parent is None or index.parent == filter.parent)
        and filter.tokens <= index.tokens
        and index.sensitivity >= filter.min_sensitivity
        and (filter.updated_before_ms is None or index.updated_ms < filter.updated_before_ms)
        and (filter.include_hidden or not index.hidden)
    )
