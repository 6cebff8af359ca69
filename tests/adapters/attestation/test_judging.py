"""What is judged alike for every kind of evidence."""

from __future__ import annotations

import pytest

from holdfast.adapters.attestation.judging import (
    NOW_MS_MAX,
    check_binding,
    check_claims,
    moment,
    usable,
)
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import AttestationPolicy, Attested, EvidenceKind

FOUND = Attested(
    kind=EvidenceKind.SNP, measurement="ab", hardware=True, debug=False, tcb=(("snp", 8),)
)


@pytest.mark.parametrize("now_ms", [-1, NOW_MS_MAX + 1, 10**30])
def test_a_time_that_no_calendar_has_is_refused(now_ms: int) -> None:
    """With a typed error, not by an overflow."""
    with pytest.raises(AttestationFailed) as caught:
        moment(now_ms)
    assert "malformed" == caught.value.code
    assert 9999 == moment(NOW_MS_MAX).year


@pytest.mark.parametrize(
    ("binding", "expected"),
    [(b"", False), (bytes(32), False), (b"x" * 65, False), (b"x", True), (b"x" * 64, True)],
)
def test_a_binding_that_says_nothing_is_none(binding: bytes, expected: bool) -> None:
    """Empty, all zero or longer than any field."""
    assert expected is usable(binding)


@pytest.mark.parametrize(
    ("field", "binding"),
    [(bytes(64), bytes(32)), (b"x".ljust(64, b"\0"), b"y"), (b"x" * 32, b"x" * 32),
     (b"x" * 64, b"x" * 32), (b"x".ljust(64, b"\0"), b"")],
)  # fmt: skip
def test_another_binding_is_refused(field: bytes, binding: bytes) -> None:
    """A prefix is not enough, and zeros bind nothing."""
    with pytest.raises(AttestationFailed) as caught:
        check_binding(field, binding)
    assert "not_bound" == caught.value.code


def test_a_binding_is_padded_with_zeros() -> None:
    """To the 64 bytes of the field."""
    check_binding(b"x" * 32 + bytes(32), b"x" * 32)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"measurements": frozenset({"cd"})}, "measurement"),
        ({"measurements": frozenset()}, "measurement"),
        ({"minimum_tcb": (("snp", 9),)}, "tcb"),
        ({"minimum_tcb": (("snp", 8), ("unheard", 0))}, "tcb"),
    ],
)
def test_below_the_policy_is_refused(changed: dict[str, object], code: str) -> None:
    """Also a floor for what the evidence does not show at all."""
    fields = {"measurements": frozenset({"ab"}), **changed}
    policy = AttestationPolicy(**fields)
    with pytest.raises(AttestationFailed) as caught:
        check_claims(FOUND, policy)
    assert code == caught.value.code


def test_what_meets_the_policy_is_returned() -> None:
    """At the floor is enough."""
    policy = AttestationPolicy(measurements=frozenset({"ab"}), minimum_tcb=(("snp", 8),))
    assert FOUND is check_claims(FOUND, policy)
