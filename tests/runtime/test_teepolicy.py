"""What a file and an argument want of an enclave together."""

from __future__ import annotations

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.core.settings import ModelSettings
from holdfast.ports.attestation import EvidenceKind
from holdfast.runtime.tee import TeeAttestation, TeeConfig
from holdfast.runtime.teepolicy import stricter_tee

MODEL = ModelSettings(provider="openai", model="a")
FILED = TeeConfig(
    enabled=True,
    allow_simulated=True,
    memory_mb=512,
    attestation=TeeAttestation(
        expected_measurements=frozenset({"ab", "cd"}),
        hardware=False,
        minimum_tcb=(("a", 3), ("b", 1)),
        software_keys=("ee",),
    ),
)


def test_without_one_of_them_the_other_holds() -> None:
    """And without both there is none."""
    assert FILED == stricter_tee(FILED, None) == stricter_tee(None, FILED)
    assert TeeConfig() == stricter_tee(None, None)


def test_an_argument_makes_it_stricter() -> None:
    """Field by field; what it is silent about stays forbidden by its own defaults."""
    given = TeeConfig(
        required=True,
        allow_simulated=True,
        socket="/s",
        model=MODEL,
        memory_mb=256,
        attestation=TeeAttestation(
            expected_measurements=frozenset({"cd", "ef"}),
            minimum_tcb=(("a", 2), ("b", 5), ("c", 1)),
        ),
    )
    joined = stricter_tee(FILED, given)
    assert joined == TeeConfig(
        enabled=True,
        required=True,
        allow_simulated=True,
        socket="/s",
        model=MODEL,
        memory_mb=256,
        attestation=TeeAttestation(
            expected_measurements=frozenset({"cd"}),
            hardware=True,
            minimum_tcb=(("a", 3), ("b", 5), ("c", 1)),
            software_keys=("ee",),
        ),
    )
    anchored = TeeConfig(anchor="/a")
    assert stricter_tee(anchored, TeeConfig()) == stricter_tee(TeeConfig(), anchored) == anchored
    bare = stricter_tee(TeeConfig(), TeeConfig(enabled=True, memory_mb=4096))
    assert (True, 2048) == (bare.enabled, bare.memory_mb)


def test_an_argument_never_loosens() -> None:
    """Neither what is off, nor a mode, nor a key, nor hardware comes from it."""
    production = TeeConfig(enabled=True, required=True, mode="production", socket="/s")
    joined = stricter_tee(production, TeeConfig())
    assert production == joined
    assert not stricter_tee(TeeConfig(), TeeConfig(allow_simulated=True)).allow_simulated
    keys = TeeAttestation(hardware=False, software_keys=("aa", "ee"))
    loose = stricter_tee(FILED, TeeConfig(allow_simulated=True, attestation=keys))
    assert ("ee",) == loose.attestation.software_keys
    hardware = stricter_tee(
        TeeConfig(), TeeConfig(attestation=TeeAttestation(hardware=False))
    ).attestation
    assert hardware.hardware


class Trusting:
    """A verifier that would believe anything."""

    kinds = frozenset(EvidenceKind)

    verify = None


@pytest.mark.parametrize(
    ("filed", "given"),
    [
        (TeeConfig(mode="production"), TeeConfig(allow_simulated=True)),
        (FILED, TeeConfig(mode="production")),
        (TeeConfig(socket="/a"), TeeConfig(socket="/b")),
        (TeeConfig(anchor="/a"), TeeConfig(anchor="/b")),
        (TeeConfig(backend="amd_sev"), TeeConfig(backend="intel_tdx")),
        (TeeConfig(model=MODEL), TeeConfig(model=ModelSettings(provider="openai", model="b"))),
        (
            FILED,
            TeeConfig(attestation=TeeAttestation(expected_measurements=frozenset({"ef"}))),
        ),
        (TeeConfig(), TeeConfig(attestation=TeeAttestation(verifiers=(Trusting(),)))),  # type: ignore[arg-type]  # never asked
    ],
)
def test_what_excludes_each_other_is_refused(filed: TeeConfig, given: TeeConfig) -> None:
    """It is not guessed which of the two was meant."""
    with pytest.raises(InvalidInput):
        stricter_tee(filed, given)
