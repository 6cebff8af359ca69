"""`holdfast enclave verify`: whether evidence shows what an enclave claims to be.

Nothing is fetched and nothing is kept: what is verified is the file, against what
the command line says, at the time that it says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import facts, print_json
from holdfast.cli.world import options_of
from holdfast.core.errors import InvalidInput, NotFound, TooLarge

if TYPE_CHECKING:
    from holdfast.ports.attestation import Attested, Evidence

FILE_BYTES_MAX = 1024 * 1024
KEYS = frozenset({"kind", "document", "chain", "collateral"})


def verify(
    context: typer.Context,
    evidence: Annotated[Path, typer.Argument(help="The evidence, a JSON file.")],
    *,
    measurement: Annotated[
        list[str],
        typer.Option("--measurement", help="A measurement that is allowed; may be given again."),
    ],
    binding: Annotated[
        str, typer.Option("--binding", help="What the evidence has to be bound to, in hex.")
    ],
    now: Annotated[
        str, typer.Option("--now", help="The time to verify at, ISO 8601 in UTC; default: now.")
    ] = "",
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="A platform status to allow beside UpToDate (TDX, SGX)."),
    ] = None,
    tcb: Annotated[
        list[str] | None,
        typer.Option("--tcb", metavar="NAME=N", help="The least version of a platform's part."),
    ] = None,
    allow_debug: Annotated[
        bool, typer.Option("--allow-debug", help="Accept what can be looked into; for tests.")
    ] = False,
) -> None:
    """Verify what hardware says of an enclave; exit code 8 if it is not accepted."""
    # lazy: certificates are not needed for help.
    from holdfast.bootstrap import hardware_verifier
    from holdfast.ports.attestation import AttestationPolicy

    options = options_of(context)
    policy = AttestationPolicy(
        measurements=frozenset(_hex("--measurement", one).hex() for one in measurement),
        allow_debug=allow_debug,
        minimum_tcb=tuple(_least(one) for one in tcb or ()),
        allowed_statuses=frozenset({"UpToDate", *(status or ())}),
    )
    found = hardware_verifier().verify(
        read_evidence(evidence), policy, binding=_hex("--binding", binding), now_ms=_time(now)
    )
    data = form(found)
    if options.json:
        print_json(data)
        return
    facts([(name, _shown(value)) for name, value in data.items()])


def form(found: Attested) -> dict[str, object]:
    """What verified evidence shows, as plain data."""
    return {
        "kind": found.kind.value,
        "measurement": found.measurement,
        "hardware": found.hardware,
        "debug": found.debug,
        "tcb": dict(found.tcb),
        "status": found.status,
        "advisories": list(found.advisories),
    }


def read_evidence(file: Path) -> Evidence:
    """Read a file of evidence (docs/how-to/enclaves.md describes it).

    Raises:
        NotFound: it cannot be read.
        TooLarge: it is over 1 MiB.
        InvalidInput: it is not JSON of that form; naming the field.
        AttestationFailed: unsupported: its kind is not known.
    """
    # lazy: not needed for help.
    from holdfast.adapters.attestation.forms import evidence_of

    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > FILE_BYTES_MAX:
        raise TooLarge(f"{file} is over {FILE_BYTES_MAX} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{file} is not JSON") from None
    if not isinstance(found, dict) or not {"kind", "document"} <= set(found) <= KEYS:
        raise InvalidInput(f"{file} has kind, document, and perhaps chain and collateral")
    return evidence_of(found)


def _hex(name: str, text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if not found:
        raise InvalidInput(f"{name} is in hex")
    return found


def _least(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isascii() or not number.isdecimal() or len(number) > 9:
        raise InvalidInput("--tcb is NAME=N, for example microcode=115")
    return name, int(number)


def _time(text: str) -> int:
    """UTC milliseconds; of now where nothing is said."""
    if not text:
        return int(datetime.now(UTC).timestamp() * 1000)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("--now is a time such as 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "none shown"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"
