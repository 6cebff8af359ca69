"""Intel TDX and SGX: a quote, judged beside what Intel says of the platform.

From Intel's "DCAP: ECDSA Quote Library API", appendix on the quote's format, and the
"TDX Module" and "SGX" references for attributes. Signatures, chains, revocation lists
and TCB levels are the work of the library dcap-qvl, with Intel's root inside it.

- The library does not look at all bytes of a quote; here, every byte has its place.
- The library does not look at all certificates; here, each chain ends at Intel's root.
- Quotes of version 3 and 4 are accepted; of others no real one was at hand that verifies.
- Collateral comes with the evidence; nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import cast

from holdfast.adapters.attestation.certificates import check_chain, read_chain
from holdfast.adapters.attestation.judging import check_binding, check_claims, moment
from holdfast.adapters.attestation.roots import intel_roots
from holdfast.core.errors import AttestationFailed, MissingExtra
from holdfast.ports.attestation import AttestationPolicy, Attested, Evidence, EvidenceKind

QUOTE_BYTES_MAX = 16_384
COLLATERAL_BYTES_MAX = 131_072

COLLATERAL_HEX = ("root_ca_crl", "pck_crl", "tcb_info_signature", "qe_identity_signature")
COLLATERAL_CHAINS = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain")
COLLATERAL = frozenset({*COLLATERAL_HEX, *COLLATERAL_CHAINS, "tcb_info", "qe_identity"})
"""The names of what collateral consists of."""

_HEADER = 48
_BODIES = {EvidenceKind.SGX: 384, EvidenceKind.TDX: 584}
_TEES = {EvidenceKind.SGX: 0x00, EvidenceKind.TDX: 0x81}
_VERSIONS = {EvidenceKind.SGX: (3, 4), EvidenceKind.TDX: (4,)}
_KEY_BYTES = 64 + 64
_QE_BYTES = 384 + 64
_CERTIFIED_QE, _PEM_CHAIN = 6, 5

_SGX_INIT, _SGX_DEBUG = 0x01, 0x02
_SGX_KEYS = 0x10 | 0x20
_TDX_DEBUG = 0xFF


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """What the library reads from a quote whose signatures hold."""

    fields: Mapping[str, object]

    def hex(self, name: str, size: int) -> bytes:
        """A field of bytes."""
        text = self.fields.get(name)
        if not isinstance(text, str) or len(text) != 2 * size:
            raise AttestationFailed(f"the quote has no {name}", code="malformed")
        return bytes.fromhex(text)


class IntelVerifier:
    """Verifies quotes of TDX and SGX."""

    @property
    def kinds(self) -> frozenset[EvidenceKind]:
        """TDX and SGX."""
        return frozenset(_BODIES)

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify a quote; see `AttestationVerifier.verify`.

        Raises:
            AttestationFailed: its code says why.
            MissingExtra: the optional part `tee` is not installed.
        """
        if evidence.kind not in _BODIES:
            raise AttestationFailed("this is no quote of TDX or SGX", code="unsupported")
        at = moment(now_ms)
        pem = check_form(evidence.kind, evidence.document)
        collateral = read_collateral(evidence.collateral)
        for chain in {pem, *(collateral[name].encode("utf-8") for name in COLLATERAL_CHAINS)}:
            check_chain(read_chain([chain]), intel_roots(), at)
        evaluation = check_dates(collateral, at)
        report = _verified(evidence, collateral, now_ms)
        body = _body(report, evidence.kind)
        check_binding(body.hex("report_data", 64), binding)
        read = _tdx if evidence.kind is EvidenceKind.TDX else _sgx
        measurement, debug, tcb = read(body)
        status = str(report.get("status"))
        attested = Attested(
            kind=evidence.kind,
            measurement=measurement,
            hardware=True,
            debug=debug,
            tcb=(*tcb, ("tcb_evaluation", evaluation)),
            status=status,
            advisories=tuple(map(str, cast("list[object]", report.get("advisory_ids", [])))),
        )
        check_claims(attested, policy)
        if status not in policy.allowed_statuses:
            known = f" ({', '.join(attested.advisories)})" if attested.advisories else ""
            raise AttestationFailed(f"the platform is {status}{known}", code="status")
        return attested


# --- form ---------------------------------------------------------------------------


def check_form(kind: EvidenceKind, quote: bytes) -> bytes:
    """Check that every byte of a quote has a place in it; what follows is zero.

    Returns:
        The chain of the platform's certificate, as PEM.

    Raises:
        AttestationFailed: too_large, malformed or unsupported.
    """
    if len(quote) > QUOTE_BYTES_MAX:
        raise AttestationFailed("the quote is too long", code="too_large")
    head = _HEADER + _BODIES[kind]
    if len(quote) < head + 4:
        raise AttestationFailed("the quote is cut short", code="malformed")
    version = _number(quote, 0, 2)
    if version not in _VERSIONS[kind]:
        raise AttestationFailed("the quote's version is not known", code="unsupported")
    if _number(quote, 4, 4) != _TEES[kind]:
        raise AttestationFailed(f"the quote is not of {kind.value}", code="malformed")
    end = head + 4 + _number(quote, head, 4)
    if end > len(quote) or any(quote[end:]):
        raise AttestationFailed("the quote's length is another", code="malformed")
    rest = quote[head + 4 + _KEY_BYTES : end]
    if version != 3:
        rest = _certification(rest, _CERTIFIED_QE)
    after = _QE_BYTES + 2
    auth = _number(rest, _QE_BYTES, 2)
    pem = _certification(rest[after + auth :], _PEM_CHAIN)
    return pem.removesuffix(b"\0")  # as C ends a text


def _certification(data: bytes, wanted: int) -> bytes:
    """What certification data holds: a type, a length, and exactly so many bytes."""
    if _number(data, 0, 2) != wanted or _number(data, 2, 4) != len(data) - 6 or len(data) < 6:
        raise AttestationFailed("the quote's certification data is malformed", code="malformed")
    return data[6:]


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "little")


def read_collateral(data: bytes) -> dict[str, str]:
    """Read collateral: a JSON object of texts, with the names of `COLLATERAL`.

    Raises:
        AttestationFailed: missing, too_large or malformed.
    """
    if not data:
        raise AttestationFailed("the evidence has no collateral", code="missing")
    if len(data) > COLLATERAL_BYTES_MAX:
        raise AttestationFailed("the collateral is too long", code="too_large")
    try:
        pairs = json.loads(data.decode("utf-8"), object_pairs_hook=tuple)
        found = dict(pairs)
        texts = all(isinstance(one, str) and one.isascii() for one in found.values())
        if (
            not isinstance(pairs, tuple)
            or len(pairs) != len(found)
            or set(found) != COLLATERAL
            or not texts
        ):
            raise ValueError("other names")
        if any(bytes.fromhex(found[name]).hex() != found[name] for name in COLLATERAL_HEX):
            raise ValueError("not lower-case hex")
    except (ValueError, TypeError, RecursionError):
        raise AttestationFailed("the collateral is malformed", code="malformed") from None
    return found


def check_dates(collateral: Mapping[str, str], at: datetime) -> int:
    """Check that signed collateral holds at a time; returns its evaluation number.

    Raises:
        AttestationFailed: malformed, expired or not_yet_valid.
    """
    evaluation = 0
    for name in ("qe_identity", "tcb_info"):
        try:
            found = json.loads(collateral[name])
            since, until = (_date(found[key]) for key in ("issueDate", "nextUpdate"))
            evaluation = int(found["tcbEvaluationDataNumber"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise AttestationFailed(f"the {name} is malformed", code="malformed") from None
        if at < since:
            raise AttestationFailed(f"the {name} is not valid yet", code="not_yet_valid")
        if at > until:
            raise AttestationFailed(f"the {name} has expired", code="expired")
    return evaluation


def _date(text: object) -> datetime:
    if not isinstance(text, str) or not text.endswith("Z"):
        raise ValueError("no date")
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


# --- what the library says ------------------------------------------------------------


def _library() -> ModuleType:
    try:
        # lazy: an optional part.
        import dcap_qvl as library
    except ImportError:
        raise MissingExtra("verifying quotes of TDX and SGX", "tee") from None
    found: ModuleType = library
    return found


def _verified(
    evidence: Evidence, collateral: Mapping[str, str], now_ms: int
) -> Mapping[str, object]:
    """What a quote shows whose signatures and chains hold."""
    library = _library()
    try:
        texts = library.QuoteCollateralV3.from_json(json.dumps(collateral))
        said = library.verify(evidence.document, texts, now_ms // 1000)
        found = json.loads(said.to_json())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library is no Exception, and a refusal
        raise _refused(error) from None
    if not isinstance(found, dict):
        raise AttestationFailed("the quote cannot be read", code="malformed")
    return found


def _refused(error: BaseException) -> AttestationFailed:
    """The library's no, by what its message is about."""
    text = str(error).casefold()
    if "expired" in text:
        return AttestationFailed("a certificate or the collateral has expired", code="expired")
    if "tcb level" in text or "revoked" in text:
        return AttestationFailed("the platform's TCB is not known or revoked", code="tcb")
    if "certificate" in text or "crl" in text:
        return AttestationFailed("the chain of certificates does not hold", code="chain")
    if "decode" in text or "parse" in text or "unsupported" in text:
        return AttestationFailed("the quote cannot be read", code="malformed")
    return AttestationFailed("the quote or its collateral is not signed by Intel", code="signature")


def _body(report: Mapping[str, object], kind: EvidenceKind) -> _Body:
    name = "TD10" if kind is EvidenceKind.TDX else "SgxEnclave"
    found = report.get("report")
    fields = found.get(name) if isinstance(found, dict) else None
    if not isinstance(fields, dict):
        raise AttestationFailed("the quote is of another kind", code="malformed")
    return _Body(fields=fields)


_Read = tuple[str, bool, tuple[tuple[str, int], ...]]


def _tdx(body: _Body) -> _Read:
    """MRTD, debug and versions of a trust domain."""
    if any(body.hex("mr_signer_seam", 48)) or any(body.hex("seam_attributes", 8)):
        raise AttestationFailed("the TDX module is not Intel's", code="unsupported")
    svn = body.hex("tee_tcb_svn", 16)
    tcb = (("tdx_module", svn[0]), ("tdx_module_major", svn[1]), ("microcode", svn[2]))
    debug = bool(body.hex("td_attributes", 8)[0] & _TDX_DEBUG)
    return body.hex("mr_td", 48).hex(), debug, tcb


def _sgx(body: _Body) -> _Read:
    """MRENCLAVE, debug and versions of an enclave."""
    flags = body.hex("attributes", 16)[0]
    if not flags & _SGX_INIT or flags & _SGX_KEYS:
        raise AttestationFailed("the enclave may do what none needs", code="unsupported")
    number = body.fields.get("isv_svn")
    if not isinstance(number, int):
        raise AttestationFailed("the quote has no isv_svn", code="malformed")
    return body.hex("mr_enclave", 32).hex(), bool(flags & _SGX_DEBUG), (("enclave", number),)
