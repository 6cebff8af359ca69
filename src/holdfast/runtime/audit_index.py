"""Comparing what the store keeps beside a session's log with what the log says.

The index, the name and what waits are projections: the hot path trusts them, so
they are folded anew and compared (contract 1.3).
"""

from __future__ import annotations

from dataclasses import fields

from holdfast.core.errors import HoldfastError, Unreadable
from holdfast.core.lifecycle import SessionState
from holdfast.core.view import SessionView
from holdfast.ports.store import Filter, IndexRow, PendingKind, PendingRow
from holdfast.runtime.audit_chain import Kind, Walk
from holdfast.runtime.codec import asked_by, decode_command
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.inbox import open_command
from holdfast.runtime.index import Indexer, cleared, open_listed
from holdfast.runtime.journal import Journal

PAGES_MAX = 5
PENDING_MAX = 10_000

_PLAIN = tuple(f.name for f in fields(IndexRow) if f.name not in ("sealed", "tokens", "parent"))


async def compare(walk: Walk) -> None:
    """Compare a walked session's projections with its fold."""
    journal = walk.journal
    assert journal is not None, "it was walked"
    await _compare_name(walk)
    if walk.wiped_at or (walk.wipe_started and journal.crypto is None):
        await _compare_wiped(walk)
        return
    if not walk.folding or walk.view.version != walk.row.version or journal.crypto is None:
        if journal.crypto is not None:
            text = "index, name and waiting work were not compared: the log cannot be folded"
            walk.find(Kind.UNPROVED, text, note=True)
        return
    _compare_row(walk, journal.crypto)
    await _compare_tokens(walk)
    await _compare_pending(walk, journal)


def _compare_row(walk: Walk, crypto: Crypto) -> None:
    row, view = walk.row, walk.view
    above = view.lineage[-1].stream if view.lineage else 0  # a child's; a fork has an origin
    parent = view.origin.stream if view.origin else above
    key = walk.backend.keys.blind_key(view.tenant)
    expected = Indexer(row.stream, crypto, key, parent).row(view)
    for name in _PLAIN:
        there, due = getattr(row.index, name), getattr(expected, name)
        if there != due:
            walk.find(Kind.INDEX, f"index column {name} is {there}, the log says {due}")
    if view.origin and row.index.parent != parent:
        walk.find(Kind.INDEX, "index column parent is not the log's origin")
    elif not view.origin and row.index.parent != parent:
        walk.find(Kind.INDEX, "index column parent names a session the log does not")
    if row.index.tokens != expected.tokens:
        walk.find(Kind.INDEX, "the blind tokens it is found by are not those of the log")
    if row.tenant != view.tenant:
        walk.find(Kind.INDEX, "the row names another tenant than the log")
    if row.owner != walk.first_actor:
        walk.find(Kind.INDEX, "the row names another owner than event 1")
    _compare_sealed(walk, crypto, expected)


def _compare_sealed(walk: Walk, crypto: Crypto, expected: IndexRow) -> None:
    stream, sealed = walk.row.stream, walk.row.index.sealed
    if walk.view.wiping:
        if sealed:
            walk.find(Kind.INDEX, "its sealed details are still there though it is being wiped")
        return
    try:
        there = open_listed(stream, crypto, sealed)
    except Unreadable:
        walk.find(Kind.INDEX, "its sealed details were altered")
        return
    if there != open_listed(stream, crypto, expected.sealed):
        walk.find(Kind.INDEX, "its sealed details are not those of the log")


async def _compare_name(walk: Walk) -> None:
    row, view = walk.row, walk.view
    if row.name is None:
        if not (walk.wiped_at or view.wiping):
            walk.find(Kind.NAME, "it has no name though it was not wiped")
        return
    if view.session_id and row.name != view.session_id:
        walk.find(Kind.NAME, f"its name is {row.name!r}, the log says {view.session_id!r}")
    found = await walk.backend.store.find(row.tenant, row.name)
    if found is None or found.stream != row.stream:
        walk.find(Kind.NAME, f"the name {row.name!r} does not lead to it")


async def _compare_wiped(walk: Walk) -> None:
    """What a wiped session may still have: its clear columns, and no content."""
    row, index = walk.row, walk.row.index
    if walk.wiped_at and row.name is not None:
        walk.find(Kind.NAME, "its name is still there though it was wiped")
    if index.sealed or index.tokens:
        walk.find(Kind.INDEX, "details or tokens are still there though it was wiped")
    state = SessionState.TERMINATED if walk.ended else SessionState.TERMINATING
    view = SessionView(wiping=True, wiped=walk.wiped_at > 0, state=state)
    expected = cleared(view)
    # Before the attestation, times, parent and the tombstone are still what they were.
    names = (*_PLAIN, "parent") if walk.wiped_at else ("state", "messages", "turns", "tool_calls")
    for name in names:
        there, due = getattr(index, name), getattr(expected, name)
        if there != due:
            walk.find(Kind.INDEX, f"index column {name} is {there}, not {due} as after a wipe")
    for waiting in await walk.backend.store.pending(row.stream, limit=PENDING_MAX):
        # A command may come at any time; until the attestation it is only not answered yet.
        if walk.wiped_at or waiting.kind is not PendingKind.COMMAND:
            walk.find(Kind.PENDING, f"a {waiting.kind.value} still waits though it was wiped")


async def _compare_tokens(walk: Walk) -> None:
    """Whether a listing finds it by its tokens; the row alone does not tell."""
    tokens = walk.row.index.tokens
    cursor = ""
    for _ in range(PAGES_MAX if tokens else 0):
        page = await walk.backend.store.list_streams(
            Filter(
                tenant=walk.row.tenant,
                tokens=tokens,
                include_hidden=True,
                cursor=cursor,
                limit=1000,
            )
        )
        if any(row.stream == walk.row.stream for row in page.rows):
            return
        cursor = page.cursor
        if not cursor:
            walk.find(Kind.INDEX, "a listing does not find it by its own tokens")
            return


async def _compare_pending(walk: Walk, journal: Journal) -> None:
    for row in await walk.backend.store.pending(walk.row.stream, limit=PENDING_MAX):
        problem = await _pending_problem(walk, journal, row)
        if problem:
            walk.find(Kind.PENDING, f"{row.kind.value} {row.id.hex()}: {problem}")


async def _pending_problem(walk: Walk, journal: Journal, row: PendingRow) -> str:
    """What is wrong with something that waits, or ""."""
    if row.kind is PendingKind.QUESTION:
        known = walk.view.question(int.from_bytes(row.id)) is not None
        return "" if known else "it belongs to no open question"
    if row.kind is not PendingKind.COMMAND:
        return "nothing in the log has put it there"
    done = await walk.backend.store.command(row.stream, row.id)
    if done is not None:
        return f"it was carried out at version {done[0]} and waits still"
    assert journal.crypto is not None, "only readable sessions are compared"
    try:
        payload = open_command(journal, row)
        decode_command(payload)
        known_by = asked_by(payload) or journal.crypto.digest(b"command", payload)
    except HoldfastError as error:
        return error.message
    if row.digest != known_by:
        return "its digest is not of its payload"
    return ""
