"""Chains of certificates, up to a root that is pinned.

- A certificate is DER, or PEM in the one form that its DER has: nothing unsigned is let through.
- Every link is verified by name and signature, and is valid at the time that was given.
- An issuer is an authority, may sign certificates and is not further up than it may be.
- The end is one of the pinned roots, compared by SHA-256 of the whole certificate.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from holdfast.core.errors import AttestationFailed

CERTIFICATE_BYTES_MAX = 8_192
"""A certificate as DER or PEM, or several in one PEM text, are at most this long."""

CERTIFICATES_MAX = 8
"""Certificates in a chain, the root included."""

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
)
"""What the library raises for certificates that are not what they should be."""

_PEM = b"-----BEGIN"
_KNOWN = frozenset({x509.BasicConstraints.oid, x509.KeyUsage.oid, x509.CRLDistributionPoints.oid})


def read_chain(items: Sequence[bytes]) -> list[x509.Certificate]:
    """Read certificates, the leaf first.

    Args:
        items: each one DER, or PEM with one or more.

    Raises:
        AttestationFailed: missing, too_large or malformed.
    """
    if not items:
        raise AttestationFailed("there are no certificates", code="missing")
    if len(items) > CERTIFICATES_MAX or any(len(one) > CERTIFICATE_BYTES_MAX for one in items):
        raise AttestationFailed("the certificates are too many or too large", code="too_large")
    chain = [one for item in items for one in _read(item)]
    if len(chain) > CERTIFICATES_MAX:
        raise AttestationFailed("the certificates are too many", code="too_large")
    return chain


def _read(item: bytes) -> list[x509.Certificate]:
    """The certificates of one item, which has to be exactly what they are written as."""
    form = Encoding.PEM if item.startswith(_PEM) else Encoding.DER
    try:
        with warnings.catch_warnings():
            # AMD's certificates have the serial number 0, of which the library warns.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            if form is Encoding.PEM:
                found = x509.load_pem_x509_certificates(item)
            else:
                found = [x509.load_der_x509_certificate(item)]
            written = b"".join(one.public_bytes(form) for one in found)
    except UNREADABLE:
        raise AttestationFailed("a certificate cannot be read", code="malformed") from None
    if written.rstrip(b"\n") != item.rstrip(b"\n") if form is Encoding.PEM else written != item:
        raise AttestationFailed("a certificate is written in another form", code="malformed")
    return found


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, in lower-case hex."""
    return certificate.fingerprint(SHA256()).hex()


def check_chain(
    chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate], at: datetime
) -> None:
    """Verify a chain, the leaf first, up to one of the roots.

    The root itself may be left out of it.

    Args:
        roots: the certificates that are trusted.
        at: when each certificate has to be valid.

    Raises:
        AttestationFailed: chain, expired or not_yet_valid.
    """
    pinned = {fingerprint(one): one for one in roots}
    whole = list(chain)
    if not whole:
        raise AttestationFailed("there are no certificates", code="missing")
    try:
        if fingerprint(whole[-1]) not in pinned:
            whole += [one for one in pinned.values() if one.subject == whole[-1].issuer][:1]
        if fingerprint(whole[-1]) not in pinned:
            raise AttestationFailed("the chain ends at an unknown root", code="chain")
        for below, issuer in enumerate(whole[1:]):
            _check_issuer(issuer, below)
            whole[below].verify_directly_issued_by(issuer)
        for one in whole:
            _check_extensions(one)
    except UNREADABLE:
        raise AttestationFailed("the chain of certificates does not hold", code="chain") from None
    for one in whole:
        if at < one.not_valid_before_utc:
            raise AttestationFailed("a certificate is not valid yet", code="not_yet_valid")
        if at > one.not_valid_after_utc:
            raise AttestationFailed("a certificate has expired", code="expired")


def _check_issuer(issuer: x509.Certificate, below: int) -> None:
    """Check that a certificate may sign others.

    Args:
        below: how many authorities stand between it and the leaf.
    """
    limits = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    if not limits.ca or not usage.key_cert_sign:
        raise AttestationFailed("a certificate was not issued by an authority", code="chain")
    if limits.path_length is not None and below > limits.path_length:
        raise AttestationFailed("the chain is longer than an authority allows", code="chain")


def _check_extensions(certificate: x509.Certificate) -> None:
    """Refuse what is critical and not understood (RFC 5280, 4.2)."""
    for one in certificate.extensions:
        if one.critical and one.oid not in _KNOWN:
            raise AttestationFailed("a certificate demands what is not known here", code="chain")


def check_signature(certificate: x509.Certificate, signature: bytes, signed: bytes) -> None:
    """Verify ECDSA over P-384 with SHA-384 by a certificate's key.

    Args:
        signature: in DER.
        signed: what was signed.

    Raises:
        AttestationFailed: signature.
    """
    try:
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
            raise AttestationFailed("the certificate's key is of another type", code="signature")
        key.verify(signature, signed, ec.ECDSA(SHA384()))
    except UNREADABLE:
        raise AttestationFailed("the signature does not hold", code="signature") from None
