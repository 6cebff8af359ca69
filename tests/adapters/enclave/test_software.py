"""Software evidence: signed, fresh, bound, and never taken for hardware."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from enclavekit import MEASUREMENT, NOW, POLICY, PUBLIC, SEED, evidence

from holdfast.adapters.enclave.software import _DOMAIN, FRESH_MS_MAX, SoftwareVerifier, measure
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import (
    AttestationPolicy,
    AttestationVerifier,
    Attested,
    Evidence,
    EvidenceKind,
)

BINDING = bytes(range(32))
VERIFIER = SoftwareVerifier([PUBLIC])


def verify(
    shown: Evidence | None = None,
    policy: AttestationPolicy = POLICY,
    binding: bytes = BINDING,
    now_ms: int = NOW,
) -> Attested:
    """Verify evidence of the test's key."""
    return VERIFIER.verify(shown or evidence(BINDING), policy, binding=binding, now_ms=now_ms)


def signed(**changes: object) -> Evidence:
    """Evidence with other fields, rightly signed."""
    fields = json.loads(evidence(BINDING).document[:-64]) | changes
    body = json.dumps({name: value for name, value in fields.items() if value != "gone"}).encode()
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    return Evidence(kind=EvidenceKind.SOFTWARE, document=body + key.sign(_DOMAIN + body))


def test_it_shows_a_measurement_and_no_hardware() -> None:
    """And fulfils the port."""
    assert isinstance(VERIFIER, AttestationVerifier)
    shown = verify()
    assert (MEASUREMENT, False, False) == (shown.measurement, shown.hardware, shown.debug)


def test_every_flipped_byte_is_refused() -> None:
    """Of document and signature."""
    document = evidence(BINDING).document
    for at in range(len(document)):
        flipped = bytearray(document)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(AttestationFailed):
            verify(Evidence(kind=EvidenceKind.SOFTWARE, document=bytes(flipped)))


@pytest.mark.parametrize(
    "shown",
    [
        signed(debug=True),
        signed(debug=0),
        signed(simulated=False),
        signed(simulated="gone"),
        signed(more=1),
        signed(measurement="cd" * 32),
        signed(made_ms=float(NOW)),
        signed(made_ms=True),
        signed(made_ms=None),
        signed(binding=None),
        replace(evidence(BINDING), chain=(b"",)),
        replace(evidence(BINDING), collateral=b"{}"),
        replace(evidence(BINDING), kind=EvidenceKind.SNP),
        Evidence(kind=EvidenceKind.SOFTWARE, document=b""),
        Evidence(kind=EvidenceKind.SOFTWARE, document=bytes(5000)),
    ],
)
def test_what_is_not_as_it_has_to_be_is_refused(shown: Evidence) -> None:
    """However well it is signed."""
    with pytest.raises(AttestationFailed):
        verify(shown)


def test_time_binding_key_and_policy_are_held_against_it() -> None:
    """One step inside is accepted, one outside is not."""
    verify(now_ms=NOW + FRESH_MS_MAX)
    verify(now_ms=NOW - FRESH_MS_MAX)
    for now_ms in (NOW + FRESH_MS_MAX + 1, NOW - FRESH_MS_MAX - 1):
        with pytest.raises(AttestationFailed):
            verify(now_ms=now_ms)
    with pytest.raises(AttestationFailed):
        verify(binding=bytes(32))
    with pytest.raises(AttestationFailed):
        verify(policy=AttestationPolicy(measurements=POLICY.measurements))
    with pytest.raises(AttestationFailed):
        verify(policy=AttestationPolicy(measurements=frozenset(), hardware=False))
    with pytest.raises(AttestationFailed):
        SoftwareVerifier([]).verify(evidence(BINDING), POLICY, binding=BINDING, now_ms=NOW)


def test_a_measurement_covers_the_settings() -> None:
    """And is the same each time."""
    assert measure(b"a") == measure(b"a") != measure(b"b")
