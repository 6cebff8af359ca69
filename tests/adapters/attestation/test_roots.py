"""The roots of the package are those that are pinned."""

from __future__ import annotations

import pytest

from holdfast.adapters.attestation.certificates import fingerprint
from holdfast.adapters.attestation.roots import (
    AMD,
    INTEL,
    NITRO,
    amd_roots,
    intel_roots,
    load,
    nitro_roots,
)
from holdfast.core.errors import AttestationFailed


def test_every_root_is_there_and_signs_itself() -> None:
    """By the fingerprints of the vendors' own publications."""
    found = [*amd_roots(), *nitro_roots(), *intel_roots()]
    assert [*AMD.values(), *NITRO.values(), *INTEL.values()] == [fingerprint(one) for one in found]
    for one in found:
        one.verify_directly_issued_by(one)


def test_another_file_is_no_root() -> None:
    """Neither one with another fingerprint nor one that is missing."""
    for name, pinned in (("aws_nitro.pem", AMD["amd_ark_milan.pem"]), ("gone.pem", "00")):
        with pytest.raises(AttestationFailed) as caught:
            load(name, pinned)
        assert "chain" == caught.value.code
