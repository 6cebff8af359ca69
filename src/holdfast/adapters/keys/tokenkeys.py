"""The keys that tokens are signed with: rows of the key store, beneath the installation key.

Rules
- The number of a key, and until when it verifies, are its scope: so both are
  authenticated by its wrap, and moving the time wraps the key anew.
- That time is moved before the key signs, by whole hours: so signing seldom writes.
- The key with the highest number signs. Any other whose time is over is erased by
  whoever looks.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.keys.wraps import Kind, Wrap, wipe
from holdfast.core.errors import CorruptStore, KeyMissing
from holdfast.ports.keys import TokenKey

STEP_MS = 3_600_000
"""By how much the time is moved at least, in milliseconds."""

_SCOPE = struct.Struct(">QQ")


def token_scope_of(number: int, until_ms: int) -> bytes:
    """The scope of a key: its number, and until when it verifies (ms since 1970)."""
    return _SCOPE.pack(number, until_ms)


class TokenKeys(ABC):
    """The part of `HierarchyKeys` for keys that tokens are signed with."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[None]:
        """Hold one consistent view."""

    @abstractmethod
    def _writing(self) -> AbstractContextManager[None]:
        """Hold the only writer's transaction."""

    @abstractmethod
    def _top(self, kind: Kind) -> list[Wrap]:
        """The wraps of a kind right beneath the installation key."""

    @abstractmethod
    def _drop(self, kind: Kind, scope: bytes) -> None:
        """Erase the wraps of a scope, and what is cached of them."""

    @abstractmethod
    def _secret(self, wrap: Wrap) -> bytearray:
        """Unwrap a key; the buffer is the caller's."""

    @abstractmethod
    def _fresh(self) -> bytearray:
        """Draw a key."""

    @abstractmethod
    def _make(self, kind: Kind, scope: bytes, above: Wrap | None, secret: bytearray) -> Wrap:
        """Wrap a key and keep it."""

    def token_keys(self, now_ms: int) -> tuple[TokenKey, ...]:
        """The keys that verify tokens now, the newest first; forgets those whose time is over."""
        with self._reading():
            found = self._token_wraps()
            if all(_until(wrap) > now_ms for wrap in found[1:]):
                return tuple([self._shown(wrap) for wrap in found])
        with self._writing():
            return tuple([self._shown(wrap) for wrap in self._left(now_ms)])

    def token_key(self, *, until_ms: int, now_ms: int) -> TokenKey:
        """The key to sign a token with that expires at `until_ms`; drawn if there is none."""
        with self._reading():
            found = self._token_wraps()
            if found and _until(found[0]) >= until_ms:
                return self._shown(found[0])
        until_ms += -until_ms % STEP_MS
        with self._writing():
            # Another process may have rotated meanwhile: what is noted is the newest one's.
            left = self._left(now_ms)
            if not left:
                return self._shown(self._draw(1, until_ms))
            return self._shown(self._lasting(left[0], until_ms))

    def sign_token(self, number: int, data: bytes) -> bytes:
        """Sign with one of these keys (Ed25519, 64 bytes).

        Raises:
            KeyMissing: it is gone.
        """
        with self._reading():
            wrap = next((one for one in self._token_wraps() if _number(one) == number), None)
            if wrap is None:
                raise KeyMissing(f"the key {number} that tokens are signed with is gone")
            seed = self._secret(wrap)
        try:
            return Ed25519PrivateKey.from_private_bytes(seed).sign(data)
        finally:
            wipe(seed)

    def rotate_token_key(self, *, now_ms: int, at_once: bool = False) -> TokenKey:
        """Draw the next key that tokens are signed with; returns it."""
        with self._writing():
            found = self._token_wraps()
            fresh = self._draw(_number(found[0]) + 1 if found else 1, now_ms)
            for wrap in found:
                if at_once or _until(wrap) <= now_ms:
                    self._drop(Kind.SIGNER, wrap.scope)
            return self._shown(fresh)

    # --- inside

    def _token_wraps(self) -> list[Wrap]:
        """All of them, the newest first."""
        wraps = self._top(Kind.SIGNER)
        if any(len(wrap.scope) != _SCOPE.size for wrap in wraps):
            raise CorruptStore("a key that tokens are signed with is not as it is written")
        return sorted(wraps, key=_number, reverse=True)

    def _left(self, now_ms: int) -> list[Wrap]:
        """Erase those whose time is over, but for the newest; returns what is left."""
        found = self._token_wraps()
        for wrap in found[1:]:
            if _until(wrap) <= now_ms:
                self._drop(Kind.SIGNER, wrap.scope)
        return found[:1] + [wrap for wrap in found[1:] if _until(wrap) > now_ms]

    def _lasting(self, wrap: Wrap, until_ms: int) -> Wrap:
        """Have a key verify until then at least."""
        if _until(wrap) >= until_ms:
            return wrap
        secret = self._secret(wrap)
        try:
            self._drop(Kind.SIGNER, wrap.scope)
            scope = token_scope_of(_number(wrap), until_ms)
            return self._make(Kind.SIGNER, scope, None, secret)
        finally:
            wipe(secret)

    def _draw(self, number: int, until_ms: int) -> Wrap:
        secret = self._fresh()
        try:
            return self._make(Kind.SIGNER, token_scope_of(number, until_ms), None, secret)
        finally:
            wipe(secret)

    def _shown(self, wrap: Wrap) -> TokenKey:
        seed = self._secret(wrap)
        try:
            public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        finally:
            wipe(seed)
        return TokenKey(number=_number(wrap), public=public, until_ms=_until(wrap))


def _number(wrap: Wrap) -> int:
    number: int = _SCOPE.unpack(wrap.scope)[0]
    return number


def _until(wrap: Wrap) -> int:
    until_ms: int = _SCOPE.unpack(wrap.scope)[1]
    return until_ms
