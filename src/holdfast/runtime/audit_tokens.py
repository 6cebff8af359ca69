"""Checking tokens: the chain of their events, and each row against what the chain says.

The chain is keyed, so nobody without the installation's keys can write it anew. A row
that is kept must be as its events left it: whose, which generation, alive or not. The
newest events can be cut off without a trace only together with what they changed, and
then checkpoints tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.errors import Unreadable
from holdfast.ports.tokens import (
    GENESIS,
    TokenChange,
    TokenEvent,
    TokenFilter,
    TokenRow,
    TokenState,
    chained,
    token_scope,
)
from holdfast.runtime.audit_chain import Finding, Kind
from holdfast.runtime.backend import Backend

PAGE = 1000
_TRIES = 5


@dataclass(slots=True)
class _Said:
    """What the events say of one token."""

    tenant: str
    generation: int
    expires_ms: int
    state: TokenState = TokenState.LIVE


_STATES = {
    TokenChange.REVOKED.value: TokenState.REVOKED,
    TokenChange.EXPIRED.value: TokenState.EXPIRED,
}


async def check_tokens(backend: Backend) -> list[Finding]:
    """Check all tokens of a store; an empty list is good.

    What changes while it is read is read again.
    """
    findings: list[Finding] = []
    for _ in range(_TRIES):
        findings, end = await _checked(backend)
        if not findings or not await backend.store.token_events(end, 1):
            break
    return findings


async def _checked(backend: Backend) -> tuple[list[Finding], int]:
    """Check all tokens once; returns what was found, and where the events ended."""
    findings: list[Finding] = []
    said: dict[bytes, _Said] = {}
    before, seq = GENESIS, 0
    while page := await backend.store.token_events(seq, PAGE):
        for event in page:
            if event.seq != seq + 1:
                findings.append(_finding(f"the events after {seq} of tokens are missing"))
            elif event.hash != chained(before, event, backend.book.chain_key):
                findings.append(_finding(f"event {event.seq} of tokens is not as it was written"))
            if not _follows(said, event):
                findings.append(_finding(f"event {event.seq} of tokens cannot follow"))
            before, seq = event.hash, event.seq
    findings += await _check_rows(backend, said)
    return findings, seq


def _follows(said: dict[bytes, _Said], event: TokenEvent) -> bool:
    """Take an event in; tells whether it can follow those before it."""
    known = said.get(event.token)
    if event.kind == TokenChange.CREATED.value:
        said[event.token] = _Said(event.tenant, event.generation, event.expires_ms)
        return known is None and event.generation == 1
    if known is None or known.state is not TokenState.LIVE:
        return False
    step = 1 if event.kind == TokenChange.REFRESHED.value else 0
    whole = (event.tenant, event.generation) == (known.tenant, known.generation + step)
    known.generation, known.expires_ms = event.generation, event.expires_ms
    known.state = _STATES.get(event.kind, known.state)
    return whole and (step == 1 or event.kind in _STATES)


async def _check_rows(backend: Backend, said: dict[bytes, _Said]) -> list[Finding]:
    findings: list[Finding] = []
    after = b""
    while rows := await backend.store.token_list(TokenFilter(after=after, limit=PAGE)):
        for row in rows:
            problem = _problem(backend, row, said.get(row.id))
            if problem:
                findings.append(_finding(f"token {row.id.hex()}: {problem}"))
        after = rows[-1].id
    for id, known in said.items():
        if known.state is not TokenState.REVOKED:
            continue
        if not (await backend.store.grants(token_scope(id.hex())))[0]:
            text = f"token {id.hex()}: it was revoked, and its scope does not say so"
            findings.append(_finding(text))
    return findings


def _problem(backend: Backend, row: TokenRow, known: _Said | None) -> str:
    if known is None:
        return "no event says that it was made"
    if (row.tenant, row.generation, row.expires_ms, row.state) != (
        known.tenant,
        known.generation,
        known.expires_ms,
        known.state,
    ):
        return "its row is not as its events left it"
    try:
        backend.book.open(row)
    except Unreadable:
        return "its row is not as it was written; it is never honoured"
    return ""


def _finding(text: str) -> Finding:
    return Finding(session="", stream=0, version=0, kind=Kind.BEARER, text=text)
