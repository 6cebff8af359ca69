"""Evidence as plain data: what is read, and what is refused with which error."""

from __future__ import annotations

import pytest

from holdfast.adapters.attestation.forms import evidence_of
from holdfast.core.errors import AttestationFailed, InvalidInput
from holdfast.ports.attestation import Evidence, EvidenceKind


def test_all_fields_are_read() -> None:
    """Chain and collateral may be left out."""
    assert Evidence(kind=EvidenceKind.SNP, document=b"abc") == evidence_of(
        {"kind": "snp", "document": "YWJj"}
    )
    found = evidence_of(
        {"kind": "tdx", "document": "YQ==", "chain": ["Yg==", "Yw=="], "collateral": "ZA=="}
    )
    assert (EvidenceKind.TDX, b"a", (b"b", b"c"), b"d") == (
        found.kind, found.document, found.chain, found.collateral,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"document": None}, "document"),
        ({"document": "not base64!"}, "document"),
        ({"document": 5}, "document"),
        ({"chain": "YQ=="}, "chain"),
        ({"chain": [1]}, "chain"),
        ({"collateral": "é"}, "collateral"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(fields: dict[str, object], named: str) -> None:
    """Whatever it is instead."""
    with pytest.raises(InvalidInput, match=named):
        evidence_of({"kind": "snp", "document": "YQ==", **fields})


@pytest.mark.parametrize("kind", ["", "snpx", None, ["snp"], 1])
def test_an_unknown_kind_is_unsupported(kind: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(AttestationFailed) as failed:
        evidence_of({"kind": kind, "document": "YQ=="})
    assert "unsupported" == failed.value.code
