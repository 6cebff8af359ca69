"""Port: what an enclave says of itself, and who can tell whether it is true.

Evidence comes from the enclave's side of a channel; nothing in it is believed before
a verifier of its kind has looked at it with a clock, a policy and the binding that
this channel demands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

BINDING_BYTES = 32
"""Length of a binding: SHA-256 over channel key, session and challenge."""


class EvidenceKind(StrEnum):
    """What made the evidence."""

    SNP = "snp"
    NITRO = "nitro"
    TDX = "tdx"
    SGX = "sgx"
    SOFTWARE = "software"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an enclave presents; all of it is untrusted.

    Args:
        kind: what it claims to be.
        document: the report, attestation document or quote.
        chain: certificates beside it, as DER or PEM, the leaf first; some kinds carry
            theirs inside the document.
        collateral: what the vendor says of the platform (TDX, SGX), as JSON.
    """

    kind: EvidenceKind
    document: bytes
    chain: tuple[bytes, ...] = ()
    collateral: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationPolicy:
    """What evidence has to show to be accepted; everything else is refused.

    Args:
        measurements: the launch measurements that are allowed, in lower-case hex.
        hardware: evidence of software is refused.
        allow_debug: an enclave that can be looked into is accepted; for tests only.
        minimum_tcb: the lowest version of each part of the platform, by name.
        allowed_statuses: what a platform may be said to be (TDX, SGX).
    """

    measurements: frozenset[str]
    hardware: bool = True
    allow_debug: bool = False
    minimum_tcb: tuple[tuple[str, int], ...] = ()
    allowed_statuses: frozenset[str] = field(default_factory=lambda: frozenset({"UpToDate"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What verified evidence shows.

    Args:
        measurement: in lower-case hex.
        hardware: hardware vouches for it; False for a simulated enclave.
        debug: it can be looked into.
        tcb: the version of each part of the platform, by name.
        status: what the vendor says of the platform, "" where nobody says.
        advisories: names of known weaknesses of the platform.
    """

    kind: EvidenceKind
    measurement: str
    hardware: bool
    debug: bool
    tcb: tuple[tuple[str, int], ...] = ()
    status: str = ""
    advisories: tuple[str, ...] = ()


@runtime_checkable
class AttestationVerifier(Protocol):
    """Verifies evidence of some kinds."""

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        """The kinds it knows."""
        ...

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify evidence at a time.

        Args:
            binding: what the report's free field has to hold (`BINDING_BYTES`, zero-padded
                where the field is longer): who made this evidence did so for this channel.
            now_ms: UTC milliseconds; certificates and collateral have to be valid then.

        Raises:
            AttestationFailed: anything is missing, malformed, expired, not signed by the
                vendor, not bound, debug, unknown or below the policy. The reason code says which.
        """
        ...
