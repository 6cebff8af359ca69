"""SEV-SNP: real reports, and reports of a chip of our own for what no real one shows."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cache

import pytest
from cryptography.exceptions import InvalidSignature
from evidencekit import (
    CHIP,
    DAY_MS,
    ZEN5,
    Chip,
    Vector,
    at_ms,
    chip,
    flipped,
    read,
    refusal,
    vectors,
    verify,
)

from holdfast.adapters.attestation.certificates import check_chain, read_chain
from holdfast.adapters.attestation.judging import moment
from holdfast.adapters.attestation.roots import amd_roots
from holdfast.adapters.attestation.snp import REPORT_BYTES, SnpVerifier

REAL = SnpVerifier()
NAMES = ("snp", "snp debug")


@cache
def own() -> tuple[Chip, SnpVerifier]:
    """A chip of our own and a verifier that trusts its root."""
    made = chip()
    return made, SnpVerifier(lambda: [made.root.certificate])


def own_code(**fields: bytes) -> str:
    """How a report of our own chip with these fields is refused."""
    made, verifier = own()
    return refusal(verifier, made.vector(**fields))


@pytest.mark.parametrize("name", NAMES)
def test_real_reports_verify(name: str) -> None:
    """At a time when their certificates were valid."""
    vector = vectors()[name]
    found = verify(REAL, vector)
    assert (vector.measurement, vector.debug, True) == (
        found.measurement,
        found.debug,
        found.hardware,
    )


def test_versions_are_those_of_the_report() -> None:
    """By name."""
    versions = dict(verify(REAL, vectors()["snp"]).tcb)
    assert {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115, "guest": 0} == versions


def test_a_certificate_of_turin_leads_to_its_root() -> None:
    """There is no real report of it at hand; its chain is real."""
    items = [read("snp/vcek_turin.der")]
    middle = read("snp/ask_ark_turin_vcek.pem").rstrip()
    found = read_chain([*items, middle.replace(b"\r\n", b"\n")])
    check_chain(found, amd_roots(), moment(at_ms("2025-01-01")))
    with pytest.raises((InvalidSignature, ValueError)):
        found[0].verify_directly_issued_by(found[2])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_refused(name: str, step: int) -> None:
    """Of the report and of each certificate; the short run takes every 13th."""
    vector = vectors()[name]
    for place, data in flipped(vector.evidence.document, step):
        assert refusal(REAL, vector, evidence=replace(vector.evidence, document=data)), place
    for index, item in enumerate(vector.evidence.chain):
        for place, data in flipped(item, step):
            chain = list(vector.evidence.chain)
            chain[index] = data
            evidence = replace(vector.evidence, chain=tuple(chain))
            assert refusal(REAL, vector, evidence=evidence), (index, place)


def changes(vector: Vector) -> list[tuple[str, dict[str, object]]]:
    """What has to be refused, and how."""
    evidence = vector.evidence
    return [
        ("not_bound", {"binding": b"z" * 32}),
        ("not_bound", {"binding": b""}),
        ("not_bound", {"binding": bytes(32)}),
        ("measurement", {"policy": vector.policy(measurements=frozenset({"ab" * 48}))}),
        ("tcb", {"policy": vector.policy(minimum_tcb=(("microcode", 116),))}),
        ("tcb", {"policy": vector.policy(minimum_tcb=(("fmc", 0),))}),
        ("expired", {"now_ms": at_ms("2031-01-01")}),
        ("not_yet_valid", {"now_ms": at_ms("2021-01-01")}),
        ("not_yet_valid", {"now_ms": DAY_MS}),
        ("malformed", {"now_ms": -1}),
        ("missing", {"evidence": replace(evidence, chain=())}),
        ("chain", {"evidence": replace(evidence, chain=evidence.chain[:1])}),
        ("signature", {"evidence": replace(evidence, chain=evidence.chain[1:])}),
        ("too_large", {"evidence": replace(evidence, document=evidence.document + b"\0")}),
        ("too_large", {"evidence": replace(evidence, document=bytes(10**7))}),
    ]


@pytest.mark.parametrize("place", range(15))
def test_what_a_policy_does_not_accept_is_refused(place: int) -> None:
    """Each with its own code."""
    vector = vectors()["snp"]
    code, change = changes(vector)[place]
    assert code == refusal(REAL, vector, **change)


def test_debug_is_refused_unless_it_is_allowed() -> None:
    """By the guest's policy in the real report."""
    vector = vectors()["snp debug"]
    assert "debug" == refusal(REAL, vector, policy=vector.policy(allow_debug=False))


def test_every_shorter_report_is_refused() -> None:
    """Down to nothing."""
    vector = vectors()["snp"]
    for length in range(REPORT_BYTES):
        short = replace(vector.evidence, document=vector.evidence.document[:length])
        assert "malformed" == refusal(REAL, vector, evidence=short)


def test_another_chips_certificate_is_refused() -> None:
    """Real certificates of two chips, exchanged."""
    first, second = (vectors()[name] for name in NAMES)
    mixed = replace(first.evidence, chain=second.evidence.chain)
    assert "signature" == refusal(REAL, first, evidence=mixed)


def test_a_chip_of_our_own_is_accepted_by_our_root_only() -> None:
    """So the refusals below are for what they change."""
    made, verifier = own()
    assert "ab" * 48 == verify(verifier, made.vector()).measurement
    assert "chain" == refusal(REAL, made.vector())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"x30": struct.pack("<I", 1)}, "vmpl"),
        ({"x30": struct.pack("<I", 0xFFFFFFFF)}, "vmpl"),
        ({"x8": struct.pack("<Q", 1 << 19)}, "debug"),
        ({"x34": struct.pack("<I", 2)}, "unsupported"),
        ({"x48": struct.pack("<I", 1 << 2)}, "unsupported"),
        ({"x0": struct.pack("<I", 1)}, "unsupported"),
        ({"x0": struct.pack("<I", 99)}, "unsupported"),
        ({"x1a0": bytes(64)}, "chain"),
        ({"x1a0": CHIP[::-1]}, "chain"),
        ({"x180": bytes([3, 0, 0, 0, 0, 0, 8, 116])}, "tcb"),
        ({"x180": bytes([2, 0, 0, 0, 0, 0, 8, 115])}, "tcb"),
        ({"x180": bytes(8)}, "tcb"),
    ],
)
def test_what_a_signed_report_says_of_itself_is_looked_at(
    fields: dict[str, bytes], code: str
) -> None:
    """Privilege level, debug, signer, version, chip and versions."""
    assert code == own_code(**fields)


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ({"name": "SEV-VLEK"}, "unsupported"),
        ({"product": "Naples-A1"}, "unsupported"),
        ({"identity": CHIP[:32]}, "chain"),
        ({"versions": {"1": 3, "2": 0, "3": 8}}, "chain"),
        ({"versions": {"1": 3, "2": 0, "3": 8, "8": 114}}, "tcb"),
    ],
)
def test_certificates_that_are_not_of_a_chip_are_refused(
    made: dict[str, object], code: str
) -> None:
    """A key shared by chips, an unknown product, a version missing or malformed."""
    other = chip(**made)
    verifier = SnpVerifier(lambda: [other.root.certificate])
    assert code == refusal(verifier, other.vector())


def test_turin_has_its_versions_elsewhere() -> None:
    """And a shorter id."""
    made = chip("Turin-B1", versions=ZEN5, identity=CHIP[:8])
    verifier = SnpVerifier(lambda: [made.root.certificate])
    good = {"x180": bytes([2, 3, 1, 8, 0, 0, 0, 115]), "x1a0": CHIP[:8] + bytes(56)}
    versions = dict(verify(verifier, made.vector(**good)).tcb)
    assert {"fmc": 2, "bootloader": 3, "tee": 1, "snp": 8, "microcode": 115, "guest": 7} == versions
    assert "chain" == refusal(verifier, made.vector(**{**good, "x1a0": CHIP}))
    assert "tcb" == refusal(verifier, made.vector(**{**good, "x180": bytes(8)}))
