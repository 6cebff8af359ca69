"""One verifier for every kind: each goes to its own, and the rest is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from evidencekit import refusal, vectors, verify

from holdfast.adapters.attestation.hardware import HardwareVerifier
from holdfast.bootstrap import hardware_verifier
from holdfast.ports.attestation import AttestationVerifier, Evidence, EvidenceKind

VERIFIER = HardwareVerifier()


@pytest.mark.parametrize("name", vectors())
def test_every_real_vector_verifies(name: str) -> None:
    """By the kind that it names."""
    vector = vectors()[name]
    found = verify(VERIFIER, vector)
    assert (vector.evidence.kind, vector.measurement) == (found.kind, found.measurement)


def test_it_is_what_a_program_is_given() -> None:
    """And knows every kind but software."""
    assert isinstance(hardware_verifier(), AttestationVerifier)
    assert set(EvidenceKind) - {EvidenceKind.SOFTWARE} == hardware_verifier().kinds


def test_software_and_unknown_kinds_are_refused() -> None:
    """Whatever is in them."""
    vector = vectors()["snp"]
    for kind in (EvidenceKind.SOFTWARE, "unheard"):
        evidence = replace(vector.evidence, kind=kind)
        assert "unsupported" == refusal(VERIFIER, vector, evidence=evidence)


def test_evidence_under_another_name_is_refused() -> None:
    """Every vector as every other kind."""
    for vector in vectors().values():
        for kind in set(EvidenceKind) - {vector.evidence.kind}:
            assert refusal(VERIFIER, vector, evidence=replace(vector.evidence, kind=kind))


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_noise_is_refused(kind: EvidenceKind) -> None:
    """A thousand random documents, from pinned seeds, and pieces of real ones."""
    chance = random.Random(f"noise {kind}")
    vector = vectors()["sgx"]
    pieces = [one.evidence.document for one in vectors().values()]
    for _ in range(1_000):
        noise = chance.randbytes(chance.choice((0, 1, 50, 1_184, 2_000)))
        real = chance.choice(pieces)
        at = chance.randrange(len(real))
        document = chance.choice((noise, real[:at] + noise, noise + real[at:]))
        evidence = Evidence(
            kind=kind, document=document, chain=(noise,), collateral=vector.evidence.collateral
        )
        assert refusal(VERIFIER, vector, evidence=evidence)
