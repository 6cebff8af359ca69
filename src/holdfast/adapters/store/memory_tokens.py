"""Tokens in the memory store: rows, digests, the agents' epochs and the chain of events."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from holdfast.adapters.store.memory_disk import MemoryDisk
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


@dataclass(slots=True)
class TokenTables:
    """What a disk keeps of tokens."""

    rows: dict[bytes, TokenRow] = field(default_factory=dict)
    digests: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    agents: dict[tuple[str, int], int] = field(default_factory=dict)
    events: list[TokenEvent] = field(default_factory=list)
    epoch: int = 0

    def note(self, row: TokenRow, kind: TokenChange, doing: Doing, why: str = "") -> None:
        """Keep a row, and the event that says what became of it."""
        self.rows[row.id] = row
        self.events.append(event_behind(self.head, row, kind, doing, why))

    @property
    def head(self) -> tuple[int, bytes]:
        """Number and hash of the newest event."""
        return (self.events[-1].seq, self.events[-1].hash) if self.events else NO_EVENT


class MemoryTokens:
    """The part of `MemoryStore` that keeps tokens."""

    disk: MemoryDisk

    @abstractmethod
    def _open(self) -> None:
        """Refuse if the store is closed."""

    @abstractmethod
    def _writable(self, urgent: bool) -> None:
        """Refuse if nothing can be written."""

    @abstractmethod
    def _told(self) -> None:
        """Tell the other openings that something was committed."""

    @property
    def _tables(self) -> TokenTables:
        if self.disk.tokens is None:
            self.disk.tokens = TokenTables()
        tables = self.disk.tokens
        assert isinstance(tables, TokenTables), "nothing else is kept there"
        return tables

    async def token_add(self, row: TokenRow, doing: Doing) -> None:
        """Keep a new token."""
        self._writable(False)
        tables = self._tables
        if row.id in tables.rows or row.digest in tables.digests:
            raise AlreadyThere("there is such a token already")
        if tables.agents.get((row.tenant, row.agent), 0) != row.agent_epoch:
            raise Stale("the agent's tokens")
        self._check_parent(row, doing)
        tables.digests[row.digest] = (row.id, row.generation)
        tables.note(row, TokenChange.CREATED, doing)
        self._told()

    async def token_find(self, digest: bytes) -> Found | None:
        """What a digest leads to."""
        self._open()
        found = self._tables.digests.get(digest)
        if found is None:
            return None
        row = self._tables.rows[found[0]]
        return Found(row, found[1], await self.stream_name(row.stream))

    async def stream_name(self, stream: int) -> str | None:
        """The id of the session that a token is for."""
        self._open()
        found = self.disk.streams.get(stream)
        return None if found is None else found.row.name

    async def token_row(self, id: bytes) -> TokenRow | None:
        """Read one row."""
        self._open()
        return self._tables.rows.get(id)

    async def token_rotate(self, rotation: Rotation, doing: Doing) -> TokenRow:
        """Put the next generation in place."""
        self._writable(False)
        tables = self._tables
        row = tables.rows.get(rotation.id)
        if row is None or row.generation != rotation.generation or not row.live(doing.now_ms):
            raise Stale("the token")
        self._check_parent(row, doing)
        if rotation.digest in tables.digests:
            raise AlreadyThere("there is such a token already")
        after = row.rotated(rotation)
        tables.digests[after.digest] = (after.id, after.generation)
        tables.epoch += 1
        tables.note(after, TokenChange.REFRESHED, doing)
        self._told()
        return after

    async def token_revoke(self, revocation: Revocation, doing: Doing) -> list[bytes]:
        """Revoke tokens that are live, with their descendants."""
        self._writable(True)
        tables = self._tables
        if revocation.agent:
            agent = (revocation.tenant, revocation.agent)
            tables.agents[agent] = tables.agents.get(agent, 0) + 1
        named = {one.id for one in tables.rows.values() if _named(one, revocation)}
        revoked = []
        for id in sorted(_with_descendants(tables.rows.values(), named)):
            row = tables.rows[id]
            if row.state is not TokenState.LIVE:
                continue
            why = revocation.why if id in named else Why.PARENT
            tables.note(replace(row, state=TokenState.REVOKED), TokenChange.REVOKED, doing, why)
            self.disk.change_grants(GrantChange(scope=token_scope(id.hex()), id=b"", body=None))
            revoked.append(id)
        tables.epoch += bool(revoked or revocation.agent)
        self._told()
        return revoked

    async def token_sweep(self, doing: Doing, limit: int = 1000) -> int:
        """Mark tokens that have expired; remove what is past its end."""
        self._writable(True)
        tables = self._tables
        late = [
            row
            for row in tables.rows.values()
            if row.state is TokenState.LIVE and row.expires_ms <= doing.now_ms
        ]
        late.sort(key=lambda row: (row.expires_ms, row.id))
        for row in late[:limit]:
            tables.note(replace(row, state=TokenState.EXPIRED), TokenChange.EXPIRED, doing)
        gone = [
            row.id
            for row in tables.rows.values()
            if row.state is not TokenState.LIVE and row.ends_ms <= doing.now_ms
        ]
        for id in gone[:limit]:
            del tables.rows[id]
        if gone:
            tables.digests = {
                digest: place for digest, place in tables.digests.items() if place[0] in tables.rows
            }
        if late or gone:
            tables.epoch += 1
            self._told()
        return len(late[:limit])

    async def token_list(self, wanted: TokenFilter) -> list[TokenRow]:
        """Read a page of rows."""
        self._open()
        rows = sorted(self._matching_tokens(wanted), key=lambda row: row.id)
        return [row for row in rows if row.id > wanted.after][: max(wanted.limit, 0)]

    async def token_count(self, wanted: TokenFilter) -> int:
        """Count rows."""
        self._open()
        return sum(1 for _ in self._matching_tokens(wanted))

    async def token_epoch(self) -> int:
        """Goes up when an answer that was read before may be wrong."""
        self._open()
        return self._tables.epoch

    async def token_stir(self) -> None:
        """Raise the epoch."""
        self._writable(True)
        self._tables.epoch += 1
        self._told()

    async def agent_epoch(self, tenant: str, agent: int) -> int:
        """How often all tokens of an agent were revoked."""
        self._open()
        return self._tables.agents.get((tenant, agent), 0)

    async def token_events(self, after: int = 0, limit: int = 1000) -> list[TokenEvent]:
        """Read the chain, in order."""
        self._open()
        start = max(after, 0)
        return self._tables.events[start : start + max(limit, 0)]

    async def token_head(self) -> tuple[int, bytes]:
        """Number and hash of the newest event of the chain."""
        self._open()
        return self._tables.head

    # --- inside

    def _check_parent(self, row: TokenRow, doing: Doing) -> None:
        parent = self._tables.rows.get(row.parent) if row.parent else None
        if row.parent and (parent is None or not parent.live(doing.now_ms)):
            raise Stale("the token's parent")

    def _matching_tokens(self, wanted: TokenFilter) -> Iterator[TokenRow]:
        for row in self._tables.rows.values():
            if (
                wanted.tenant in (None, row.tenant)
                and wanted.agent in (None, row.agent)
                and wanted.stream in (None, row.stream)
                and (wanted.live_ms is None or row.live(wanted.live_ms))
            ):
                yield row


def _named(row: TokenRow, revocation: Revocation) -> bool:
    if revocation.id:
        return row.id == revocation.id
    if revocation.stream:
        return row.stream == revocation.stream
    return (row.tenant, row.agent) == (revocation.tenant, revocation.agent)


def _with_descendants(rows: Iterable[TokenRow], named: set[bytes]) -> set[bytes]:
    """Those ids, and the ids of all that was made with them."""
    below: dict[bytes, list[bytes]] = {}
    for row in rows:
        below.setdefault(row.parent, []).append(row.id)
    found, todo = set(named), list(named)
    while todo:
        for id in below.get(todo.pop(), ()):
            if id not in found:
                found.add(id)
                todo.append(id)
    return found
