"""TDX and SGX: real quotes beside Intel's collateral."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import dcap_qvl
import pytest
from evidencekit import DAY_MS, at_ms, collateral_with, flipped, read, refusal, vectors, verify

from holdfast.adapters.attestation import intel
from holdfast.adapters.attestation.intel import (
    COLLATERAL_BYTES_MAX,
    QUOTE_BYTES_MAX,
    IntelVerifier,
    read_collateral,
)
from holdfast.core.errors import AttestationFailed, MissingExtra
from holdfast.ports.attestation import Evidence, EvidenceKind

REAL = IntelVerifier()
NAMES = ("tdx", "sgx")


@pytest.mark.parametrize("name", NAMES)
def test_real_quotes_verify(name: str) -> None:
    """At a time when the collateral was valid."""
    vector = vectors()[name]
    found = verify(REAL, vector)
    assert (vector.measurement, False, True) == (found.measurement, found.debug, found.hardware)
    assert vector.statuses == (found.status,)


def test_versions_and_advisories_are_told() -> None:
    """By name."""
    tdx, sgx = (verify(REAL, vectors()[name]) for name in NAMES)
    expected = {"tdx_module": 6, "tdx_module_major": 1, "microcode": 3, "tcb_evaluation": 17}
    assert (expected, ()) == (dict(tdx.tcb), tdx.advisories)
    assert {"enclave": 0, "tcb_evaluation": 17} == dict(sgx.tcb)
    assert ("INTEL-SA-00289", "INTEL-SA-00615") == sgx.advisories


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [61, pytest.param(7, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_refused(name: str, step: int) -> None:
    """Of the quote, its padding and its collateral; the short run takes every 61st, the long one
    every 7th, and `make bench-isolation` each.
    """
    vector = vectors()[name]
    for place, data in flipped(vector.evidence.document, step):
        assert refusal(REAL, vector, evidence=replace(vector.evidence, document=data)), place
    for place, data in flipped(vector.evidence.collateral, step):
        assert refusal(REAL, vector, evidence=replace(vector.evidence, collateral=data)), place


@pytest.mark.parametrize(
    ("name", "code", "change"),
    [
        *((name, "not_bound", {"binding": b"z" * 32}) for name in NAMES),
        *((name, "not_bound", {"binding": b""}) for name in NAMES),
        *((name, "expired", {"now_ms": at_ms("2025-07-20")}) for name in NAMES),
        *((name, "not_yet_valid", {"now_ms": at_ms("2025-06-18")}) for name in NAMES),
        *((name, "not_yet_valid", {"now_ms": DAY_MS}) for name in NAMES),
        *(
            (name, "measurement", {"policy": vectors()[name].policy(measurements=frozenset())})
            for name in NAMES
        ),
        *(
            (name, "tcb", {"policy": vectors()[name].policy(minimum_tcb=(("tcb_evaluation", 18),))})
            for name in NAMES
        ),
        ("tdx", "tcb", {"policy": vectors()["tdx"].policy(minimum_tcb=(("tdx_module", 7),))}),
        ("sgx", "tcb", {"policy": vectors()["sgx"].policy(minimum_tcb=(("enclave", 1),))}),
        (
            "sgx",
            "status",
            {"policy": vectors()["sgx"].policy(allowed_statuses=frozenset({"UpToDate"}))},
        ),
        ("tdx", "status", {"policy": vectors()["tdx"].policy(allowed_statuses=frozenset())}),
    ],
)
def test_what_a_policy_does_not_accept_is_refused(
    name: str, code: str, change: dict[str, object]
) -> None:
    """Each with its own code."""
    assert code == refusal(REAL, vectors()[name], **change)


def test_a_platform_that_intel_does_not_know_is_refused() -> None:
    """A real quote of version 5, and the library's no for it."""
    document = read("tdx/tdx_quote_outdated")
    collateral = read("tdx/tdx_quote_outdated_collateral.json")
    evidence = Evidence(kind=EvidenceKind.TDX, document=document, collateral=collateral)
    vector = replace(vectors()["tdx"], now_ms=at_ms("2026-02-20"))
    assert "unsupported" == refusal(REAL, vector, evidence=evidence)
    other = replace(evidence, document=read("tdx/quote_v5_sample.dat"))
    assert "unsupported" == refusal(REAL, vector, evidence=other)


def test_collateral_of_another_platform_is_refused() -> None:
    """Real, signed and in date, but not for this quote."""
    tdx, sgx = (vectors()[name] for name in NAMES)
    mixed = replace(tdx.evidence, collateral=sgx.evidence.collateral)
    assert refusal(REAL, tdx, evidence=mixed)
    swapped = collateral_with(tdx, "tcb_info", json.loads(sgx.evidence.collateral)["tcb_info"])
    assert refusal(REAL, tdx, evidence=replace(tdx.evidence, collateral=swapped))


def test_one_kind_is_not_the_other() -> None:
    """Nor is either of them anything else."""
    for name, kind in (("tdx", EvidenceKind.SGX), ("sgx", EvidenceKind.TDX)):
        vector = vectors()[name]
        code = refusal(REAL, vector, evidence=replace(vector.evidence, kind=kind))
        assert code in {"malformed", "unsupported"}
    vector = vectors()["tdx"]
    for other in (EvidenceKind.SNP, EvidenceKind.SOFTWARE):
        evidence = replace(vector.evidence, kind=other)
        assert "unsupported" == refusal(REAL, vector, evidence=evidence)


@pytest.mark.parametrize("name", NAMES)
def test_quotes_that_are_cut_short_are_refused(name: str) -> None:
    """Wherever they end, up to the zeros behind their end; nothing else may follow."""
    vector = vectors()[name]
    document = vector.evidence.document
    whole = len(document.rstrip(b"\0"))
    for length in range(0, whole, 3):
        short = replace(vector.evidence, document=document[:length])
        assert "malformed" == refusal(REAL, vector, evidence=short), length
    longer = replace(vector.evidence, document=document + b"\1")
    assert "malformed" == refusal(REAL, vector, evidence=longer)
    huge = replace(vector.evidence, document=document + bytes(QUOTE_BYTES_MAX))
    assert "too_large" == refusal(REAL, vector, evidence=huge)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "missing"),
        (b" " * (COLLATERAL_BYTES_MAX + 1), "too_large"),
        (b"{}", "malformed"),
        (b"[]", "malformed"),
        (b"null", "malformed"),
        (b"\xff", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"a":' * 20_000, "malformed"),
        (collateral_with(vectors()["tdx"], "tcb_info", 1), "malformed"),
        (collateral_with(vectors()["tdx"], "tcb_info", "{}"), "malformed"),
        (collateral_with(vectors()["tdx"], "tcb_info", "[" * 50_000), "malformed"),
        (collateral_with(vectors()["tdx"], "pck_crl_issuer_chain", "\ud800"), "malformed"),
        (
            collateral_with(
                vectors()["tdx"],
                "qe_identity",
                '{"issueDate": "2025-01-01T00:00:00Z", "nextUpdate": "2026-01-01T00:00:00Z", '
                '"tcbEvaluationDataNumber": Infinity}',
            ),
            "malformed",
        ),
        (
            json.dumps(list(json.loads(vectors()["tdx"].evidence.collateral).items())).encode(),
            "malformed",
        ),
        (collateral_with(vectors()["tdx"], "unheard", ""), "malformed"),
        (collateral_with(vectors()["tdx"], "pck_crl", "zz"), "malformed"),
        (collateral_with(vectors()["tdx"], "pck_crl", ""), "any"),
        (collateral_with(vectors()["tdx"], "root_ca_crl", "00"), "any"),
        (collateral_with(vectors()["tdx"], "pck_crl_issuer_chain", ""), "malformed"),
        (vectors()["tdx"].evidence.collateral[:-1] + b',"pck_crl":""}', "malformed"),
    ],
)
def test_what_is_no_collateral_is_refused(data: bytes, code: str) -> None:
    """Without, too long, too deep, other names, one name twice."""
    vector = vectors()["tdx"]
    found = refusal(REAL, vector, evidence=replace(vector.evidence, collateral=data))
    assert found
    assert code in ("any", found)


def test_attributes_of_a_quote_are_looked_at() -> None:
    """No real quote has them; what the library would report is judged as it is."""
    zero = {"mr_signer_seam": "00" * 48, "seam_attributes": "00" * 8, "tee_tcb_svn": "01" * 16,
            "td_attributes": "00" * 8, "mr_td": "ab" * 48}  # fmt: skip
    assert not intel._tdx(intel._Body(fields=zero))[1]
    assert intel._tdx(intel._Body(fields={**zero, "td_attributes": "01" + "00" * 7}))[1]
    for name, value in (("mr_signer_seam", "01" * 48), ("seam_attributes", "01" * 8), ("mr_td", 1)):
        with pytest.raises(AttestationFailed):
            intel._tdx(intel._Body(fields={**zero, name: value}))
    sgx: dict[str, object] = {"attributes": "05" + "00" * 15, "mr_enclave": "cd" * 32, "isv_svn": 2}
    assert (False, (("enclave", 2),)) == intel._sgx(intel._Body(fields=sgx))[1:]
    assert intel._sgx(intel._Body(fields={**sgx, "attributes": "07" + "00" * 15}))[1]
    for changed in ({"attributes": "04" + "00" * 15}, {"attributes": "15" + "00" * 15},
                    {"attributes": "25" + "00" * 15}, {"isv_svn": None}):  # fmt: skip
        with pytest.raises(AttestationFailed):
            intel._sgx(intel._Body(fields={**sgx, **changed}))


class Panic(BaseException):
    """What a crash of the library looks like from here."""


def test_a_crash_of_the_library_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no `Exception`; one who interrupts is still heard."""

    def crash(*_: object) -> None:
        raise Panic("index out of bounds")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    vector = vectors()["tdx"]
    monkeypatch.setattr(dcap_qvl, "verify", crash)
    assert "signature" == refusal(REAL, vector)
    monkeypatch.setattr(dcap_qvl, "verify", interrupt)
    with pytest.raises(KeyboardInterrupt):
        verify(REAL, vector)


def test_without_the_optional_part_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing is accepted."""
    monkeypatch.setitem(sys.modules, "dcap_qvl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'holdfast\[tee\]'"):
        verify(REAL, vectors()["tdx"])


def test_collateral_is_read_as_it_is() -> None:
    """Nine texts."""
    assert 9 == len(read_collateral(vectors()["sgx"].evidence.collateral))
