"""AWS Nitro: real documents, and documents of our own for what no real one shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cbor2
import pytest
from evidencekit import (
    DAY_MS,
    Issued,
    Vector,
    at_ms,
    flipped,
    issue,
    raw_signature,
    read,
    refusal,
    vectors,
    verify,
)

from holdfast.adapters.attestation.cose import PROTECTED
from holdfast.adapters.attestation.nitro import CLOCK_AHEAD_MS, NitroVerifier
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import Evidence, EvidenceKind

REAL = NitroVerifier()
NAMES = ("nitro", "nitro debug")
UNBOUND = {
    "sample_prod_doc.bin": 1_616_018_515_685,
    "sample_prod_doc_with_publickey.bin": 1_616_602_241_734,
}
NOW_MS = at_ms("2024-06-01")


@cache
def chain() -> tuple[Issued, Issued, Issued]:
    """A root, an authority and a leaf of our own."""
    root = issue("root")
    middle = issue("middle", root)
    return root, middle, issue("leaf", middle, authority=False, sign=False)


def fields(**changed: object) -> dict[str, object]:
    """A document of our own, with some of it changed."""
    root, middle, leaf = chain()
    return {
        "module_id": "i-1",
        "digest": "SHA384",
        "timestamp": NOW_MS,
        "pcrs": {place: bytes([place + 1]) * 48 for place in range(16)},
        "certificate": leaf.der,
        "cabundle": [root.der, middle.der],
        "public_key": None,
        "user_data": b"b" * 32,
        "nonce": None,
        **changed,
    }


def signed(payload: object) -> Vector:
    """Evidence of a document that our leaf signs."""
    leaf = chain()[2]
    data = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    over = cbor2.dumps(["Signature1", PROTECTED, b"", data])
    signature = raw_signature(leaf.key, over, 48, "big")
    document = cbor2.dumps([PROTECTED, {}, data, signature])
    return Vector(
        evidence=Evidence(kind=EvidenceKind.NITRO, document=document),
        binding=b"b" * 32,
        now_ms=NOW_MS,
        measurement="01" * 48,
    )


def own_code(payload: object) -> str:
    """How a document of our own is refused, "" if it is not."""
    return refusal(NitroVerifier(lambda: [chain()[0].certificate]), signed(payload))


@pytest.mark.parametrize("name", NAMES)
def test_real_documents_verify(name: str) -> None:
    """Bound by `user_data` or by `nonce`; one is of an enclave in debug mode."""
    vector = vectors()[name]
    found = verify(REAL, vector)
    assert (vector.measurement, vector.debug, True, ()) == (
        found.measurement, found.debug, found.hardware, found.tcb
    )  # fmt: skip


def test_both_free_fields_can_hold_the_binding() -> None:
    """The whole of one of them."""
    vector = vectors()["nitro debug"]
    assert "" == refusal(REAL, vector, binding=b"Hello World!\n")
    assert "not_bound" == refusal(REAL, vector, binding=b"Hello World!")
    assert "not_bound" == refusal(REAL, vector, binding=b"Nonce\n\0")


@pytest.mark.parametrize("name", UNBOUND)
def test_real_documents_that_bind_nothing_are_authentic_and_refused(name: str) -> None:
    """AWS signed them, for no channel at all."""
    data = read(f"nitro/{name}")
    found = REAL.authentic(data, UNBOUND[name])
    assert (None, None) == (found["user_data"], found["nonce"])
    evidence = Evidence(kind=EvidenceKind.NITRO, document=data)
    vector = replace(vectors()["nitro"], now_ms=UNBOUND[name])
    assert "not_bound" == refusal(REAL, vector, evidence=evidence)
    assert "not_bound" == refusal(REAL, vector, evidence=evidence, binding=b"")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_every_flipped_byte_is_refused(name: str, step: int) -> None:
    """Of the document, its chain inside; the short run takes every 29th."""
    vector = vectors()[name]
    for place, data in flipped(vector.evidence.document, step):
        assert refusal(REAL, vector, evidence=replace(vector.evidence, document=data)), place


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("expired", {"now_ms": 1_629_255_584_963 + DAY_MS}),
        ("not_yet_valid", {"now_ms": 1_629_255_584_963 - DAY_MS}),
        ("not_bound", {"binding": b"more stuff".ljust(32, b"\0")}),
        ("measurement", {"policy": vectors()["nitro"].policy(measurements=frozenset({"0" * 96}))}),
        ("tcb", {"policy": vectors()["nitro"].policy(minimum_tcb=(("snp", 0),))}),
    ],
)
def test_what_a_policy_does_not_accept_is_refused(code: str, change: dict[str, object]) -> None:
    """Each with its own code."""
    assert code == refusal(REAL, vectors()["nitro"], **change)


def test_debug_is_refused_unless_it_is_allowed() -> None:
    """Zeros in PCR 0, 1 and 2; one of them is enough."""
    vector = vectors()["nitro debug"]
    assert "debug" == refusal(REAL, vector, policy=vector.policy(allow_debug=False))
    for place in range(3):
        pcrs = {**dict.fromkeys(range(3), b"x" * 48), place: bytes(48)}
        assert "debug" == own_code(fields(pcrs=pcrs))


def test_documents_that_are_cut_short_are_refused() -> None:
    """Wherever they end."""
    vector = vectors()["nitro"]
    for length in range(len(vector.evidence.document)):
        short = replace(vector.evidence, document=vector.evidence.document[:length])
        assert "malformed" == refusal(REAL, vector, evidence=short)


def test_a_document_of_our_own_is_accepted_by_our_root_only() -> None:
    """So the refusals below are for what they change."""
    assert "" == own_code(fields())
    assert "chain" == refusal(REAL, signed(fields()))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"module_id": b"i-1"}, "malformed"),
        ({"digest": "SHA256"}, "malformed"),
        ({"timestamp": True}, "malformed"),
        ({"timestamp": 1.5}, "malformed"),
        ({"timestamp": NOW_MS + CLOCK_AHEAD_MS}, ""),
        ({"timestamp": NOW_MS + CLOCK_AHEAD_MS + 1}, "not_yet_valid"),
        ({"pcrs": {0: b"x" * 48, 1: b"x" * 48}}, "malformed"),
        ({"pcrs": {0: b"x" * 48, 1: b"x" * 48, 2: b"x" * 32}}, "malformed"),
        ({"pcrs": {0: b"x" * 48, 1: b"x" * 48, 2: b"x" * 48, 32: b"x" * 48}}, "malformed"),
        ({"pcrs": {"0": b"x" * 48}}, "malformed"),
        ({"pcrs": []}, "malformed"),
        ({"certificate": "text"}, "malformed"),
        ({"certificate": b""}, "malformed"),
        ({"cabundle": []}, "malformed"),
        ({"cabundle": ["text"]}, "malformed"),
        ({"cabundle": [b"x"] * 8}, "too_large"),
        ({"cabundle": [b"x" * 9_000]}, "too_large"),
        ({"user_data": "b" * 32}, "malformed"),
        ({"user_data": b"b" * 1_025}, "malformed"),
        ({"nonce": [b"b"]}, "malformed"),
        ({"unheard": 1}, "malformed"),
    ],
)
def test_fields_have_their_types_and_sizes(changed: dict[str, object], code: str) -> None:
    """Even where everything is signed."""
    assert code == own_code(fields(**changed))


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\xa0", b"\x81" * 5_000, cbor2.dumps([1])])
def test_a_signed_payload_that_is_no_document_is_refused(payload: bytes) -> None:
    """With a typed error."""
    assert "malformed" == own_code(payload)


def test_a_chain_of_another_order_is_refused() -> None:
    """The root comes first in the bundle."""
    root, middle, _ = chain()
    assert "chain" == own_code(fields(cabundle=[middle.der, root.der]))
    assert "chain" == own_code(fields(cabundle=[root.der]))
    with pytest.raises(AttestationFailed):
        REAL.authentic(signed(fields()).evidence.document, NOW_MS)
