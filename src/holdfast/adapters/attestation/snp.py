"""AMD SEV-SNP: a report of the firmware, signed by the chip's own key (VCEK).

From AMD's "SEV Secure Nested Paging Firmware ABI" (56860), table "ATTESTATION_REPORT",
and "VCEK Certificate and KDS Interface" (57230) for the certificate's extensions.

- The report is 1,184 bytes: 0x000-0x29F are signed, the signature follows, the rest is zero.
- The certificate is for this chip and these versions, or its key did not sign today's report.
- A key that the cloud shares between chips (VLEK) is not accepted.
- Only privilege level 0 speaks for the guest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from holdfast.adapters.attestation.certificates import (
    UNREADABLE,
    check_chain,
    check_signature,
    read_chain,
)
from holdfast.adapters.attestation.judging import check_binding, check_claims, moment
from holdfast.adapters.attestation.roots import amd_roots
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import AttestationPolicy, Attested, Evidence, EvidenceKind

REPORT_BYTES = 1_184
VERSIONS = range(2, 6)

_SIGNED = 0x2A0
_NUMBER = 72
_ECDSA_P384 = 1
_SIGNING_KEY = 0b111 << 2
_DEBUG = 1 << 19

_EXTENSIONS = "1.3.6.1.4.1.3704.1"
_PRODUCT = f"{_EXTENSIONS}.2"
_CHIP = f"{_EXTENSIONS}.4"
_OID = {
    "bootloader": f"{_EXTENSIONS}.3.1",
    "tee": f"{_EXTENSIONS}.3.2",
    "snp": f"{_EXTENSIONS}.3.3",
    "microcode": f"{_EXTENSIONS}.3.8",
    "fmc": f"{_EXTENSIONS}.3.9",
}
_ZEN3 = {"bootloader": 0, "tee": 1, "snp": 6, "microcode": 7}
_ZEN5 = {"fmc": 0, "bootloader": 1, "tee": 2, "snp": 3, "microcode": 7}
_PRODUCTS = {"Milan": (_ZEN3, 64), "Genoa": (_ZEN3, 64), "Turin": (_ZEN5, 8)}
"""Where each version stands in TCB_VERSION, and how long a chip's id is."""


class SnpVerifier:
    """Verifies SEV-SNP reports.

    Args:
        roots: gives the certificates that are trusted; AMD's.
    """

    def __init__(self, roots: Callable[[], Sequence[x509.Certificate]] = amd_roots) -> None:
        self._roots = roots

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        """SEV-SNP."""
        return frozenset({EvidenceKind.SNP})

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify a report; see `AttestationVerifier.verify`.

        The chain is the VCEK, then the ASK; the ARK may follow.

        Raises:
            AttestationFailed: its code says why.
        """
        at = moment(now_ms)
        report = evidence.document
        check_form(report)
        chain = read_chain(evidence.chain)
        leaf = chain[0]
        r, s = (_number(report, start, _NUMBER) for start in (_SIGNED, _SIGNED + _NUMBER))
        check_signature(leaf, encode_dss_signature(r, s), report[:_SIGNED])
        check_chain(chain, self._roots(), at)
        versions = check_certificate(leaf, report)
        check_binding(report[0x50:0x90], binding)
        if _number(report, 0x30, 4) != 0:
            raise AttestationFailed("the report is not of privilege level 0", code="vmpl")
        found = Attested(
            kind=EvidenceKind.SNP,
            measurement=report[0x90:0xC0].hex(),
            hardware=True,
            debug=bool(_number(report, 0x08, 8) & _DEBUG),
            tcb=(*versions.items(), ("guest", _number(report, 0x04, 4))),
        )
        return check_claims(found, policy)


def check_form(report: bytes) -> None:
    """Check what a report has to look like before anything in it is used.

    Raises:
        AttestationFailed: too_large, malformed or unsupported.
    """
    if len(report) > REPORT_BYTES:
        raise AttestationFailed("the report is too long", code="too_large")
    if len(report) < REPORT_BYTES:
        raise AttestationFailed("the report is cut short", code="malformed")
    if _number(report, 0, 4) not in VERSIONS:
        raise AttestationFailed("the report's version is not known", code="unsupported")
    if _number(report, 0x34, 4) != _ECDSA_P384:
        raise AttestationFailed("the report is signed in another way", code="unsupported")
    if _number(report, 0x48, 4) & _SIGNING_KEY:
        raise AttestationFailed("the report is not signed by the chip's key", code="unsupported")
    if any(report[_SIGNED + 2 * _NUMBER :]):
        raise AttestationFailed("the report has something behind its signature", code="malformed")


def check_certificate(leaf: x509.Certificate, report: bytes) -> Mapping[str, int]:
    """Check that a certificate is for the report's chip and versions; returns these by name.

    Raises:
        AttestationFailed: chain, unsupported or tcb.
    """
    try:
        names = [one.value for one in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        product = _extension(leaf, _PRODUCT)
        chip = _extension(leaf, _CHIP)
        line = product[2:].split(b"-")[0].decode("ascii")
        if names != ["SEV-VCEK"] or line not in _PRODUCTS:
            raise AttestationFailed("the certificate is of another product", code="unsupported")
        places, length = _PRODUCTS[line]
        certified = {name: _der_number(_extension(leaf, _OID[name])) for name in places}
    except UNREADABLE:
        raise AttestationFailed("the certificate is not of a chip", code="chain") from None
    if len(chip) != length or chip.ljust(64, b"\0") != report[0x1A0:0x1E0] or not any(chip):
        raise AttestationFailed("the certificate is of another chip", code="chain")
    versions = {name: report[0x180 + place] for name, place in places.items()}
    if versions != certified:
        raise AttestationFailed("the certificate is for other versions", code="tcb")
    return versions


def _number(report: bytes, start: int, size: int) -> int:
    return int.from_bytes(report[start : start + size], "little")


def _extension(leaf: x509.Certificate, oid: str) -> bytes:
    found = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value
    if not isinstance(found, x509.UnrecognizedExtension):
        raise TypeError("another extension stands under this number")
    return found.value


def _der_number(value: bytes) -> int:
    """A small INTEGER in DER."""
    if len(value) not in (3, 4) or value[0] != 2 or value[1] != len(value) - 2:
        raise ValueError("no small number")
    return int.from_bytes(value[2:], "big")
