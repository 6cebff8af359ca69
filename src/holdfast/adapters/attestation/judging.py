"""What is judged alike for every kind of evidence, after its signatures have held.

- What a policy asks for and evidence does not show is a refusal.
- A binding that says nothing binds nothing: none, or only zeros, is refused.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import AttestationPolicy, Attested

FIELD_BYTES = 64
"""Length of the free field of SNP reports and of TDX and SGX quotes."""

NOW_MS_MAX = 253_402_300_799_999
"""The end of the year 9999."""


def moment(now_ms: int) -> datetime:
    """The time at which evidence is judged.

    Args:
        now_ms: UTC milliseconds.

    Raises:
        AttestationFailed: malformed: no calendar has that time.
    """
    if not 0 <= now_ms <= NOW_MS_MAX:
        raise AttestationFailed("the time to verify at is out of range", code="malformed")
    return datetime.fromtimestamp(now_ms / 1000, UTC)


def check_binding(field: bytes, binding: bytes) -> None:
    """Compare a free field of 64 bytes with the binding, padded with zeros.

    Raises:
        AttestationFailed: not_bound.
    """
    if not usable(binding) or len(field) != FIELD_BYTES:
        raise AttestationFailed("the binding is empty or too long", code="not_bound")
    if not hmac.compare_digest(field, binding.ljust(FIELD_BYTES, b"\0")):
        raise AttestationFailed("the evidence was not made for this channel", code="not_bound")


def usable(binding: bytes) -> bool:
    """Whether a binding says anything: 1 to 64 bytes that are not all zero."""
    return 0 < len(binding) <= FIELD_BYTES and any(binding)


def check_shown(found: Attested, policy: AttestationPolicy) -> Attested:
    """Compare what every kind of evidence shows with what the policy demands; returns it.

    Raises:
        AttestationFailed: debug or measurement.
    """
    if found.debug and not policy.allow_debug:
        raise AttestationFailed("the enclave can be looked into (debug)", code="debug")
    if found.measurement not in policy.measurements:
        raise AttestationFailed(
            f"the measurement {found.measurement} is not allowed", code="measurement"
        )
    return found


def check_claims(found: Attested, policy: AttestationPolicy) -> Attested:
    """The same, and the versions of the platform's parts; returns it.

    Raises:
        AttestationFailed: debug, measurement or tcb.
    """
    check_shown(found, policy)
    versions = dict(found.tcb)
    for name, least in policy.minimum_tcb:
        there = versions.get(name)
        if there is None:
            raise AttestationFailed(f"{found.kind.value} shows no version of {name}", code="tcb")
        if there < least:
            raise AttestationFailed(f"{name} is at {there}, below {least}", code="tcb")
    return found
