"""The part of the store port that keeps tokens.

A token is known by the SHA-256 of its text; the text itself is nowhere. Its row says
in clear what deciding needs at once (times, state, generation, whose child it is), and
everything that a person named is sealed by the caller (contract 1.9).

Contract
- Each change of a row and the events that say so are one transaction, and the events
  of all rows are one chain: `hash = HMAC-SHA256(key, previous hash, all fields)`. The
  key is the caller's and is not kept in the store.
- A digest is never given up before the row's absolute end: the digest of an earlier
  generation still leads to its row, so that reuse is noticed.
- `token_add` refuses a row that was made under an older epoch of its agent, or below
  a parent that is not live: what was revoked meanwhile is dead at birth.
- `token_revoke` takes all descendants along. Each token it revokes raises the revision
  of its `token_scope` by one; nothing else ever does (contract 2.13).
- `token_epoch` goes up with every change after which an answer that was read before
  may be wrong: rotation, revocation, expiry, and when the caller says so, of keys that
  changed. Adding a row leaves it as it is.
- A live row turns into an expired one once, by `token_sweep`, with its event; what is
  past its absolute end is removed there, but for its events and its scope.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple, Protocol

GENESIS: Final = bytes(32)
"""What stands before the first event of the chain."""

NO_EVENT: Final = (0, GENESIS)
"""Number and hash of what the first event follows."""

_DOMAIN: Final = b"holdfast/token-event/1"


class TokenState(IntEnum):
    """What became of a token; only a live one is ever valid, and then until it expires."""

    LIVE = 0
    REVOKED = 1
    EXPIRED = 2


class TokenChange(StrEnum):
    """What the events say."""

    CREATED = "created"
    REFRESHED = "refreshed"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Why(StrEnum):
    """Why a token was revoked."""

    ASKED = "asked"
    AGENT = "agent"
    PARENT = "parent"
    REUSED = "reused"


def token_scope(id: str) -> str:
    """The scope whose revision tells that a token was revoked.

    Args:
        id: of the token's row, hex.
    """
    return f"token:{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One token.

    Args:
        id: 16 random bytes; no secret.
        tenant: whose; "*" is the installation's administrator.
        stream: the one session it is for, or 0.
        agent: pseudonym of whoever bears it.
        parent: id of the token it was made with, or b"".
        generation: 1, and one more with each refresh.
        agent_epoch: of its agent, when it was made.
        created_ms, expires_ms, ends_ms: it ends at `expires_ms`, which a refresh moves,
            but never past `ends_ms`; milliseconds since 1970.
        span_ms: how far a refresh moves it.
        digest: SHA-256 of the text that is valid now.
        sealed: what it permits, and to whom, sealed by the caller.
    """

    id: bytes
    tenant: str
    agent: int
    digest: bytes
    created_ms: int
    expires_ms: int
    ends_ms: int
    span_ms: int
    sealed: bytes
    stream: int = 0
    parent: bytes = b""
    generation: int = 1
    agent_epoch: int = 0
    state: TokenState = TokenState.LIVE

    def live(self, now_ms: int) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.state is TokenState.LIVE and now_ms < self.expires_ms

    def rotated(self, rotation: Rotation) -> TokenRow:
        """The row with its next text: one generation on."""
        return replace(
            self,
            generation=self.generation + 1,
            digest=rotation.digest,
            expires_ms=rotation.expires_ms,
            sealed=rotation.sealed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEvent:
    """One change of one token, in the chain of all of them.

    Args:
        seq: its place, from 1, without a gap.
        actor: pseudonym of who did it; 0 is the runtime itself.
        why: of a revocation, else "".
    """

    seq: int
    token: bytes
    tenant: str
    kind: str
    generation: int
    time_ms: int
    expires_ms: int
    actor: int
    why: str
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """Who changes tokens, when, and under which key the chain is written.

    Args:
        key: 32 bytes, always the same for one store.
    """

    now_ms: int
    actor: int
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A new text for a token: the next generation.

    Args:
        generation: which one it follows; another has come before: `Stale`.
    """

    id: bytes
    generation: int
    digest: bytes
    expires_ms: int
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Which tokens to revoke: one by its id, all of a session, or all of an agent.

    Args:
        tenant: of the agent; the agent's epoch goes up.
    """

    id: bytes = b""
    stream: int = 0
    tenant: str = ""
    agent: int = 0
    why: Why = Why.ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFilter:
    """Which tokens a listing wants, in the order of their ids.

    Args:
        tenant, agent, stream: None is any.
        after: the id that the page before ended with.
        live_ms: only those that are live then; None is all that are kept.
    """

    tenant: str | None = None
    agent: int | None = None
    stream: int | None = None
    after: bytes = b""
    live_ms: int | None = None
    limit: int = 100


class Found(NamedTuple):
    """What a digest leads to.

    Args:
        row: of the token.
        generation: what the digest was of.
        session: the id of the session that it is for; None if it is for none, or there is
            none any more.
    """

    row: TokenRow
    generation: int
    session: str | None


class TokenStore(Protocol):
    """Keeps tokens; see the module's contract."""

    async def token_add(self, row: TokenRow, doing: Doing) -> None:
        """Keep a new token.

        Raises:
            Stale: its agent's tokens were revoked since it was made, or its parent
                is not live.
            AlreadyThere: the id or the digest is known.
        """
        ...

    async def token_find(self, digest: bytes) -> Found | None:
        """What a digest leads to."""
        ...

    async def stream_name(self, stream: int) -> str | None:
        """The id of the session that a token is for; None if there is none, or none any more."""
        ...

    async def token_row(self, id: bytes) -> TokenRow | None:
        """Read one row."""
        ...

    async def token_rotate(self, rotation: Rotation, doing: Doing) -> TokenRow:
        """Put the next generation in place; returns the row after.

        Raises:
            Stale: another generation is in place, it is not live, or its parent is not.
            AlreadyThere: the digest is known.
        """
        ...

    async def token_revoke(self, revocation: Revocation, doing: Doing) -> list[bytes]:
        """Revoke tokens that are live, with their descendants; returns their ids."""
        ...

    async def token_sweep(self, doing: Doing, limit: int = 1000) -> int:
        """Mark tokens that have expired; returns how many. Removes what is past its end."""
        ...

    async def token_list(self, wanted: TokenFilter) -> list[TokenRow]:
        """Read a page of rows."""
        ...

    async def token_count(self, wanted: TokenFilter) -> int:
        """Count rows (`after` and `limit` are ignored)."""
        ...

    async def token_epoch(self) -> int:
        """Goes up when an answer that was read before may be wrong."""
        ...

    async def token_stir(self) -> None:
        """Raise the epoch: the keys that texts are signed with have changed."""
        ...

    async def agent_epoch(self, tenant: str, agent: int) -> int:
        """How often all tokens of an agent were revoked."""
        ...

    async def token_events(self, after: int = 0, limit: int = 1000) -> list[TokenEvent]:
        """Read the chain, in order."""
        ...

    async def token_head(self) -> tuple[int, bytes]:
        """Number and hash of the newest event of the chain; `NO_EVENT` for none."""
        ...


def event_behind(
    newest: tuple[int, bytes], row: TokenRow, kind: TokenChange, doing: Doing, why: str = ""
) -> TokenEvent:
    """The event that says what became of a row, with its hash.

    Args:
        newest: number and hash of the event it follows, `NO_EVENT` if it is the first.
        row: as it is afterwards.
    """
    seq, before = newest
    event = TokenEvent(
        seq=seq + 1,
        token=row.id,
        tenant=row.tenant,
        kind=kind.value,
        generation=row.generation,
        time_ms=doing.now_ms,
        expires_ms=row.expires_ms,
        actor=doing.actor,
        why=str(why),
        hash=b"",
    )
    return replace(event, hash=chained(before, event, doing.key))


def chained(previous: bytes, event: TokenEvent, key: bytes) -> bytes:
    """The hash of an event behind another.

    Args:
        previous: the hash before it, `GENESIS` for the first.
        event: its own `hash` is not looked at.
        key: 32 bytes.
    """
    numbers = (event.seq, event.generation, event.time_ms, event.expires_ms, event.actor)
    parts = (
        _DOMAIN,
        previous,
        event.token,
        event.tenant.encode(),
        event.kind.encode(),
        event.why.encode(),
        *(number.to_bytes(8, "big", signed=True) for number in numbers),
    )
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.digest(key, framed, "sha256")
