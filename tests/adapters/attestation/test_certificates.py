"""Chains of certificates: every link, every date, and the pinned end."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from evidencekit import Issued, flipped, issue, read

from holdfast.adapters.attestation.certificates import (
    CERTIFICATE_BYTES_MAX,
    CERTIFICATES_MAX,
    check_chain,
    check_signature,
    read_chain,
)
from holdfast.core.errors import AttestationFailed

AT = datetime(2024, 6, 1, tzinfo=UTC)


@cache
def family() -> tuple[Issued, Issued, Issued]:
    """A root, an authority below it, and a leaf."""
    root = issue("root")
    middle = issue("middle", root, path_length=0)
    return root, middle, issue("leaf", middle, authority=False, sign=False)


def code_of(chain: list[x509.Certificate], root: Issued, at: datetime = AT) -> str:
    """How a chain is refused, "" if it is not."""
    try:
        check_chain(chain, [root.certificate], at)
    except AttestationFailed as error:
        return error.code
    return ""


def test_a_chain_up_to_a_pinned_root_holds() -> None:
    """With the root in it and without."""
    root, middle, leaf = (one.certificate for one in family())
    assert "" == code_of([leaf, middle, root], family()[0])
    assert "" == code_of([leaf, middle], family()[0])


def test_another_root_of_the_same_name_is_refused() -> None:
    """It is the whole certificate that is pinned, not its name."""
    _, middle, leaf = (one.certificate for one in family())
    twin = issue("root")
    assert "chain" == code_of([leaf, middle, twin.certificate], family()[0])
    assert "chain" == code_of([leaf, middle], twin)
    assert "chain" == code_of([leaf, middle], issue("other"))


def test_a_link_that_is_missing_or_out_of_order_is_refused() -> None:
    """The leaf is first, and each is issued by the next."""
    root, middle, leaf = (one.certificate for one in family())
    assert "chain" == code_of([leaf, root], family()[0])
    assert "chain" == code_of([middle, leaf, root], family()[0])
    assert "missing" == code_of([], family()[0])


def test_who_may_not_issue_is_no_issuer() -> None:
    """No authority, a key that may not sign, or one further up than it may be."""
    root, middle, leaf = family()
    below = issue("below", leaf, authority=False)
    chain = [below.certificate, leaf.certificate, middle.certificate]
    assert "chain" == code_of(chain, root)
    mute = issue("mute", root, sign=False)
    assert "chain" == code_of(
        [issue("x", mute, authority=False).certificate, mute.certificate], root
    )
    deep = issue("deep", middle)
    chain = [issue("x", deep, authority=False).certificate, deep.certificate, middle.certificate]
    assert "chain" == code_of(chain, root)


def test_what_is_critical_and_unknown_is_refused() -> None:
    """And what is not critical is not."""
    root = family()[0]
    for critical, expected in ((True, "chain"), (False, "")):
        leaf = issue("leaf", root, authority=False, extra=[("1.2.3.4", b"\x05\0", critical)])
        assert expected == code_of([leaf.certificate], root)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC), "not_yet_valid"),
        (datetime(2024, 1, 1, tzinfo=UTC), ""),
        (datetime(2025, 1, 1, tzinfo=UTC), ""),
        (datetime(2025, 1, 1, 0, 0, 1, tzinfo=UTC), "expired"),
    ],
)
def test_dates_hold_to_the_second(at: datetime, expected: str) -> None:
    """Both ends belong to it."""
    _, middle, leaf = (one.certificate for one in family())
    assert expected == code_of([leaf, middle], family()[0], at)


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ((), "missing"),
        ((b"",), "malformed"),
        ((b"-----BEGIN CERTIFICATE-----\n",), "malformed"),
        ((b"\x30\x80\0\0",), "malformed"),
        ((bytes(CERTIFICATE_BYTES_MAX + 1),), "too_large"),
        ((b"x",) * (CERTIFICATES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_chain_is_refused(items: tuple[bytes, ...], code: str) -> None:
    """With a typed error."""
    with pytest.raises(AttestationFailed) as caught:
        read_chain(items)
    assert code == caught.value.code


def test_many_certificates_in_one_text_are_too_many() -> None:
    """They are counted after they were read, too."""
    text = family()[0].certificate.public_bytes(Encoding.PEM)
    with pytest.raises(AttestationFailed) as caught:
        read_chain([text * 3] * 3)
    assert "too_large" == caught.value.code


def test_pem_has_one_form() -> None:
    """What stands around or between certificates is signed by nobody, and refused."""
    pem = read("snp/cert_chain_milan")
    assert 2 == len(read_chain([pem])) == len(read_chain([pem.rstrip(b"\n")]))
    for other in (
        pem + b"x",
        pem.replace(b"\n", b"\r\n"),
        b"x" + pem,
        pem.replace(b"\n", b" \n", 3),
    ):
        with pytest.raises(AttestationFailed):
            read_chain([other])


def test_der_with_something_behind_it_is_refused() -> None:
    """A certificate ends where it says."""
    with pytest.raises(AttestationFailed):
        read_chain([family()[0].der + b"\0"])


def test_signatures_are_of_the_right_key() -> None:
    """P-384; another curve, another text or a changed signature is refused."""
    leaf = family()[2]
    signature = leaf.key.sign(b"text", ec.ECDSA(SHA384()))
    check_signature(leaf.certificate, signature, b"text")
    small = issue("small", key=ec.generate_private_key(ec.SECP256R1()))
    cases = [(small.certificate, small.key.sign(b"text", ec.ECDSA(SHA384())), b"text")]
    cases += [(leaf.certificate, signature, b"other")]
    cases += [(leaf.certificate, changed, b"text") for _, changed in flipped(signature)]
    for certificate, given, text in cases:
        with pytest.raises(AttestationFailed) as caught:
            check_signature(certificate, given, text)
        assert "signature" == caught.value.code
