"""What a policy says where nothing else was said."""

from __future__ import annotations

from holdfast.ports.attestation import (
    BINDING_BYTES,
    AttestationPolicy,
    AttestationVerifier,
    EvidenceKind,
)


def test_a_policy_is_strict_unless_told_otherwise() -> None:
    """Hardware, no debug, a platform that is up to date, and no measurement by itself."""
    policy = AttestationPolicy(measurements=frozenset())
    assert (True, False, frozenset({"UpToDate"}), ()) == (
        policy.hardware,
        policy.allow_debug,
        policy.allowed_statuses,
        policy.minimum_tcb,
    )


def test_kinds_are_stable_words() -> None:
    """They are written in files of evidence; a binding is as long as SHA-256."""
    assert ["snp", "nitro", "tdx", "sgx", "software"] == [kind.value for kind in EvidenceKind]
    assert 32 == BINDING_BYTES
    assert not isinstance(object(), AttestationVerifier)
