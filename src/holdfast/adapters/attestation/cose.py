"""COSE_Sign1 (RFC 9052, 4.2), as AWS Nitro uses it: ES384, and nothing beside what is signed.

- Sizes come first, and depth is bounded while it is read.
- The envelope is written anew and compared: a byte that nobody signed cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from holdfast.adapters.attestation.certificates import check_signature
from holdfast.core.errors import AttestationFailed, MissingExtra

DOCUMENT_BYTES_MAX = 24_576
"""A document is at most this long; real ones have about 5,000 bytes."""

DEPTH_MAX = 6
"""Arrays and maps within each other."""

PROTECTED = bytes.fromhex("a1013822")
"""The only protected header: algorithm ES384 (-35)."""

_NUMBER = 48
_TAG = b"\xd2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """An envelope whose signature has not been looked at."""

    payload: bytes
    signature: bytes


def decode(data: bytes) -> object:
    """Read CBOR with bounds.

    Raises:
        AttestationFailed: too_large or malformed.
        MissingExtra: the optional part `tee` is not installed.
    """
    if len(data) > DOCUMENT_BYTES_MAX:
        raise AttestationFailed("the document is too long", code="too_large")
    cbor2 = _library()
    try:
        found: object = cbor2.loads(
            data, max_depth=DEPTH_MAX, allow_indefinite=False, allow_duplicate_keys=False
        )
    except Exception:  # whatever a parser of hostile bytes raises is a refusal
        raise AttestationFailed("the document is no CBOR", code="malformed") from None
    return found


def open_envelope(document: bytes) -> Signed:
    """Take a COSE_Sign1 apart.

    Raises:
        AttestationFailed: too_large, malformed or unsupported.
        MissingExtra: the optional part `tee` is not installed.
    """
    bare = document.removeprefix(_TAG)
    parts = decode(bare)
    if not isinstance(parts, list) or len(parts) != 4:
        raise AttestationFailed("the document is no COSE_Sign1", code="malformed")
    protected, unprotected, payload, signature = parts
    if protected != PROTECTED or unprotected != {}:
        raise AttestationFailed("the document is signed in another way", code="unsupported")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise AttestationFailed("the document is no COSE_Sign1", code="malformed")
    if len(signature) != 2 * _NUMBER or _library().dumps(parts) != bare:
        raise AttestationFailed("the document is written in another form", code="malformed")
    return Signed(payload=payload, signature=signature)


def check_envelope(signed: Signed, certificate: x509.Certificate) -> None:
    """Verify an envelope's signature by a certificate's key (RFC 9052, 4.4).

    Raises:
        AttestationFailed: signature.
        MissingExtra: the optional part `tee` is not installed.
    """
    over = _library().dumps(["Signature1", PROTECTED, b"", signed.payload])
    r, s = signed.signature[:_NUMBER], signed.signature[_NUMBER:]
    der = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    check_signature(certificate, der, over)


def _library() -> ModuleType:
    try:
        # lazy: an optional part.
        import cbor2
    except ImportError:
        raise MissingExtra("verifying Nitro documents", "tee") from None
    return cbor2
