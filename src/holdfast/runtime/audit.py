"""`audit verify`: proving that what is stored is what was written.

Per session: its chain is walked and every event opened (`audit_chain`), and
index, name and waiting work are compared with the fold (`audit_index`). For the
whole store besides: the commit-ordered feed, sessions the listing does not
show, keys without a session, and the database's own page check.

Reading needs no lease and holds no transaction longer than a page; a session
that grows while it is read is followed to where it stands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from holdfast.core.errors import SessionNotFound
from holdfast.ports.store import Filter, StreamRow
from holdfast.runtime.audit_agent import check_agent_config
from holdfast.runtime.audit_chain import Finding, Kind, Walk, walk_session
from holdfast.runtime.audit_grants import Ledger, check_grants, compare_uses
from holdfast.runtime.audit_index import compare
from holdfast.runtime.audit_tokens import check_tokens
from holdfast.runtime.backend import Backend
from holdfast.runtime.manager import Core

__all__ = [
    "LIMITS",
    "AuditReport",
    "Finding",
    "Kind",
    "all_streams",
    "find_stream",
    "rotate_keys",
    "verify_session",
    "verify_store",
]

PAGE = 200
FEED_PAGE = 1000

LIMITS = (
    "What this cannot show: whoever can write both a session's events and its row can cut off "
    "the newest events without a trace here; only a checkpoint exported before would tell. "
    "Lease holders and epochs, command ids and who submitted waiting work are not provable."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a verification came to.

    Args:
        sessions: how many were walked.
        events: how many events were read.
        wiped: how many sessions are attested as wiped.
        findings: what is not as it was written, and notes.
        pages: findings of the databases' own page checks.
        limits: what no verification of the store alone can show.
    """

    sessions: int = 0
    events: int = 0
    wiped: int = 0
    findings: tuple[Finding, ...] = ()
    pages: tuple[str, ...] = ()
    limits: str = LIMITS

    @property
    def ok(self) -> bool:
        """Nothing but notes."""
        return not self.pages and all(one.severity == "note" for one in self.findings)


async def verify_session(backend: Backend, row: StreamRow) -> list[Finding]:
    """Verify one session: chain, contents, projections; an empty list is good."""
    ledger = Ledger()
    walk = await _walked(backend, row, ledger)
    return walk.findings + await compare_uses(backend, ledger)


async def _walked(backend: Backend, row: StreamRow, ledger: Ledger) -> Walk:
    walk = await walk_session(backend, row)
    try:
        if walk.complete:
            await compare(walk)
            await check_grants(walk, ledger)
            await check_agent_config(walk)
    finally:
        if walk.journal is not None and walk.journal.crypto is not None:
            walk.journal.crypto.wipe()
    return walk


async def verify_store(core: Core, session_id: str | None = None) -> AuditReport:
    """Verify one session, or every session of every store and the stores themselves.

    Args:
        session_id: a session's id; a wiped one has none and is "stream-<16 hex>".

    Raises:
        SessionNotFound: there is no such session.
    """
    await core.ready()
    tally = _Tally()
    if session_id is not None:
        backend, row = await find_stream(core, session_id)
        ledger = Ledger()
        tally.add(await _walked(backend, row, ledger))
        tally.findings += await compare_uses(backend, ledger)
        return tally.report()
    for _, backend in core.distinct_backends():
        await _verify_backend(backend, tally)
    return tally.report()


@dataclass(slots=True)
class _Tally:
    """What has been found so far; walks themselves are not kept."""

    sessions: int = 0
    events: int = 0
    wiped: int = 0
    findings: list[Finding] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    def add(self, walk: Walk) -> int:
        """Count one session in; returns its stream."""
        self.sessions += 1
        self.events += walk.events
        self.wiped += walk.wiped_at > 0
        self.findings += walk.findings
        return walk.row.stream

    def report(self) -> AuditReport:
        """Return the whole."""
        return AuditReport(
            sessions=self.sessions,
            events=self.events,
            wiped=self.wiped,
            findings=tuple(self.findings),
            pages=tuple(self.pages),
        )


async def _verify_backend(backend: Backend, tally: _Tally) -> None:
    ledger = Ledger()
    known = {tally.add(await _walked(backend, row, ledger)) async for row in all_streams(backend)}
    feed, unlisted = await _check_feed(backend, known)
    tally.findings += feed
    for stream in sorted(unlisted):
        row = await backend.store.stream_row(stream)
        if row is None:
            text = "events are there, but no session row they belong to"
            tally.findings.append(_of_stream(stream, Kind.STREAM, text))
        else:
            known.add(tally.add(await _walked(backend, row, ledger)))
    tally.findings += await compare_uses(backend, ledger)
    tally.findings += await check_tokens(backend)
    for stream in sorted(backend.keys.living_streams() - known):
        if await backend.store.stream_row(stream) is None:
            text = "a key without a session: its creation was cut off, or it was removed"
            tally.findings.append(_of_stream(stream, Kind.STREAM, text, note=True))
    pages = await backend.store.verify_pages()
    tally.pages += [f"{backend.store.name}: {line}" for line in pages]


def _of_stream(stream: int, kind: Kind, text: str, *, note: bool = False) -> Finding:
    return Finding(
        session=f"stream-{stream:016x}",
        stream=stream,
        version=0,
        kind=kind,
        text=text,
        severity="note" if note else "finding",
    )


async def find_stream(core: Core, session_id: str) -> tuple[Backend, StreamRow]:
    """Find a session by its id, or by "stream-<16 hex>" once it has none.

    Raises:
        SessionNotFound: there is no such session, or only who sees all workspaces may name it.
    """
    try:
        where = await core.locate(session_id)
    except SessionNotFound:
        if not core.names_wiped:
            raise
        prefix, _, number = session_id.partition("stream-")
        if prefix or len(number) != 16 or not set(number) <= set("0123456789abcdef"):
            raise
        for _, backend in core.distinct_backends():
            row = await backend.store.stream_row(int(number, 16))
            if row is not None:
                return backend, row
        raise
    return where.backend, where.row


def all_streams(backend: Backend) -> AsyncIterator[StreamRow]:
    """Every session of a store: all tenants, wiped and destroyed ones too."""
    return backend.rows(Filter(include_hidden=True, limit=PAGE))


async def _check_feed(backend: Backend, listed: set[int]) -> tuple[list[Finding], set[int]]:
    """Read the feed of all sessions: each one's events stand in it in order, each once.

    Returns:
        findings, and the streams in it that the listing did not show.
    """
    store = backend.store
    last: dict[int, int] = {}
    newest: dict[int, int] = {}
    findings: list[Finding] = []
    cursor, end = 0, await store.feed_end()
    while cursor < end:
        rows = await store.events_since(cursor, FEED_PAGE)
        if not rows:
            break
        for row in rows:
            stream, version = row.stream, row.event.version
            if version <= last.get(stream, 0):
                text = f"event {version} stands out of order in the feed of all sessions"
                findings.append(_of_stream(stream, Kind.FEED, text))
            last[stream] = max(version, last.get(stream, 0))
            newest[stream] = row.cursor
        cursor = rows[-1].cursor
    findings += await _check_newest(backend, newest, cursor, listed)
    return findings, set(last) - listed


async def _check_newest(
    backend: Backend, newest: dict[int, int], end: int, listed: set[int]
) -> list[Finding]:
    """Check where each session's row says its newest event stands in the feed.

    Checkpoints find by it what changed; a wrong one leaves a session out of the next.

    Args:
        newest: where it stands, by stream, in the feed up to `end`.
    """
    said: dict[int, int] = {}
    cursor, more = 0, True
    while more:
        heads = await backend.store.heads_since(cursor, FEED_PAGE)
        said.update((head.stream, head.cursor) for head in heads)
        more = len(heads) == FEED_PAGE
        cursor = heads[-1].cursor if heads else cursor
    grown = {stream for stream, at in said.items() if at > end}  # since the feed was read
    for stream in grown:
        rows = await backend.store.events_since(said[stream] - 1, 1)
        if rows and rows[0].stream == stream and rows[0].cursor == said[stream]:
            newest[stream] = said[stream]
    text = "its row does not say where its newest event stands in the feed of all sessions"
    return [
        _of_stream(stream, Kind.FEED, text)
        for stream in sorted((listed & set(newest)) | grown)
        if said.get(stream) != newest.get(stream)
    ]


async def rotate_keys(core: Core) -> dict[str, int]:
    """Rotate the keys of every store; older copies of key stores become useless.

    Returns:
        the new epoch of the installation key by the store's kind.

    Raises:
        Unavailable: a key store is out of order; rotating again resumes.
    """
    await core.ready()
    epochs: dict[str, int] = {}
    for storage, backend in core.distinct_backends():
        epochs[storage.value] = backend.keys.rotate(now_ms=core.clock.now_ms())
    return epochs
