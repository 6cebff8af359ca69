"""One verifier for all kinds of hardware evidence; what it does not know it refuses."""

from __future__ import annotations

from holdfast.adapters.attestation.intel import IntelVerifier
from holdfast.adapters.attestation.nitro import NitroVerifier
from holdfast.adapters.attestation.snp import SnpVerifier
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import (
    AttestationPolicy,
    AttestationVerifier,
    Attested,
    Evidence,
    EvidenceKind,
)


class HardwareVerifier:
    """Verifies evidence of SEV-SNP, Nitro, TDX and SGX; that of software is refused."""

    def __init__(self) -> None:
        verifiers: tuple[AttestationVerifier, ...]
        verifiers = (SnpVerifier(), NitroVerifier(), IntelVerifier())
        self._by_kind = {kind: one for one in verifiers for kind in one.kinds}

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        """All kinds but software."""
        return frozenset(self._by_kind)

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify evidence by its kind; see `AttestationVerifier.verify`.

        Raises:
            AttestationFailed: unsupported, or what the kind's verifier says.
            MissingExtra: the optional part `tee` is not installed.
        """
        verifier = self._by_kind.get(evidence.kind)
        if verifier is None:
            raise AttestationFailed(
                "no hardware vouches for evidence of this kind", code="unsupported"
            )
        return verifier.verify(evidence, policy, binding=binding, now_ms=now_ms)
