"""What the attestation port promises by default."""

from __future__ import annotations

from holdfast.ports.attestation import BINDING_BYTES, AttestationPolicy, Evidence, EvidenceKind


def test_a_policy_is_strict_unless_it_says_otherwise() -> None:
    """Hardware, no debugging, an up-to-date platform; no measurement is allowed."""
    policy = AttestationPolicy(measurements=frozenset())
    assert (True, False, frozenset({"UpToDate"})) == (
        policy.hardware,
        policy.allow_debug,
        policy.allowed_statuses,
    )
    assert 32 == BINDING_BYTES


def test_evidence_may_come_alone() -> None:
    """Some kinds carry their chain within."""
    evidence = Evidence(kind=EvidenceKind.NITRO, document=b"x")
    assert ((), b"") == (evidence.chain, evidence.collateral)
