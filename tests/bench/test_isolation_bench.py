"""The bench of isolation counts what it claims to."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "adapters" / "attestation")]

import isolation  # noqa: E402 - bench is not a package
import isolation_attestation as measured  # noqa: E402 - bench is not a package
import isolation_tamper as tamper  # noqa: E402 - bench is not a package
from evidencekit import refusal, vectors  # noqa: E402 - beside the imports above

from holdfast.adapters.attestation.hardware import HardwareVerifier  # noqa: E402 - as above


def test_every_part_has_its_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a part that is not there is said."""
    for script in isolation.PARTS.values():
        assert (ROOT / "bench" / f"{script}.py").exists()
    monkeypatch.setattr(sys, "argv", ["isolation", "unheard"])
    assert 1 == isolation.main()
    assert "unheard" in capsys.readouterr().out


def test_what_counts_as_altered_differs() -> None:
    """Each byte once, in every part of the evidence."""
    vector = vectors()["snp"]
    found = list(measured.altered(vector.evidence, 1))
    size = len(vector.evidence.document) + sum(map(len, vector.evidence.chain))
    assert size == len(found)
    assert vector.evidence not in found


def test_evidence_that_is_not_altered_is_not_counted_as_refused() -> None:
    """The share would be 100 whatever happens otherwise."""
    vector = vectors()["snp"]
    assert "" == refusal(HardwareVerifier(), vector)
    assert "" == refusal(HardwareVerifier(), replace(vector))
    assert len(list(measured.others(vector))) > 5


def test_an_altered_store_is_found_whatever_was_altered(tmp_path: Path) -> None:
    """In each way once; a store that was set back by the checkpoint alone."""

    async def main() -> None:
        sink = await tamper.made(tmp_path)
        seen = await tamper.one_round(tmp_path, sink, tamper.SEED)
        assert {way: (way != "older", True) for way in tamper.WAYS} == seen

    asyncio.run(main())
