"""AWS Nitro Enclaves: a document of the hypervisor, a COSE_Sign1 with its chain inside.

From AWS's "Nitro Enclaves: verifying the root of trust" (the fields, their sizes, the
order of the certificates).

- The signature is looked at first, then the chain up to AWS's root.
- The binding is all of `user_data` or all of `nonce`.
- PCR 0 is the measurement; an enclave in debug mode has zeros in PCR 0, 1 and 2.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from cryptography import x509

from holdfast.adapters.attestation.certificates import CERTIFICATES_MAX, check_chain, read_chain
from holdfast.adapters.attestation.cose import check_envelope, decode, open_envelope
from holdfast.adapters.attestation.judging import check_claims, moment, usable
from holdfast.adapters.attestation.roots import nitro_roots
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import AttestationPolicy, Attested, Evidence, EvidenceKind

CLOCK_AHEAD_MS = 300_000
"""How far the hypervisor's clock may be ahead of ours."""

PCRS_MAX = 32
PCR_BYTES = 48

_WANTED: Mapping[str, type] = {
    "module_id": str,
    "digest": str,
    "timestamp": int,
    "pcrs": dict,
    "certificate": bytes,
    "cabundle": list,
}
_FREE = ("public_key", "user_data", "nonce")
_FREE_BYTES_MAX = 1_024


class NitroVerifier:
    """Verifies attestation documents of AWS Nitro Enclaves.

    Args:
        roots: gives the certificates that are trusted; AWS's.
    """

    def __init__(self, roots: Callable[[], Sequence[x509.Certificate]] = nitro_roots) -> None:
        self._roots = roots

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        """AWS Nitro Enclaves."""
        return frozenset({EvidenceKind.NITRO})

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify a document; see `AttestationVerifier.verify`.

        Raises:
            AttestationFailed: its code says why.
            MissingExtra: the optional part `tee` is not installed.
        """
        found = self.authentic(evidence.document, now_ms)
        given = [found.get(name) for name in ("user_data", "nonce")]
        same = [hmac.compare_digest(one, binding) for one in given if isinstance(one, bytes)]
        if not usable(binding) or not any(same):
            raise AttestationFailed("the document was not made for this channel", code="not_bound")
        pcrs = cast("dict[int, bytes]", found["pcrs"])
        zero = bytes(PCR_BYTES)
        attested = Attested(
            kind=EvidenceKind.NITRO,
            measurement=pcrs[0].hex(),
            hardware=True,
            debug=any(pcrs[place] == zero for place in range(3)),
        )
        return check_claims(attested, policy)

    def authentic(self, document: bytes, now_ms: int) -> Mapping[str, object]:
        """The fields of a document that AWS signed; whom it was made for is not looked at.

        Args:
            now_ms: UTC milliseconds; when its certificates have to be valid.

        Raises:
            AttestationFailed: its code says why.
            MissingExtra: the optional part `tee` is not installed.
        """
        at = moment(now_ms)
        signed = open_envelope(document)
        found = read_fields(signed.payload)
        bundle = cast("list[bytes]", found["cabundle"])
        chain = read_chain([cast("bytes", found["certificate"]), *reversed(bundle)])
        check_envelope(signed, chain[0])
        check_chain(chain, self._roots(), at)
        if cast("int", found["timestamp"]) > now_ms + CLOCK_AHEAD_MS:
            raise AttestationFailed("the document is of a later time", code="not_yet_valid")
        return found


def read_fields(payload: bytes) -> Mapping[str, object]:
    """The fields of a document, each of the type and size that it has to have.

    Raises:
        AttestationFailed: too_large or malformed.
        MissingExtra: the optional part `tee` is not installed.
    """
    found = decode(payload)
    if not isinstance(found, dict) or not set(_WANTED) <= set(found) <= {*_WANTED, *_FREE}:
        raise AttestationFailed("the document has other fields", code="malformed")
    wrong = [name for name, kind in _WANTED.items() if type(found[name]) is not kind]
    wrong += [name for name in _FREE if not _is_free(found.get(name))]
    wrong += [] if found["digest"] == "SHA384" else ["digest"]
    if wrong:
        raise AttestationFailed(f"the document's {wrong[0]} is malformed", code="malformed")
    _check_pcrs(found["pcrs"])
    bundle = found["cabundle"]
    if not bundle or not all(type(one) is bytes for one in bundle):
        raise AttestationFailed("the document's cabundle is malformed", code="malformed")
    if len(bundle) >= CERTIFICATES_MAX:
        raise AttestationFailed("the document's cabundle is too long", code="too_large")
    return found


def _is_free(value: object) -> bool:
    return value is None or (type(value) is bytes and len(value) <= _FREE_BYTES_MAX)


def _check_pcrs(pcrs: dict[object, object]) -> None:
    """PCR 0, 1 and 2 are there, and all are digests."""
    places = all(type(one) is int and 0 <= one < PCRS_MAX for one in pcrs)
    sizes = all(type(one) is bytes and len(one) == PCR_BYTES for one in pcrs.values())
    if not places or not sizes or not {0, 1, 2} <= set(pcrs):
        raise AttestationFailed("the document's pcrs are malformed", code="malformed")
