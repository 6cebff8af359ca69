"""Evidence without hardware: a signed note of a process about itself.

It shows that whoever answers holds a key that the verifier was given for it, and was
started for this channel. No hardware vouches for it: who can look into the process
can take the key. So it is always `hardware=False`, it is refused where the policy
demands hardware, and everything that shows it says "simulated".

A document is JSON in canonical form, then an Ed25519 signature over it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from holdfast.adapters.attestation.judging import check_shown
from holdfast.core.errors import AttestationFailed
from holdfast.ports.attestation import (
    BINDING_BYTES,
    AttestationPolicy,
    Attested,
    Evidence,
    EvidenceKind,
)

SEED_BYTES = 32
SIGNATURE_BYTES = 64
DOCUMENT_BYTES_MAX = 4096
FRESH_MS_MAX = 120_000
"""How far the time of evidence may be from the verifier's, in milliseconds."""
_DOMAIN = b"holdfast software evidence v1\n"
_FIELDS = {"binding", "debug", "made_ms", "measurement", "simulated"}
_PACKAGE = Path(__file__).resolve().parents[2]


@cache
def _program() -> bytes:
    state = hashlib.sha256(platform.python_version().encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        name, text = path.relative_to(_PACKAGE).as_posix().encode(), path.read_bytes()
        state.update(b"%d %d\n" % (len(name), len(text)) + name + text)
    return state.digest()


def measure(settings: bytes) -> str:
    """Measure this program: its version of Python, all its sources, its settings.

    Args:
        settings: what the enclave was told to be, as it was written.

    Returns: SHA-256 in lower-case hex.
    """
    return hashlib.sha256(_program() + settings).hexdigest()


def make_evidence(
    seed: bytes | bytearray | memoryview, *, measurement: str, binding: bytes, now_ms: int
) -> Evidence:
    """Make software evidence for a channel.

    Args:
        seed: of the Ed25519 key, 32 bytes.
        now_ms: UTC milliseconds.
    """
    assert len(binding) == BINDING_BYTES
    fields = {
        "binding": binding.hex(),
        "debug": False,
        "made_ms": now_ms,
        "measurement": measurement,
        "simulated": True,
    }
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    key = Ed25519PrivateKey.from_private_bytes(bytes(seed))
    return Evidence(kind=EvidenceKind.SOFTWARE, document=body + key.sign(_DOMAIN + body))


class SoftwareVerifier:
    """Verifies software evidence; implements `ports.attestation.AttestationVerifier`.

    Args:
        public_keys: the Ed25519 keys that may have signed it, 32 bytes each.
    """

    kinds = frozenset({EvidenceKind.SOFTWARE})

    def __init__(self, public_keys: Iterable[bytes]) -> None:
        self._keys = tuple(map(Ed25519PublicKey.from_public_bytes, public_keys))

    def verify(
        self, evidence: Evidence, policy: AttestationPolicy, *, binding: bytes, now_ms: int
    ) -> Attested:
        """Verify evidence at a time; see the port.

        Raises:
            AttestationFailed: it is not accepted.
        """
        if policy.hardware:
            raise AttestationFailed(
                "the evidence is of software, and hardware is demanded", code="unsupported"
            )
        if evidence.kind is not EvidenceKind.SOFTWARE or evidence.chain or evidence.collateral:
            raise AttestationFailed("this is no software evidence", code="unsupported")
        body = self._signed(evidence.document)
        fields = _read(body)
        if not hmac.compare_digest(str(fields["binding"]), binding.hex()):
            raise AttestationFailed("the evidence was made for another channel", code="not_bound")
        made = fields["made_ms"]
        if type(made) is not int or abs(now_ms - made) > FRESH_MS_MAX:
            raise AttestationFailed("the evidence is not of now", code="expired")
        shown = Attested(
            kind=EvidenceKind.SOFTWARE,
            measurement=str(fields["measurement"]),
            hardware=False,
            debug=fields["debug"] is not False,
            status="simulated",
        )
        return check_shown(shown, policy)

    def _signed(self, document: bytes) -> bytes:
        if not SIGNATURE_BYTES < len(document) <= DOCUMENT_BYTES_MAX:
            raise AttestationFailed("the evidence has a length that none has", code="malformed")
        body, signature = document[:-SIGNATURE_BYTES], document[-SIGNATURE_BYTES:]
        for key in self._keys:
            try:
                key.verify(signature, _DOMAIN + body)
            except InvalidSignature:
                continue
            return body
        raise AttestationFailed(
            "the evidence is not signed by a key that is trusted", code="signature"
        )


def _read(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or set(fields) != _FIELDS or fields["simulated"] is not True:
        raise AttestationFailed("the evidence cannot be read", code="malformed")
    return fields
