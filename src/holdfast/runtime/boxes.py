"""Keys derived from a session's data key, and boxes for what is no event.

Rules
- Every use has its own key: HKDF-SHA-256 of the data key with a distinct info
  string. The data key itself encrypts events and nothing else.
- Whatever is hashed or authenticated is length-prefixed (8 bytes, big-endian),
  so that no two lists of parts look alike.
- Digests of arguments are keyed and die with the data key (contract 1.9).

Layout

    box   nonce(12) ‖ AES-256-GCM(plaintext, AD = 'holdfast/box/1' ‖ purpose ‖ ids)

A box holds an index blob, a pending payload, a snapshot or one part of a blob;
its ids are where it belongs (contract 2.8), so that it opens nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.core.errors import Unreadable
from holdfast.ports.keys import DataKey

NONCE_BYTES = 12
TAG_BYTES = 16

BoxId = bytes | int | str

_LENGTH = struct.Struct(">Q")
_LENGTHS = tuple(_LENGTH.pack(size) for size in range(256))  # most parts are short


def framed(*parts: bytes | bytearray) -> bytes:
    """Join parts, each preceded by its length in 8 bytes."""
    pieces: list[bytes | bytearray] = []
    for part in parts:
        size = len(part)
        pieces += (_LENGTHS[size] if size < 256 else _LENGTH.pack(size), part)
    return b"".join(pieces)


# --- derived keys ---------------------------------------------------------------


def derive(secret: bytes | bytearray, info: bytes) -> bytearray:
    """Derive a 32-byte key for one use.

    Args:
        secret: a uniformly random key.
        info: names the use.
    """
    return bytearray(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret))


def commitment(key: DataKey) -> bytes:
    """Commit to a data key without revealing it (32 bytes, kept in event 1)."""
    return hashlib.sha256(derive(key.secret, b"holdfast/commit/1")).digest()


def effect_key(key: DataKey) -> bytes:
    """Derive the key that effect ids are made with."""
    return bytes(derive(key.secret, b"holdfast/effect/1"))


def digest_key(key: DataKey) -> bytes:
    """Derive the key for digests of arguments and payloads."""
    return bytes(derive(key.secret, b"holdfast/digest/1"))


def state_key(key: DataKey) -> bytes:
    """Derive the key for what is cached of a session's state."""
    return bytes(derive(key.secret, b"holdfast/state/1"))


def keyed_digest(key: bytes | bytearray, *parts: bytes) -> bytes:
    """Digest parts under a key (16 bytes); the parts' borders matter."""
    return hmac.digest(key, framed(*parts), "sha256")[:16]


def effect_id(key: bytes | bytearray, stream: int, cause_version: int, ordinal: int) -> str:
    """Name an effect by its place in the log (contract 2.2).

    Args:
        key: the session's effect key.
        stream: the session's stream, 64 bits.
        cause_version: version of the event that made the effect due.
        ordinal: its number among the effects of that event, from 0.
    """
    pack = _LENGTH.pack
    return "eff-" + keyed_digest(key, pack(stream), pack(cause_version), pack(ordinal)).hex()


# --- boxes ----------------------------------------------------------------------


def _box_data(purpose: str, ids: tuple[BoxId, ...]) -> bytes:
    parts = [b"holdfast/box/1", purpose.encode()]
    for part in ids:
        # The letter keeps 1, "1" and b"1" apart.
        if isinstance(part, int):
            parts.append(b"i%d" % part)
        elif isinstance(part, str):
            parts.append(b"s" + part.encode())
        else:
            parts.append(b"b" + part)
    return framed(*parts)


class BoxCipher:
    """Seals and opens boxes under one key.

    Args:
        secret: the 32-byte key that the boxes' own key is derived from.
    """

    __slots__ = ("_aead",)

    def __init__(self, secret: bytes | bytearray) -> None:
        derived = derive(secret, b"holdfast/box/1")
        self._aead = AESGCM(derived)
        derived[:] = bytes(len(derived))

    def seal(self, purpose: str, ids: tuple[BoxId, ...], plaintext: bytes, nonce: bytes) -> bytes:
        """Seal; see `seal_box`."""
        assert len(nonce) == NONCE_BYTES, "a nonce is 12 bytes"
        return nonce + self._aead.encrypt(nonce, plaintext, _box_data(purpose, ids))

    def open(self, purpose: str, ids: tuple[BoxId, ...], box: bytes) -> bytes:
        """Open; see `open_box`."""
        if len(box) < NONCE_BYTES + TAG_BYTES:
            raise Unreadable(f"the sealed {purpose} is cut off")
        data = _box_data(purpose, ids)
        try:
            return self._aead.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], data)
        except InvalidTag as error:
            raise Unreadable(f"the sealed {purpose} cannot be decrypted") from error


def _secret(key: DataKey | bytes) -> bytes | bytearray:
    return key.secret if isinstance(key, DataKey) else key


def seal_box(
    key: DataKey | bytes, purpose: str, ids: tuple[BoxId, ...], plaintext: bytes, nonce: bytes
) -> bytes:
    """Seal something that is no event; returns nonce and ciphertext.

    Args:
        key: a data key, or 32 bytes such as a tenant's secret.
        purpose: what it is, such as "snapshot".
        ids: where it belongs; opening needs the same.
        plaintext: what to seal.
        nonce: 12 random bytes, drawn for this encryption alone.
    """
    return BoxCipher(_secret(key)).seal(purpose, ids, plaintext, nonce)


def open_box(key: DataKey | bytes, purpose: str, ids: tuple[BoxId, ...], box: bytes) -> bytes:
    """Open what `seal_box` sealed.

    Raises:
        Unreadable: it was altered, or it was sealed for another place or key.
    """
    return BoxCipher(_secret(key)).open(purpose, ids, box)
