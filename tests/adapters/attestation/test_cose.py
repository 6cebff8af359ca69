"""Envelopes of Nitro: bounds, the one form, and signatures."""

from __future__ import annotations

import sys

import cbor2
import pytest
from evidencekit import issue, raw_signature, read

from holdfast.adapters.attestation.cose import (
    DEPTH_MAX,
    DOCUMENT_BYTES_MAX,
    PROTECTED,
    check_envelope,
    decode,
    open_envelope,
)
from holdfast.core.errors import AttestationFailed, MissingExtra

REAL = read("nitro/sample_prod_doc.bin")


def code_of(document: bytes) -> str:
    """How an envelope is refused, "" if it is not."""
    try:
        open_envelope(document)
    except AttestationFailed as error:
        return error.code
    return ""


def envelope(**changed: object) -> bytes:
    """An envelope of the right form, with some of it changed."""
    parts = {"protected": PROTECTED, "unprotected": {}, "payload": b"p", "signature": bytes(96)}
    return cbor2.dumps(list({**parts, **changed}.values()))


def test_a_real_envelope_opens() -> None:
    """With its tag and without."""
    assert (4286, 96) == (len(open_envelope(REAL).payload), len(open_envelope(REAL).signature))
    assert open_envelope(REAL) == open_envelope(b"\xd2" + REAL)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "malformed"),
        (b"\x84", "malformed"),
        (bytes(DOCUMENT_BYTES_MAX + 1), "too_large"),
        (REAL + b"\0", "malformed"),
        (b"\xd2\xd2" + REAL, "malformed"),
        (b"\x81" * (DEPTH_MAX + 1) + b"\0", "malformed"),
        (b"\x81" * 20_000, "malformed"),
        (b"\xa1\x61a" * 6_000, "malformed"),
        (b"\xc1" * 20_000, "malformed"),
        (b"\x9b" + b"\xff" * 8, "malformed"),
        (b"\x5b" + b"\xff" * 8, "malformed"),
        (b"\x9f\xff", "malformed"),
        (b"\xc2\x59\x20\x00" + b"\xff" * 0x2000, "malformed"),
        (b"\xd8\x23\x69(((((((((", "malformed"),
        (b"\x84\x44\xa1\x01\x38\x22\xa2\x01\x02\x01\x03\x40\x40", "malformed"),
        (cbor2.dumps({"a": 1}), "malformed"),
        (envelope(), ""),
        (envelope(protected=bytes.fromhex("a10126")), "unsupported"),
        (envelope(unprotected={4: b"kid"}), "unsupported"),
        (envelope(payload="text"), "malformed"),
        (envelope(payload=None), "malformed"),
        (envelope(signature=bytes(95)), "malformed"),
        (envelope(signature=[1]), "malformed"),
        (envelope().replace(b"\x41p", b"\x58\x01p"), "malformed"),
    ],
)
def test_what_is_no_envelope_is_refused(document: bytes, code: str) -> None:
    """Too deep, too long, endless, tagged, written in another form: a typed error each time."""
    assert code == code_of(document)


def test_depth_is_bounded_where_it_says() -> None:
    """One level more is refused."""
    assert [] == _innermost(decode(b"\x81" * (DEPTH_MAX - 1) + b"\x80"))
    with pytest.raises(AttestationFailed):
        decode(b"\x81" * (DEPTH_MAX + 1) + b"\x80")


def _innermost(found: object) -> object:
    while isinstance(found, list) and found:
        found = found[0]
    return found


def test_signatures_hold_for_what_was_signed_only() -> None:
    """By the certificate's key, over the payload and the header."""
    leaf = issue("leaf")
    over = cbor2.dumps(["Signature1", PROTECTED, b"", b"p"])
    good = raw_signature(leaf.key, over, 48, "big")
    check_envelope(open_envelope(envelope(signature=good)), leaf.certificate)
    bare = raw_signature(leaf.key, b"p", 48, "big")
    cases = [envelope(signature=good, payload=b"q"), envelope(signature=bare), envelope()]
    for document in cases:
        with pytest.raises(AttestationFailed) as caught:
            check_envelope(open_envelope(document), leaf.certificate)
        assert "signature" == caught.value.code
    with pytest.raises(AttestationFailed):
        check_envelope(open_envelope(envelope(signature=good)), issue("other").certificate)


def test_without_the_optional_part_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing is accepted."""
    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'holdfast\[tee\]'"):
        open_envelope(REAL)
