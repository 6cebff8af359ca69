"""The frames of an established channel: sealed, numbered, bound to their handshake.

Rules
- Each direction has its own key. The nonce is the frame's number, which never repeats
  under a key: a channel ends before 2^32 frames of a direction, and is made anew.
- The header (direction, number, length) and the transcript's hash are authenticated.
- A frame that is replayed, reordered, of the wrong direction, oversized or altered ends
  the channel: its keys are overwritten and nothing is opened or sealed with it again.
- The buffers of the keys are overwritten on `close`; the cipher's own copy in the
  library is freed with it.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.core.errors import ChannelBroken

DOMAIN = b"holdfast enclave channel v1"
KEY_BYTES = 32
TAG_BYTES = 16
FRAME_BYTES_MAX = 16 * 1024 * 1024
FRAMES_MAX = 2**32 - 1
HEADER = struct.Struct(">BQI")

Buffer = bytearray | memoryview


class Role(IntEnum):
    """Who seals a frame; the byte stands in its header."""

    CLIENT = 1
    ENCLAVE = 2

    @property
    def other(self) -> Role:
        """The other end."""
        return Role.ENCLAVE if self is Role.CLIENT else Role.CLIENT


def derive_keys(secret: bytes | bytearray, transcript: bytes, keys: Buffer) -> None:
    """Derive the key of each direction into a buffer: the client's, then the enclave's.

    Args:
        secret: the wrapped secret of the handshake, 32 bytes.
        transcript: hash over the whole handshake.
        keys: two times `KEY_BYTES` that are overwritten.
    """
    assert len(keys) == 2 * KEY_BYTES
    for at, role in enumerate((Role.CLIENT, Role.ENCLAVE)):
        info = DOMAIN + b" key " + role.name.encode()
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=transcript, info=info).derive(secret)
        keys[at * KEY_BYTES : (at + 1) * KEY_BYTES] = key


def hashed(*parts: bytes) -> bytes:
    """SHA-256 over parts, each with its length before it, under the channel's domain."""
    state = hashlib.sha256(DOMAIN)
    for part in parts:
        state.update(struct.pack(">I", len(part)))
        state.update(part)
    return state.digest()


class Channel:
    """One end of an established channel; opens and seals its frames.

    Args:
        role: which end this is.
        keys: both keys as `derive_keys` writes them; overwritten on `close`.
        transcript: hash over the whole handshake.
    """

    def __init__(self, role: Role, keys: Buffer, transcript: bytes) -> None:
        self._role = role
        self._keys = keys
        self._transcript = transcript
        self._sealing: AESGCM | None = AESGCM(self._key(role))
        self._opening: AESGCM | None = AESGCM(self._key(role.other))
        self._sent = 0
        self._received = 0

    def _key(self, role: Role) -> memoryview:
        first = (role - 1) * KEY_BYTES
        return memoryview(self._keys)[first : first + KEY_BYTES]

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._sealing is None

    @property
    def spent(self) -> bool:
        """Whether a direction has had as many frames as a key may seal."""
        return max(self._sent, self._received) >= FRAMES_MAX

    def close(self) -> None:
        """End it: the keys read back as zero."""
        self._sealing = self._opening = None
        self._keys[:] = bytes(len(self._keys))

    def seal(self, data: bytes | bytearray) -> bytes:
        """Make the next frame: header and ciphertext.

        Raises:
            ChannelBroken: the channel has ended, is spent, or the data is too long.
        """
        if len(data) + TAG_BYTES > FRAME_BYTES_MAX:
            raise ChannelBroken("a frame of the enclave's channel is too long", problem="oversized")
        if self._sealing is None or self._sent >= FRAMES_MAX:
            raise self._broken("closed", "the enclave's channel has ended")
        header = HEADER.pack(self._role, self._sent, len(data) + TAG_BYTES)
        sealed = self._sealing.encrypt(_nonce(self._sent), data, header + self._transcript)
        self._sent += 1
        return header + sealed

    def length(self, header: bytes | bytearray) -> int:
        """Check the header of the next frame and return how many bytes follow it.

        Raises:
            ChannelBroken: it is not the next frame of the other end, or too long.
        """
        if self._opening is None or self._received >= FRAMES_MAX:
            raise self._broken("closed", "the enclave's channel has ended")
        if len(header) != HEADER.size:
            raise self._broken("truncated", "a frame's header is cut short")
        direction, number, length = HEADER.unpack(header)
        if direction != self._role.other:
            raise self._broken("direction", "a frame comes from the wrong direction")
        if number != self._received:
            raise self._broken("order", "a frame is repeated or out of order")
        if not TAG_BYTES <= length <= FRAME_BYTES_MAX:
            raise self._broken("oversized", "a frame has a length that none may have")
        return int(length)

    def open(self, frame: bytes | bytearray) -> bytes:
        """Open the next frame, header included.

        Raises:
            ChannelBroken: it is not the next frame, or was altered.
        """
        header, sealed = bytes(frame[: HEADER.size]), bytes(frame[HEADER.size :])
        if self.length(header) != len(sealed):
            raise self._broken("truncated", "a frame is cut short")
        assert self._opening is not None, "`length` has looked"
        try:
            data = self._opening.decrypt(_nonce(self._received), sealed, header + self._transcript)
        except InvalidTag:
            raise self._broken("altered", "a frame was altered") from None
        self._received += 1
        return data

    def _broken(self, problem: str, text: str) -> ChannelBroken:
        self.close()
        return ChannelBroken(text, problem=problem)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
