"""`holdfast enclave verify`: real evidence from a file, and why it is not accepted."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from clihelp import Place, Ran

DATA = Path(__file__).parents[1] / "data" / "tee"
MEASUREMENT = (
    "7a1e5c266c0108dbc9bb94fa926951320940915d0aafb42464bd88b579ea158d"
    "3e1a0dc39b2c60bd95b9c480cd81841f"
)
REPORT = bytes.fromhex((DATA / "snp/report_milan.hex").read_text())
BINDING = REPORT[0x50:0x90].hex()
NOW = "2024-01-01T00:00:00Z"


def text(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def evidence(**changed: object) -> str:
    """A file of real evidence, with some of it changed."""
    chain = [
        text((DATA / "snp" / name).read_bytes()) for name in ("vcek_milan.der", "cert_chain_milan")
    ]
    return json.dumps({"kind": "snp", "document": text(REPORT), "chain": chain, **changed})


def ran(place: Place, data: str, *more: str, now: str = NOW, binding: str = BINDING) -> Ran:
    """Verify a file."""
    file = place.root / "evidence.json"
    file.write_text(data, encoding="utf-8")
    words = ("--measurement", MEASUREMENT, "--binding", binding, "--now", now, *more)
    return place.cli("enclave", "verify", str(file), *words)


def test_real_evidence_is_accepted(place: Place) -> None:
    """What was attested is printed, as text or as JSON; no store is made."""
    said = ran(place, evidence())
    assert (0, "") == (said.code, said.err)
    lines = dict(line.split(maxsplit=1) for line in said.out.splitlines())
    assert (MEASUREMENT, "snp", "no", "yes") == tuple(
        lines[name] for name in ("measurement", "kind", "debug", "hardware")
    )
    assert "microcode 115" in lines["tcb"]
    data = ran(place, evidence(), "--json").json()
    assert isinstance(data, dict)
    assert (MEASUREMENT, 8, [], "") == (
        data["measurement"], data["tcb"]["snp"], data["advisories"], data["status"]
    )  # fmt: skip
    assert not place.store.exists()


@pytest.mark.parametrize(
    ("more", "now", "binding", "code"),
    [
        ((), "2040-01-01", BINDING, "expired"),
        ((), "2021-01-01", BINDING, "not_yet_valid"),
        ((), NOW, "ab" * 32, "channel"),
        (("--tcb", "microcode=116"), NOW, BINDING, "microcode"),
    ],
)
def test_what_is_not_accepted_is_one_line(
    place: Place, more: tuple[str, ...], now: str, binding: str, code: str
) -> None:
    """With the exit code of the error."""
    said = ran(place, evidence(), *more, now=now, binding=binding)
    assert (8, "", 1) == (said.code, said.out, len(said.err.splitlines()))
    assert "(attestation_failed)" in said.err
    assert {"expired": "expired", "not_yet_valid": "not valid yet"}.get(code, code) in said.err


def test_intels_evidence_is_accepted_with_its_status(place: Place) -> None:
    """Collateral comes in the file; a status beside UpToDate has to be allowed."""
    data = json.dumps(
        {
            "kind": "sgx",
            "document": text((DATA / "tdx/sgx_quote").read_bytes()),
            "collateral": text((DATA / "tdx/sgx_quote_collateral.json").read_bytes()),
        }
    )
    measured = "33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb"
    given = ("--measurement", measured.upper())
    status = ("--status", "ConfigurationAndSWHardeningNeeded")
    when, bound = "2025-06-20", b"Hello, world!".hex()
    said = ran(place, data, *given, *status, now=when, binding=bound)
    assert (0, True) == (said.code, "INTEL-SA-00615" in said.out)
    assert 8 == ran(place, data, *given, now=when, binding=bound).code


def test_debug_is_accepted_only_when_asked_for(place: Place) -> None:
    """For tests."""
    report = (DATA / "snp/attestation.bin").read_bytes()
    chain = [
        text((DATA / "snp" / name).read_bytes()) for name in ("vcek.testcer", "cert_chain_milan")
    ]
    data = evidence(document=text(report), chain=chain)
    more = ("--measurement", report[0x90:0xC0].hex())
    assert 8 == ran(place, data, *more, binding="0102030405").code
    assert 0 == ran(place, data, *more, "--allow-debug", binding="0102030405").code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", 2),
        ("[]", 2),
        ("[" * 100_000, 2),
        ("{}", 2),
        (evidence(unheard=1), 2),
        (evidence(kind=None), 8),
        (evidence(kind="unheard"), 8),
        (evidence(kind="software"), 8),
        (evidence(document="%"), 2),
        (evidence(document=1), 2),
        (evidence(document="é"), 2),
        (evidence(chain="x"), 2),
        (evidence(chain=[1]), 2),
        (evidence(collateral=None), 2),
        (" " * (1024 * 1024 + 1), 2),
    ],
)
def test_files_that_are_no_evidence_are_refused(place: Place, data: str, code: int) -> None:
    """With one line."""
    said = ran(place, data)
    assert (code, "", 1) == (said.code, said.out, len(said.err.splitlines()))


def test_what_was_typed_wrong_is_named(place: Place) -> None:
    """And a file that is not there."""
    assert "--now" in ran(place, evidence(), now="yesterday").err
    assert "--binding" in ran(place, evidence(), binding="").err
    assert "--tcb" in ran(place, evidence(), "--tcb", "microcode").err
    assert "--tcb" in ran(place, evidence(), "--tcb", "microcode=" + "9" * 5_000).err
    assert "--measurement" in ran(place, evidence(), "--measurement", "xyz").err
    words = ("--measurement", MEASUREMENT, "--binding", BINDING)
    assert 3 == place.cli("enclave", "verify", str(place.root / "gone.json"), *words).code
    assert 2 == place.cli("enclave", "verify", str(place.root / "gone.json")).code


def test_without_a_time_it_is_today(place: Place) -> None:
    """This evidence is valid until April 2030; measured by the clock, its measurement counts."""
    file = place.root / "evidence.json"
    file.write_text(evidence(chain=[]), encoding="utf-8")
    said = place.cli(
        "enclave", "verify", str(file), "--measurement", MEASUREMENT, "--binding", BINDING
    )
    assert (8, True) == (said.code, "no certificates" in said.err)
