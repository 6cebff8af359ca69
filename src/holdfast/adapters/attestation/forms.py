"""Evidence as plain data: what a file or a command says it in (docs/how-to/enclaves.md)."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from holdfast.core.errors import AttestationFailed, InvalidInput
from holdfast.ports.attestation import Evidence, EvidenceKind


def evidence_of(found: Mapping[str, object]) -> Evidence:
    """Read evidence: `kind`, `document`, and perhaps `chain` and `collateral`, in base64.

    Raises:
        InvalidInput: naming the field.
        AttestationFailed: unsupported: its kind is not known.
    """
    chain = found.get("chain", [])
    if not isinstance(chain, list):
        raise InvalidInput("chain is a list")
    try:
        kind = EvidenceKind(str(found.get("kind", "")))
    except ValueError:
        raise AttestationFailed("evidence of this kind is not known", code="unsupported") from None
    return Evidence(
        kind=kind,
        document=_base64("document", found.get("document")),
        chain=tuple(_base64("chain", one) for one in chain),
        collateral=_base64("collateral", found.get("collateral", "")),
    )


def _base64(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} is a text in base64")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise InvalidInput(f"{name} is not base64") from None
