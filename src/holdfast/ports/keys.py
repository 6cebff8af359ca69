"""The keys port: data keys of sessions, apart from the store and its backups.

Hierarchy (contract 2.7): installation key → tenant key → user key → session
key. Each wrap names its parent's id and epoch and is AES-256-GCM-SIV with
associated data = purpose, installation, stream (or tenant, user), key id.

Contract
- A data key never appears in the event store, in a log or in an error.
- `destroy_session` is idempotent; afterwards `session_key` raises
  `KeyDestroyed`. An unknown stream raises `KeyMissing` in both.
- Every caller of `session_key` owns its buffer; a stream gets a key only once.
- The key of a sealed session is given only to an object that hosts it: the one that
  created it, or was told so by `host`. Anywhere else `session_key` raises
  `SessionSealed` and `session_keys` leaves it out.
- `rotate` makes every older copy of the key store useless: all living keys are
  wrapped anew below a new epoch of the installation key, the tenant and user
  keys are drawn afresh, and the old epoch is destroyed. It is resumable.
- A key that tokens are signed with is noted to verify until the last of them has
  expired, before it signs: so it outlives what it signed and nothing else. The newest
  one signs; one whose time is over is gone, whoever looks.
- Methods are synchronous and quick; what is cached has a bounded life.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True, kw_only=True)
class DataKey:
    """A session's data key in memory.

    Args:
        key_id: its number within the session, from 1; 0 means "in clear".
        secret: 32 bytes in a buffer that `wipe` overwrites; not in the `repr`.
    """

    key_id: int
    secret: bytearray = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the key with zeros."""
        self.secret[:] = bytes(len(self.secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class DestroyReceipt:
    """What the destruction of a session's key is worth.

    Args:
        stream: the session's stream.
        destroyed_at_ms: when.
        epoch: the installation key's epoch the wrap stood under; copies of the
            key store made before remain readable until that epoch is destroyed.
    """

    stream: int
    destroyed_at_ms: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """What is public of a key that tokens are signed with (Ed25519).

    Args:
        number: 1, 2, 3 …; the highest one signs.
        public: 32 bytes.
        until_ms: it verifies until then, milliseconds since 1970.
    """

    number: int
    public: bytes
    until_ms: int


class Keys(Protocol):
    """Keys of one installation."""

    @property
    def installation(self) -> bytes:
        """The installation's random 16-byte id."""
        ...

    def create_session_key(
        self, *, tenant: str, user: str, stream: int, sealed: bool = False
    ) -> DataKey:
        """Draw, wrap and durably keep a session's first data key."""
        ...

    def is_sealed(self, stream: int) -> bool:
        """Whether there is a key, and it is a sealed session's."""
        ...

    def host(self, stream: int) -> None:
        """Give a sealed session's key to callers of this object from now on."""
        ...

    def session_key(self, stream: int, key_id: int = 1) -> DataKey:
        """Unwrap a session's data key.

        Raises:
            KeyDestroyed: the session was wiped.
            KeyMissing: there never was such a key here.
            SessionSealed: it is a sealed session's, which is hosted elsewhere.
        """
        ...

    def session_keys(self, streams: Iterable[int]) -> dict[int, DataKey]:
        """Unwrap the first data keys of several sessions at once.

        Whoever has none, or one that does not open, is left out; `session_key` tells why.
        """
        ...

    def destroy_session(self, stream: int, *, now_ms: int) -> DestroyReceipt:
        """Destroy all data keys of a session; idempotent."""
        ...

    def receipt(self, stream: int) -> DestroyReceipt | None:
        """The receipt of an earlier destruction, if there was one."""
        ...

    def blind_key(self, tenant: str) -> bytes:
        """A 32-byte key for keyed hashes of a tenant's names and tags."""
        ...

    def tenant_secret(self, tenant: str) -> bytes:
        """A 32-byte key for what belongs to the tenant rather than a session."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign with the audit key (Ed25519, 64 bytes)."""
        ...

    @property
    def audit_public_key(self) -> bytes:
        """The audit key's public half (32 bytes)."""
        ...

    def token_keys(self, now_ms: int) -> tuple[TokenKey, ...]:
        """The keys that verify tokens now, the newest first; forgets those whose time is over.

        The newest one stays whatever its time: it signs.
        """
        ...

    def token_key(self, *, until_ms: int, now_ms: int) -> TokenKey:
        """The key to sign a token with that expires at `until_ms`; drawn if there is none.

        That it verifies until then, or somewhat longer, is durable when this returns.
        """
        ...

    def sign_token(self, number: int, data: bytes) -> bytes:
        """Sign with one of these keys (Ed25519, 64 bytes).

        Raises:
            KeyMissing: it is gone.
        """
        ...

    def rotate_token_key(self, *, now_ms: int, at_once: bool = False) -> TokenKey:
        """Draw the next key that tokens are signed with; returns it.

        Args:
            at_once: forget the ones before, though tokens that they signed are live.
        """
        ...

    def rotate(self, *, now_ms: int) -> int:
        """Rotate the whole hierarchy; returns the new epoch."""
        ...

    def living_streams(self) -> frozenset[int]:
        """Streams that have a data key."""
        ...

    def close(self) -> None:
        """Forget what is cached and close the file."""
        ...
