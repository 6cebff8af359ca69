"""The envelope of a stored event: header, ciphertext, chain hash (contract 1.2, 1.3).

Rules
- The header (format, stream, version, kind, time, actor, key id, epoch) is
  readable by everybody, authenticated by the cipher and hashed by the chain.
- A nonce is 96 random bits drawn per encryption and kept in front of the
  ciphertext. Nothing is ever encrypted under a nonce derived from a version, an
  epoch or a counter; a retried append encrypts again.
- A data key encrypts at most 2**32 events.
- hash = SHA-256('holdfast/event/1' ‖ previous ‖ header ‖ nonce ‖ ciphertext),
  every part preceded by its length in 8 bytes.
- An event with key id 0 is in clear and signed with the audit key (contract 1.8);
  in its hash the signature stands in the nonce's place.
- AES-GCM does not commit to its key: event 1 carries `commitment(key)`.

Layouts (all numbers big-endian, unsigned)

    header   format:8 stream:64 version:64 kind:16 time_ms:64 actor:64 key_id:32 epoch:64
    sealed   nonce(12) ‖ AES-256-GCM(plaintext, AD = header); see `packing` for what
             `Crypto` makes of a payload before
    clear    Ed25519 signature(64) ‖ payload
    box      see `boxes`
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.core.errors import KeyMissing, TooLarge, Unreadable
from holdfast.ports.keys import DataKey
from holdfast.ports.store import SealedEvent
from holdfast.runtime.boxes import (
    NONCE_BYTES,
    TAG_BYTES,
    BoxCipher,
    BoxId,
    commitment,
    derive,
    digest_key,
    effect_id,
    effect_key,
    framed,
    keyed_digest,
    open_box,
    seal_box,
    state_key,
)
from holdfast.runtime.packing import pack, unpack

__all__ = [
    "EVENTS_PER_KEY_MAX",
    "FORMAT",
    "GENESIS",
    "NONCE_BYTES",
    "BoxId",
    "Crypto",
    "Header",
    "chain_hash",
    "commitment",
    "digest_key",
    "effect_id",
    "effect_key",
    "encoded_header",
    "framed",
    "header_of",
    "keyed_digest",
    "open_body",
    "open_box",
    "open_clear",
    "seal",
    "seal_box",
    "seal_clear",
    "sealed_event",
    "state_key",
    "stored_hash",
]

FORMAT = 1
GENESIS = bytes(32)
SIGNATURE_BYTES = 64
EVENTS_PER_KEY_MAX = 2**32

_HEADER = struct.Struct(">BQQHQQIQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What everybody may read of an event; authenticated and hashed.

    Args:
        stream: the session's random number, 64 bits.
        version: 1, 2, 3 …
        kind: kind code, 16 bits.
        time_ms: milliseconds since 1970.
        actor: pseudonym of the principal.
        key_id: number of the data key; 0 means the body is in clear.
        epoch: lease epoch of the writer.
        format: number of this layout.
    """

    stream: int
    version: int
    kind: int
    time_ms: int
    actor: int
    key_id: int
    epoch: int
    format: int = FORMAT

    def encode(self) -> bytes:
        """Lay the header out in its 47 bytes.

        Raises:
            Unreadable: a field does not fit; no such header was ever written.
        """
        try:
            return _HEADER.pack(
                self.format,
                self.stream,
                self.version,
                self.kind,
                self.time_ms,
                self.actor,
                self.key_id,
                self.epoch,
            )
        except struct.error as error:
            raise Unreadable(f"event {self.version}: a header field is out of range") from error


def header_of(stream: int, event: SealedEvent) -> Header:
    """Build the header that a stored event was sealed under."""
    return Header(
        stream=stream,
        version=event.version,
        kind=event.kind,
        time_ms=event.time_ms,
        actor=event.actor,
        key_id=event.key_id,
        epoch=event.epoch,
    )


def encoded_header(stream: int, event: SealedEvent) -> bytes:
    """Lay out the header that a stored event was sealed under, in its 47 bytes.

    Raises:
        Unreadable: a field does not fit; no such header was ever written.
    """
    try:
        return _HEADER.pack(
            FORMAT,
            stream,
            event.version,
            event.kind,
            event.time_ms,
            event.actor,
            event.key_id,
            event.epoch,
        )
    except struct.error as error:
        raise Unreadable(f"event {event.version}: a header field is out of range") from error


# --- sealed and clear events ----------------------------------------------------


def _check_sealable(header: Header, key_id: int, nonce: bytes) -> None:
    assert header.key_id == key_id != 0, "the header names another key"
    assert len(nonce) == NONCE_BYTES, "a nonce is 12 bytes"
    if header.version > EVENTS_PER_KEY_MAX:
        raise TooLarge("a data key encrypts at most 2**32 events")


def seal(header: Header, plaintext: bytes, key: DataKey, nonce: bytes) -> bytes:
    """Encrypt an event's payload; returns nonce and ciphertext.

    Args:
        nonce: 12 random bytes, drawn for this encryption alone.

    Raises:
        TooLarge: the key has encrypted as many events as it may.
    """
    _check_sealable(header, key.key_id, nonce)
    return nonce + AESGCM(key.secret).encrypt(nonce, plaintext, header.encode())


def open_body(header: Header, body: bytes, key: DataKey) -> bytes:
    """Decrypt an event's body.

    Raises:
        Unreadable: header, nonce or ciphertext are not what was written.
    """
    return _open_sealed(header, header.encode(), body, key.key_id, AESGCM(key.secret))


def _open_sealed(
    named: Header | SealedEvent, header: bytes, body: bytes, key_id: int, cipher: AESGCM
) -> bytes:
    if named.key_id != key_id or key_id == 0 or len(body) < NONCE_BYTES + TAG_BYTES:
        raise Unreadable(f"event {named.version} is not sealed under this key")
    try:
        return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], header)
    except InvalidTag as error:
        raise Unreadable(f"event {named.version} cannot be decrypted") from error


def _clear_message(header: Header, payload: bytes) -> bytes:
    return framed(b"holdfast/clear/1", header.encode(), payload)


def seal_clear(header: Header, payload: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Sign an event that has no secret content (key id 0).

    Args:
        sign: signs with the audit key; 64 bytes.
    """
    assert header.key_id == 0, "only key id 0 is in clear"
    signature = sign(_clear_message(header, payload))
    assert len(signature) == SIGNATURE_BYTES, "an Ed25519 signature is 64 bytes"
    return signature + payload


def open_clear(header: Header, body: bytes, public_key: bytes) -> bytes:
    """Verify a clear event's signature and return its payload.

    Raises:
        Unreadable: it was not signed by this key, or not like this.
    """
    if header.key_id != 0 or len(body) < SIGNATURE_BYTES:
        raise Unreadable(f"event {header.version} is not a signed clear event")
    signature, payload = body[:SIGNATURE_BYTES], body[SIGNATURE_BYTES:]
    key = Ed25519PublicKey.from_public_bytes(public_key)
    try:
        key.verify(signature, _clear_message(header, payload))
    except InvalidSignature as error:
        raise Unreadable(f"event {header.version} has a wrong signature") from error
    return payload


# --- the chain ------------------------------------------------------------------


_CHAIN_START = framed(b"holdfast/event/1")


def chain_hash(previous: bytes, header: Header, body: bytes) -> bytes:
    """Hash one event onto the chain; `GENESIS` comes before event 1."""
    return _chained(previous, header.encode(), body, sealed=bool(header.key_id))


def stored_hash(previous: bytes, header: bytes, event: SealedEvent) -> bytes:
    """Hash a stored event onto the chain; `header` is its `encoded_header`."""
    return _chained(previous, header, event.body, sealed=bool(event.key_id))


def _chained(previous: bytes, header: bytes, body: bytes, *, sealed: bool) -> bytes:
    split = NONCE_BYTES if sealed else SIGNATURE_BYTES
    parts = framed(previous, header, body[:split], body[split:])
    return hashlib.sha256(_CHAIN_START + parts).digest()


# --- one session ----------------------------------------------------------------


class Crypto:
    """The ciphers and derived keys of one session, each made once, when first needed.

    Args:
        key: the session's data key; it belongs to this object from now on.
        random: source of unpredictable bytes.
    """

    __slots__ = ("_box", "_cipher", "_commitment", "_derived", "_key", "_random")

    def __init__(self, key: DataKey, random: Callable[[int], bytes]) -> None:
        assert key.key_id > 0 and len(key.secret) == 32, "a data key has an id and 32 bytes"
        self._key = key
        self._random = random
        self._cipher: AESGCM | None = AESGCM(key.secret)
        self._box: BoxCipher | None = None
        self._derived: dict[bytes, bytearray] = {}
        self._commitment = b""

    @property
    def key_id(self) -> int:
        """Number of the data key, for the header."""
        return self._key.key_id

    @property
    def state_key(self) -> bytes:
        """The key for what is cached of the session's state."""
        return bytes(self._key_for(b"holdfast/state/1"))

    @property
    def commitment(self) -> bytes:
        """What event 1 carries to commit to this key."""
        if not self._commitment:
            self._event_cipher()
            self._commitment = commitment(self._key)
        return self._commitment

    def seal(self, header: Header, plaintext: bytes) -> bytes:
        """Pack and encrypt an event's payload under a fresh nonce; see `seal`."""
        return self._seal(header, header.encode(), plaintext)

    def _seal(self, header: Header, encoded: bytes, plaintext: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        _check_sealable(header, self._key.key_id, nonce)
        return nonce + self._event_cipher().encrypt(nonce, pack(plaintext), encoded)

    def seal_event(self, header: Header, plaintext: bytes, previous: bytes) -> SealedEvent:
        """Encrypt an event and hash it onto the chain, ready for the store."""
        encoded = header.encode()
        body = self._seal(header, encoded, plaintext)
        return _stored(header, body, _chained(previous, encoded, body, sealed=True))

    def open(self, header: Header, body: bytes) -> bytes:
        """Decrypt an event's body and unpack it; see `open_body`."""
        encoded = header.encode()
        return unpack(_open_sealed(header, encoded, body, self._key.key_id, self._event_cipher()))

    def open_stored(self, header: bytes, event: SealedEvent) -> bytes:
        """Open a stored event; `header` is its `encoded_header`; see `open`."""
        cipher = self._event_cipher()
        return unpack(_open_sealed(event, header, event.body, self._key.key_id, cipher))

    def seal_box(self, purpose: str, ids: tuple[BoxId, ...], plaintext: bytes) -> bytes:
        """Seal something that is no event under a fresh nonce; see `seal_box`."""
        return self._boxes().seal(purpose, ids, plaintext, self._random(NONCE_BYTES))

    def open_box(self, purpose: str, ids: tuple[BoxId, ...], box: bytes) -> bytes:
        """Open what `seal_box` sealed; see `open_box`."""
        return self._boxes().open(purpose, ids, box)

    def digest(self, *parts: bytes) -> bytes:
        """Digest parts under the session's digest key (16 bytes)."""
        return keyed_digest(self._key_for(b"holdfast/digest/1"), *parts)

    def effect_id(self, stream: int, cause_version: int, ordinal: int) -> str:
        """Name an effect by its place in the log; see `effect_id`."""
        key = self._key_for(b"holdfast/effect/1")
        return effect_id(key, stream, cause_version, ordinal)

    def wipe(self) -> None:
        """Overwrite all keys; every later use raises `KeyMissing`."""
        self._key.wipe()
        for buffer in self._derived.values():
            buffer[:] = bytes(len(buffer))
        self._cipher = self._box = None

    def _event_cipher(self) -> AESGCM:
        if self._cipher is None:
            raise KeyMissing("this session's keys have been wiped from memory")
        return self._cipher

    def _boxes(self) -> BoxCipher:
        if self._box is None:
            self._event_cipher()
            self._box = BoxCipher(self._key.secret)
        return self._box

    def _key_for(self, info: bytes) -> bytearray:
        self._event_cipher()
        found = self._derived.get(info)
        if found is None:
            found = self._derived[info] = derive(self._key.secret, info)
        return found


def sealed_event(header: Header, body: bytes, previous: bytes) -> SealedEvent:
    """Put header, body and chain hash together as the store keeps them."""
    return _stored(header, body, chain_hash(previous, header, body))


def _stored(header: Header, body: bytes, hash: bytes) -> SealedEvent:
    return SealedEvent(
        version=header.version,
        kind=header.kind,
        time_ms=header.time_ms,
        actor=header.actor,
        key_id=header.key_id,
        epoch=header.epoch,
        body=body,
        hash=hash,
    )
