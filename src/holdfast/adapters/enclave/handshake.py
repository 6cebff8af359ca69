"""How a channel is made: challenge, evidence, wrapped secret.

1. The client says for which session it wants a channel, and a fresh challenge.
2. The enclave answers with a fresh X25519 key and evidence whose binding is
   `binding_of` that key, that session and that challenge.
3. The client has the evidence verified. Only then it draws a secret and wraps it
   with HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
   AES-128-GCM); `info` is the hash over both messages.
4. Both derive the channel's keys from the secret and the hash over all three messages.

Nothing that the enclave says is believed before step 3; what cannot be read, or has
no verifier of its kind, is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from holdfast.adapters.attestation.judging import check_shown
from holdfast.adapters.enclave.channel import (
    KEY_BYTES,
    Buffer,
    Channel,
    Role,
    derive_keys,
    hashed,
)
from holdfast.core.errors import AttestationFailed, ChannelBroken
from holdfast.ports.attestation import (
    AttestationPolicy,
    AttestationVerifier,
    Attested,
    Evidence,
    EvidenceKind,
)

MAGIC = b"HFE1"
CHALLENGE_BYTES = 32
SESSION_BYTES_MAX = 256
CHAIN_MAX = 16
OFFER_BYTES_MAX = 1024 * 1024
_SIZE = struct.Struct(">I")

Random = Callable[[int], bytes]
Keys = Callable[[int], Buffer]


def suite() -> hpke.Suite:
    """The HPKE suite that wraps the secret: appendix A.1 of RFC 9180."""
    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_128_GCM)


def binding_of(public_key: bytes, session: bytes, challenge: bytes) -> bytes:
    """What evidence has to hold so that it was made for this channel; 32 bytes."""
    return hashed(b"binding", public_key, session, challenge)


@dataclass(frozen=True, slots=True)
class Secured:
    """A channel the client may use, and what its enclave has shown."""

    channel: Channel
    attested: Attested


class ClientHandshake:
    """The client's side; use once: `hello`, then `finish`.

    Args:
        session: the session's id as bytes.
        verifiers: who may look at evidence; the first one that knows its kind does.
        policy: what evidence has to show.
        random: draws so many random bytes.
    """

    def __init__(
        self,
        session: bytes,
        verifiers: Iterable[AttestationVerifier],
        policy: AttestationPolicy,
        random: Random,
    ) -> None:
        assert 0 < len(session) <= SESSION_BYTES_MAX
        self._session = session
        self._verifiers = tuple(verifiers)
        self._policy = policy
        self._random = random
        self._challenge = random(CHALLENGE_BYTES)

    def hello(self) -> bytes:
        """The first message."""
        return MAGIC + self._challenge + self._session

    def finish(self, offer: bytes, *, now_ms: int) -> tuple[bytes, Secured]:
        """Verify the enclave's answer; returns the third message and the channel.

        Args:
            now_ms: UTC milliseconds; evidence has to be valid then.

        Raises:
            ChannelBroken: the answer cannot be read.
            AttestationFailed: the evidence is not accepted.
        """
        public_key, evidence = read_offer(offer)
        attested = self._verify(public_key, evidence, now_ms)
        first = hashed(self.hello(), offer)
        secret = bytearray(self._random(KEY_BYTES))
        try:
            key = X25519PublicKey.from_public_bytes(public_key)
            wrapped = suite().encrypt(bytes(secret), key, first)
            return wrapped, Secured(
                _channel(Role.CLIENT, secret, hashed(first, wrapped), bytearray), attested
            )
        except ValueError:  # a point of small order
            raise ChannelBroken("the enclave's key is none", problem="key") from None
        finally:
            secret[:] = bytes(len(secret))

    def _verify(self, public_key: bytes, evidence: Evidence, now_ms: int) -> Attested:
        knows = (one for one in self._verifiers if evidence.kind in one.kinds)
        verifier = next(knows, None)
        if verifier is None:
            raise AttestationFailed(
                f"nobody here can verify evidence of {evidence.kind.value!r}", code="unsupported"
            )
        attested = verifier.verify(
            evidence,
            self._policy,
            binding=binding_of(public_key, self._session, self._challenge),
            now_ms=now_ms,
        )
        # What a verifier lets pass is held against the policy once more: it is not ours.
        software = evidence.kind is EvidenceKind.SOFTWARE or not attested.hardware
        if self._policy.hardware and software:
            raise AttestationFailed("the enclave is simulated", code="debug")
        return check_shown(attested, self._policy)


class EnclaveHandshake:
    """The enclave's side; use once: `hear`, `offer`, `finish`.

    Args:
        keys: makes the buffer of the channel's keys.
    """

    def __init__(self, keys: Keys = bytearray) -> None:
        self._key = X25519PrivateKey.generate()
        self._public = self._key.public_key().public_bytes_raw()
        self._keys = keys
        self._hello = self._offer = b""

    def hear(self, hello: bytes) -> bytes:
        """Take the first message; returns the binding that the evidence has to hold.

        Raises:
            ChannelBroken: it cannot be read.
        """
        head = len(MAGIC) + CHALLENGE_BYTES
        if not hello.startswith(MAGIC) or not head < len(hello) <= head + SESSION_BYTES_MAX:
            raise ChannelBroken("the first message is none", problem="hello")
        self._hello = hello
        return binding_of(self._public, hello[head:], hello[len(MAGIC) : head])

    def offer(self, evidence: Evidence) -> bytes:
        """The second message."""
        self._offer = write_offer(self._public, evidence)
        return self._offer

    def finish(self, wrapped: bytes) -> Channel:
        """Take the third message; returns the channel.

        Raises:
            ChannelBroken: it was not made for this handshake.
        """
        assert self._hello and self._offer, "in order"
        first = hashed(self._hello, self._offer)
        try:
            secret = bytearray(suite().decrypt(wrapped, self._key, first))
        except (InvalidTag, ValueError):
            raise ChannelBroken("the third message is of no such channel", problem="wrap") from None
        try:
            if len(secret) != KEY_BYTES:
                raise ChannelBroken("the secret has a wrong length", problem="wrap")
            return _channel(Role.ENCLAVE, secret, hashed(first, wrapped), self._keys)
        finally:
            secret[:] = bytes(len(secret))


def _channel(role: Role, secret: bytearray, transcript: bytes, keys: Keys) -> Channel:
    buffer = keys(2 * KEY_BYTES)
    derive_keys(secret, transcript, buffer)
    return Channel(role, buffer, transcript)


def write_offer(public_key: bytes, evidence: Evidence) -> bytes:
    """Write the second message."""
    parts = [
        public_key,
        evidence.kind.value.encode(),
        evidence.document,
        evidence.collateral,
        *evidence.chain,
    ]
    return b"".join(_SIZE.pack(len(part)) + part for part in parts)


def read_offer(offer: bytes) -> tuple[bytes, Evidence]:
    """Read the second message: the channel's key and the evidence.

    Raises:
        ChannelBroken: it cannot be read.
    """
    parts: list[bytes] = []
    at = 0
    while at + _SIZE.size <= len(offer) and len(parts) < 4 + CHAIN_MAX:
        (size,) = _SIZE.unpack_from(offer, at)
        at += _SIZE.size
        parts.append(offer[at : at + size])
        at += size
    if at != len(offer) or len(parts) < 4 or len(parts[0]) != KEY_BYTES:
        raise ChannelBroken("the second message cannot be read", problem="offer")
    public_key, kind, document, collateral, *chain = parts
    try:
        known = EvidenceKind(kind.decode("ascii", "replace"))
    except ValueError:
        raise ChannelBroken("the evidence is of no known kind", problem="offer") from None
    return public_key, Evidence(
        kind=known, document=document, chain=tuple(chain), collateral=collateral
    )
