"""The handshake: HPKE as the standard has it, and nothing of it can be altered."""

from __future__ import annotations

import json

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from enclavekit import MEASUREMENT, NOW, POLICY, PUBLIC, evidence, shake

from holdfast.adapters.enclave.handshake import (
    MAGIC,
    OFFER_BYTES_MAX,
    ClientHandshake,
    EnclaveHandshake,
    binding_of,
    read_offer,
    suite,
    write_offer,
)
from holdfast.adapters.enclave.software import SoftwareVerifier
from holdfast.core.errors import AttestationFailed, ChannelBroken
from holdfast.ports.attestation import (
    AttestationPolicy,
    Attested,
    Evidence,
    EvidenceKind,
)
from holdfast.ports.clock import SystemClock

RANDOM = SystemClock().random_bytes


def begin(
    policy: AttestationPolicy = POLICY, session: bytes = b"one"
) -> tuple[ClientHandshake, EnclaveHandshake]:
    """Both sides, before the first message."""
    verifiers = [SoftwareVerifier([PUBLIC])]
    return ClientHandshake(session, verifiers, policy, RANDOM), EnclaveHandshake()


# RFC 9180, appendix A.1.1 (base mode).
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
SECRET_KEY = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
ENCAPSULATED = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
KEY = bytes.fromhex("4531685d41d65f03dc48f6b8302c05b0")
NONCE = bytes.fromhex("56d890e5accaaf011cff4b7d")
PLAIN = bytes.fromhex("4265617574792069732074727574682c20747275746820626561757479")
SEALED = bytes.fromhex(
    "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
)


def test_the_suite_is_that_of_the_standard() -> None:
    """Key and nonce of RFC 9180 A.1.1 are those the library derives for its encapsulation.

    The library has no additional data and no deterministic sealing, so the vector's own
    ciphertext (with data "Count-0") proves key and nonce, and what they seal without data
    has to be opened by the library from the vector's secret key, encapsulation and info.
    """
    assert SEALED == AESGCM(KEY).encrypt(NONCE, PLAIN, b"Count-0")
    mine = X25519PrivateKey.from_private_bytes(SECRET_KEY)
    sealed = ENCAPSULATED + AESGCM(KEY).encrypt(NONCE, PLAIN, b"")
    assert PLAIN == suite().decrypt(sealed, mine, INFO)
    for wrong in (INFO + b"x", b""):
        with pytest.raises(InvalidTag):
            suite().decrypt(sealed, mine, wrong)


def test_both_sides_come_to_the_same_channel() -> None:
    """And the client knows what was shown."""
    client, enclave, attested = shake()
    assert b"hello" == enclave.open(client.seal(b"hello"))
    assert (MEASUREMENT, False, "simulated") == (
        attested.measurement,
        attested.hardware,
        attested.status,
    )


def survives(at: int, which: str) -> bool:
    """Whether a handshake with one bit of one message flipped comes to a common channel."""
    client, enclave = begin()

    def passed(name: str, data: bytes) -> bytes:
        if name != which:
            return data
        flipped = bytearray(data)
        flipped[at // 8] ^= 1 << at % 8
        return bytes(flipped)

    try:
        offer = enclave.offer(evidence(enclave.hear(passed("hello", client.hello()))))
        wrapped, secured = client.finish(passed("offer", offer), now_ms=NOW)
        inside = enclave.finish(passed("wrapped", wrapped))
        inside.open(secured.channel.seal(b"hello"))
    except (ChannelBroken, AttestationFailed):
        return False
    return True


@pytest.mark.parametrize("which", ["hello", "offer", "wrapped"])
def test_every_flipped_byte_of_the_handshake_is_refused(which: str) -> None:
    """Each byte of each message, in one of its bits; the bits take turns."""
    client, enclave = begin()
    hello = client.hello()
    offer = enclave.offer(evidence(enclave.hear(hello)))
    wrapped, _ = client.finish(offer, now_ms=NOW)
    size = len({"hello": hello, "offer": offer, "wrapped": wrapped}[which])
    assert survives(0, "none")
    for at in range(size):
        assert not survives(at * 8 + at % 8, which), f"byte {at} of {which}"
        assert not survives(at * 8 + 7, which), f"top bit of byte {at} of {which}"


def test_every_cut_of_the_handshake_is_refused() -> None:
    """At every length of every message."""
    client, enclave = begin()
    for length in range(len(MAGIC) + 33):
        with pytest.raises(ChannelBroken):
            enclave.hear(client.hello()[:length])
    with pytest.raises(ChannelBroken):
        enclave.hear(client.hello() + bytes(300))
    offer = enclave.offer(evidence(enclave.hear(client.hello())))
    for length in range(len(offer)):
        with pytest.raises((ChannelBroken, AttestationFailed)):
            client.finish(offer[:length], now_ms=NOW)
    wrapped, _ = client.finish(offer, now_ms=NOW)
    for length in range(len(wrapped)):
        with pytest.raises(ChannelBroken):
            enclave.finish(wrapped[:length])


def test_evidence_of_another_channel_session_or_challenge_is_refused() -> None:
    """Whoever replays an answer, or passes one on, gets nothing."""
    client, enclave = begin()
    offer = enclave.offer(evidence(enclave.hear(client.hello())))
    for other in (begin()[0], begin(session=b"two")[0]):
        with pytest.raises(AttestationFailed):
            other.finish(offer, now_ms=NOW)
    # a go-between puts its own key beside evidence that was made for the enclave's
    between = EnclaveHandshake()
    between.hear(client.hello())
    _, shown = read_offer(offer)
    with pytest.raises(AttestationFailed):
        client.finish(between.offer(shown), now_ms=NOW)


def test_the_third_message_of_another_handshake_is_refused() -> None:
    """The wrapped secret is bound to the transcript."""
    client, enclave = begin()
    offer = enclave.offer(evidence(enclave.hear(client.hello())))
    wrapped, _ = client.finish(offer, now_ms=NOW)
    _, other = begin()
    other.offer(evidence(other.hear(client.hello())))
    with pytest.raises(ChannelBroken):
        other.finish(wrapped)


def test_software_is_refused_where_hardware_is_demanded() -> None:
    """By the policy's default."""
    policy = AttestationPolicy(measurements=POLICY.measurements)
    client, enclave = begin(policy)
    offer = enclave.offer(evidence(enclave.hear(client.hello())))
    with pytest.raises(AttestationFailed):
        client.finish(offer, now_ms=NOW)


class Lax:
    """A verifier that accepts everything, as somebody's own might."""

    kinds = frozenset({EvidenceKind.SNP, EvidenceKind.SOFTWARE})

    def __init__(self, attested: Attested) -> None:
        self.attested = attested

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Accept it."""
        return self.attested


@pytest.mark.parametrize(
    ("hardware", "debug", "measurement", "kind"),
    [
        (False, False, MEASUREMENT, EvidenceKind.SNP),
        (True, True, MEASUREMENT, EvidenceKind.SNP),
        (True, False, "cd" * 32, EvidenceKind.SNP),
        (True, False, MEASUREMENT, EvidenceKind.SOFTWARE),
        (True, False, MEASUREMENT, EvidenceKind.TDX),
    ],
)
def test_a_lax_verifier_does_not_widen_the_policy(
    hardware: bool, debug: bool, measurement: str, kind: EvidenceKind
) -> None:
    """What it lets pass is held against the policy; a kind without a verifier is refused."""
    attested = Attested(
        kind=EvidenceKind.SNP, measurement=measurement, hardware=hardware, debug=debug
    )
    policy = AttestationPolicy(measurements=POLICY.measurements)
    client = ClientHandshake(b"one", [Lax(attested)], policy, RANDOM)
    enclave = EnclaveHandshake()
    enclave.hear(client.hello())
    with pytest.raises(AttestationFailed):
        client.finish(enclave.offer(Evidence(kind=kind, document=b"x")), now_ms=NOW)


def test_an_offer_is_read_as_it_was_written() -> None:
    """With chain and collateral."""
    shown = Evidence(kind=EvidenceKind.TDX, document=b"doc", chain=(b"leaf", b""), collateral=b"{}")
    assert (bytes(32), shown) == read_offer(write_offer(bytes(32), shown))
    assert len(write_offer(bytes(32), shown)) < OFFER_BYTES_MAX


@pytest.mark.parametrize("point", [bytes(32), bytes([1]) + bytes(31)])
def test_a_key_of_small_order_is_refused(point: bytes) -> None:
    """It would make the secret known to everybody."""
    client, _ = begin()
    challenge = client.hello()[len(MAGIC) : len(MAGIC) + 32]
    shown = evidence(binding_of(point, b"one", challenge))
    with pytest.raises(ChannelBroken) as caught:
        client.finish(write_offer(point, shown), now_ms=NOW)
    assert "key" == caught.value.problem


def test_evidence_says_that_it_is_simulated() -> None:
    """In its own words."""
    assert json.loads(evidence(bytes(32)).document[:-64])["simulated"] is True
