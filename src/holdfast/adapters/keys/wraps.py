"""One wrapped key, how it is sealed, and the cache of unwrapped ones.

A wrap is nonce(12) ‖ AES-256-GCM-SIV(key, AD = 'holdfast/wrap/1' ‖ kind ‖
installation ‖ scope ‖ parent ‖ key id ‖ parent id ‖ epoch), every part preceded
by its length in 8 bytes. So a wrap opens only where it was made: it cannot be
moved to another session, user, tenant, installation, generation or epoch.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from holdfast.core.errors import CorruptStore, Unavailable

SECRET_BYTES = 32
NONCE_BYTES = 12
CACHED_KEYS_MAX = 4096
CACHED_S_MAX = 300.0

_LENGTH = struct.Struct(">Q")

Random = Callable[[int], bytes]


class Kind(StrEnum):
    """What a wrapped key is for."""

    AUDIT = "audit"
    TENANT = "tenant"
    BLIND = "blind"
    OWN = "own"
    USER = "user"
    SESSION = "session"
    SEALED = "sealed"
    SIGNER = "signer"


ABOVE: dict[Kind, Kind | None] = {
    Kind.AUDIT: None,
    Kind.TENANT: None,
    Kind.BLIND: Kind.TENANT,
    Kind.OWN: Kind.TENANT,
    Kind.USER: Kind.TENANT,
    Kind.SESSION: Kind.USER,
    Kind.SEALED: Kind.USER,
    Kind.SIGNER: None,
}
"""Which kind of key wraps a kind; None is the installation key."""

DATA = (Kind.SESSION, Kind.SEALED)
"""Kinds of the data keys of sessions; a session has one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrap:
    """One wrapped key as kept.

    Args:
        kind: what the key is for.
        scope: whose it is: the tenant's name, a user's keyed digest (16 bytes),
            a stream (8 bytes), or empty for the installation; of a key that tokens are
            signed with, its number and its last moment (16 bytes).
        key_id: its number, or generation.
        parent: scope of the key that wraps it.
        parent_id: key id of the key that wraps it; 0 is the installation key.
        epoch: epoch of the installation key at the top.
        body: nonce and ciphertext.
    """

    kind: Kind
    scope: bytes
    key_id: int
    parent: bytes
    parent_id: int
    epoch: int
    body: bytes = b""


def framed(*parts: bytes) -> bytes:
    """Join parts, each preceded by its length in 8 bytes."""
    return b"".join([_LENGTH.pack(len(part)) + part for part in parts])


def wipe(secret: bytearray) -> None:
    """Overwrite a key with zeros."""
    secret[:] = bytes(len(secret))


def _siv(secret: bytearray) -> AESGCMSIV:
    try:
        return AESGCMSIV(secret)
    except UnsupportedAlgorithm as error:
        raise Unavailable("wrapping keys needs AES-GCM-SIV (OpenSSL 3.2 or newer)") from error


def _associated(wrap: Wrap, installation: bytes) -> bytes:
    numbers = (wrap.key_id, wrap.parent_id, wrap.epoch)
    return framed(
        b"holdfast/wrap/1",
        wrap.kind.encode(),
        installation,
        wrap.scope,
        wrap.parent,
        *(_LENGTH.pack(number) for number in numbers),
    )


def seal_wrap(
    wrap: Wrap, secret: bytearray, parent: bytearray, installation: bytes, nonce: bytes
) -> bytes:
    """Wrap a key; returns the body for `wrap`, whose own body does not matter."""
    assert len(secret) == len(parent) == SECRET_BYTES, "keys are 32 bytes"
    assert len(nonce) == NONCE_BYTES, "a nonce is 12 bytes"
    return nonce + _siv(parent).encrypt(nonce, bytes(secret), _associated(wrap, installation))


def open_wrap(wrap: Wrap, parent: bytearray, installation: bytes) -> bytearray:
    """Unwrap a key; the buffer is the caller's.

    Raises:
        CorruptStore: it was not wrapped by this key, or not for this place.
    """
    nonce, sealed = wrap.body[:NONCE_BYTES], wrap.body[NONCE_BYTES:]
    try:
        secret = _siv(parent).decrypt(nonce, sealed, _associated(wrap, installation))
    except (InvalidTag, ValueError, struct.error) as error:
        raise CorruptStore(f"a wrapped {wrap.kind} key does not open") from error
    if len(secret) != SECRET_BYTES:
        raise CorruptStore(f"a wrapped {wrap.kind} key has a wrong length")
    return bytearray(secret)


class KeyCache:
    """Unwrapped keys, bounded in number and in age, overwritten when they go.

    An entry is found only by the very wrap that it came from, so a wrap that was
    rolled back, rotated or replaced by another process is never mixed up with
    its successor. The age counts from the unwrapping and is looked at whenever
    the cache is used.

    Args:
        monotonic: a clock that never goes back, in seconds.
        count_max: how many keys are kept at most.
        age_s_max: how many seconds a key is kept at most.
    """

    __slots__ = ("_age_s_max", "_count_max", "_entries", "_monotonic")

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        count_max: int = CACHED_KEYS_MAX,
        age_s_max: float = CACHED_S_MAX,
    ) -> None:
        self._monotonic = monotonic
        self._count_max = count_max
        self._age_s_max = age_s_max
        # In order of age, oldest first.
        self._entries: OrderedDict[tuple[Kind, bytes, int], tuple[bytes, float, bytearray]] = (
            OrderedDict()
        )

    def __len__(self) -> int:
        """How many keys are in memory."""
        return len(self._entries)

    def get(self, wrap: Wrap) -> bytearray | None:
        """Copy a key out, or None; the copy is the caller's."""
        self.sweep()
        entry = self._entries.get((wrap.kind, wrap.scope, wrap.key_id))
        if entry is None or entry[0] != wrap.body[:NONCE_BYTES]:
            return None
        return bytearray(entry[2])

    def put(self, wrap: Wrap, secret: bytearray) -> None:
        """Keep a copy of a key."""
        name = (wrap.kind, wrap.scope, wrap.key_id)
        self._drop(name)
        nonce = wrap.body[:NONCE_BYTES]
        self._entries[name] = (nonce, self._monotonic() + self._age_s_max, bytearray(secret))
        while len(self._entries) > self._count_max:
            self._drop(next(iter(self._entries)))

    def forget(self, kind: Kind, scope: bytes) -> None:
        """Drop all keys of one scope."""
        for name in [name for name in self._entries if name[:2] == (kind, scope)]:
            self._drop(name)

    def sweep(self) -> None:
        """Drop what is too old."""
        now = self._monotonic()
        while self._entries:
            name, (_, until, _) = next(iter(self._entries.items()))
            if until > now:
                return
            self._drop(name)

    def clear(self) -> None:
        """Drop everything."""
        for name in list(self._entries):
            self._drop(name)

    def _drop(self, name: tuple[Kind, bytes, int]) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            wipe(entry[2])
