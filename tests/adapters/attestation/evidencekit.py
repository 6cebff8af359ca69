"""Real evidence, when it was valid, and what it shows; and chains of our own."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from holdfast.core.errors import AttestationFailed, HoldfastError
from holdfast.ports.attestation import (
    AttestationPolicy,
    AttestationVerifier,
    Attested,
    Evidence,
    EvidenceKind,
)

DATA = Path(__file__).parents[2] / "data" / "tee"
DAY_MS = 86_400_000


def at_ms(text: str) -> int:
    """UTC milliseconds of an ISO time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True, kw_only=True)
class Vector:
    """Evidence, with what it takes to be accepted."""

    evidence: Evidence
    binding: bytes
    now_ms: int
    measurement: str
    debug: bool = False
    statuses: tuple[str, ...] = ("UpToDate",)

    def policy(self, **other: object) -> AttestationPolicy:
        """What accepts it, with some of it changed."""
        fields: dict[str, object] = {
            "measurements": frozenset({self.measurement}),
            "allow_debug": self.debug,
            "allowed_statuses": frozenset(self.statuses),
        }
        return AttestationPolicy(**{**fields, **other})


def read(name: str) -> bytes:
    """A file of the vectors."""
    return (DATA / name).read_bytes()


def _intel(kind: EvidenceKind, name: str) -> Evidence:
    collateral = read(f"tdx/{name}_collateral.json")
    return Evidence(kind=kind, document=read(f"tdx/{name}"), collateral=collateral)


@cache
def vectors() -> dict[str, Vector]:
    """All real evidence that can be accepted."""
    milan = read("snp/cert_chain_milan")
    report = bytes.fromhex(read("snp/report_milan.hex").decode())
    debug = read("snp/attestation.bin")
    snp, nitro = EvidenceKind.SNP, EvidenceKind.NITRO
    tdx, sgx = (
        _intel(EvidenceKind.TDX, "tdx_quote"),
        _intel(EvidenceKind.SGX, "sgx_quote"),
    )
    return {
        "snp": Vector(
            evidence=Evidence(kind=snp, document=report, chain=(read("snp/vcek_milan.der"), milan)),
            binding=report[0x50:0x90],
            now_ms=at_ms("2024-01-01"),
            measurement="7a1e5c266c0108dbc9bb94fa926951320940915d0aafb42464bd88b579ea158d"
            "3e1a0dc39b2c60bd95b9c480cd81841f",
        ),
        "snp debug": Vector(
            evidence=Evidence(kind=snp, document=debug, chain=(read("snp/vcek.testcer"), milan)),
            binding=bytes([1, 2, 3, 4, 5]),
            now_ms=at_ms("2024-01-01"),
            measurement="b07af9620f3b839b47996422ddec6058338951d984e312115131ea82705eaf5b"
            "6bdf8a9ece31a5a608eb0cf2e4872b01",
            debug=True,
        ),
        "nitro": Vector(
            evidence=Evidence(kind=nitro, document=read("nitro/open_contracts_attestation_doc")),
            binding=b"more stuff",
            now_ms=1_629_255_584_963,
            measurement="873182f16823c060458da4694f9e78a5faede6cc8ed41fe33888f0181f201c5d"
            "0b9488ecfd9533fa6014b39aaf2849b0",
        ),
        "nitro debug": Vector(
            evidence=Evidence(kind=nitro, document=read("nitro/sample_attestation_doc_full.bin")),
            binding=b"Nonce\n",
            now_ms=1_706_120_065_635,
            measurement="00" * 48,
            debug=True,
        ),
        "tdx": Vector(
            evidence=tdx,
            binding=tdx.document[568:632],
            now_ms=at_ms("2025-06-20"),
            measurement="91eb2b44d141d4ece09f0c75c2c53d247a3c68edd7fafe8a3520c942a604a407"
            "de03ae6dc5f87f27428b2538873118b7",
        ),
        "sgx": Vector(
            evidence=sgx,
            binding=b"Hello, world!",
            now_ms=at_ms("2025-06-20"),
            measurement="33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb",
            statuses=("ConfigurationAndSWHardeningNeeded",),
        ),
    }


def verify(
    verifier: AttestationVerifier, vector: Vector, evidence: Evidence | None = None
) -> Attested:
    """Verify a vector, or other evidence as if it were that vector."""
    return verifier.verify(
        evidence or vector.evidence,
        vector.policy(),
        binding=vector.binding,
        now_ms=vector.now_ms,
    )


def refusal(verifier: AttestationVerifier, vector: Vector, **other: object) -> str:
    """The code with which a vector is refused once something is changed, "" if it is not.

    Args:
        other: `evidence`, `policy`, `binding` or `now_ms`.
    """
    given: dict[str, object] = {
        "evidence": vector.evidence,
        "policy": vector.policy(),
        "binding": vector.binding,
        "now_ms": vector.now_ms,
        **other,
    }
    evidence, policy = given.pop("evidence"), given.pop("policy")
    try:
        verifier.verify(evidence, policy, **given)
    except AttestationFailed as error:
        assert isinstance(error, HoldfastError)
        return error.code
    return ""


def flipped(data: bytes, step: int = 1, start: int = 0) -> Iterable[tuple[int, bytes]]:
    """The data with one bit of one byte changed, and where; another bit at each place."""
    for place in range(start, len(data), step):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        yield place, bytes(changed)


# --- chains of our own -----------------------------------------------------------------

Key = ec.EllipticCurvePrivateKey
SINCE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)


def issue(
    name: str,
    by: Issued | None = None,
    *,
    authority: bool = True,
    path_length: int | None = None,
    extra: Iterable[tuple[str, bytes, bool]] = (),
    sign: bool = True,
    key: Key | None = None,
) -> Issued:
    """Issue a certificate that is valid in 2024, by itself or by another.

    Args:
        extra: number, value and whether it is critical, of further extensions.
        sign: its key may sign certificates.
    """
    key = key or ec.generate_private_key(ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
         "key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(SINCE + timedelta(days=366))
        .add_extension(x509.BasicConstraints(authority, path_length), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=sign, **usage), critical=True)
    )
    for oid, value, critical in extra:
        known = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
        builder = builder.add_extension(known, critical=critical)
    return Issued(certificate=builder.sign(by.key if by else key, SHA384()), key=key)


def raw_signature(key: Key, signed: bytes, size: int, order: str) -> bytes:
    """An ECDSA signature as two numbers of a size."""
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA384())))
    assert order in ("little", "big")
    return b"".join(one.to_bytes(size, "little" if order == "little" else "big") for one in (r, s))


CHIP = bytes(range(1, 65))
ZEN3 = {"1": 3, "2": 0, "3": 8, "8": 115}
ZEN5 = {"9": 2, "1": 3, "2": 1, "3": 8, "8": 115}


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A chip of our own: its root, and evidence of reports that it signs."""

    root: Issued
    middle: Issued
    leaf: Issued

    def vector(self, **fields: bytes) -> Vector:
        """Evidence of a report; each field, named by its place in hex, replaced."""
        report = bytearray(0x2A0)
        for place, value in {**PLAIN, **fields}.items():
            at = int(place.removeprefix("x"), 16)
            report[at : at + len(value)] = value
        signed = bytes(report)
        document = (signed + raw_signature(self.leaf.key, signed, 72, "little")).ljust(1184, b"\0")
        evidence = Evidence(
            kind=EvidenceKind.SNP, document=document, chain=(self.leaf.der, self.middle.der)
        )
        return Vector(
            evidence=evidence,
            binding=b"b" * 32,
            now_ms=at_ms("2024-06-01"),
            measurement="ab" * 48,
        )


PLAIN = {
    "x0": struct.pack("<IIQ", 2, 7, 3 << 16),
    "x34": struct.pack("<I", 1),
    "x50": b"b" * 32,
    "x90": b"\xab" * 48,
    "x180": bytes([3, 0, 0, 0, 0, 0, 8, 115]),
    "x1a0": CHIP,
}


def chip(
    product: str = "Milan-B0",
    *,
    name: str = "SEV-VCEK",
    versions: dict[str, int] = ZEN3,
    identity: bytes = CHIP,
) -> Chip:
    """Issue a chip's certificates."""
    base = "1.3.6.1.4.1.3704.1"
    extra = [
        (f"{base}.2", bytes([22, len(product)]) + product.encode(), False),
        (f"{base}.4", identity, False),
        *((f"{base}.3.{part}", bytes([2, 1, value]), False) for part, value in versions.items()),
    ]
    root = issue("ARK")
    middle = issue("SEV", root, path_length=0)
    leaf = issue(name, middle, authority=False, sign=False, extra=extra)
    return Chip(root=root, middle=middle, leaf=leaf)


def collateral_with(vector: Vector, name: str, value: object) -> bytes:
    """A vector's collateral with one thing replaced."""
    found = json.loads(vector.evidence.collateral)
    return json.dumps({**found, name: value}).encode()
