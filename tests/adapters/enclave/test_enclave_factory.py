"""What is wanted comes to the enclave that is meant, or to none."""

from __future__ import annotations

from pathlib import Path

import pytest
from enclavekit import MEASUREMENT, PUBLIC

from holdfast.adapters.attestation.hardware import HardwareVerifier
from holdfast.adapters.enclave.client import ANCHOR, EnclaveClient
from holdfast.adapters.enclave.counting import FileCounter
from holdfast.adapters.enclave.factory import build_enclave
from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.software import SoftwareVerifier
from holdfast.core.errors import InvalidInput, TeeUnavailable
from holdfast.core.settings import ModelSettings
from holdfast.ports.clock import SystemClock
from holdfast.ports.counting import Count
from holdfast.runtime.tee import TeeAttestation, TeeConfig

CLOCK = SystemClock()
MEASURED = frozenset({MEASUREMENT})


def test_a_simulated_one_has_to_be_allowed() -> None:
    """By name; then it holds the model that is wanted."""
    with pytest.raises(TeeUnavailable):
        build_enclave(TeeConfig(), CLOCK)
    assert isinstance(build_enclave(TeeConfig(allow_simulated=True), CLOCK), SimulatedEnclave)
    model = ModelSettings(provider="openai", model="m", key="env:KEY")
    built = build_enclave(TeeConfig(allow_simulated=True, model=model), CLOCK)
    assert isinstance(built, SimulatedEnclave)
    assert ("openai", "env:KEY") == (built._program.provider, built._program.key)


def test_a_socket_needs_something_to_verify_with() -> None:
    """A verifier and measurements; hardware is demanded unless simulated ones are allowed."""
    for attestation in (
        TeeAttestation(),
        TeeAttestation(expected_measurements=MEASURED, hardware=False),
        TeeAttestation(verifiers=(SoftwareVerifier([PUBLIC]),)),
        TeeAttestation(expected_measurements=MEASURED, software_keys=("abcd",)),
    ):
        with pytest.raises(InvalidInput):
            build_enclave(TeeConfig(socket="s", attestation=attestation), CLOCK)
    attestation = TeeAttestation(
        expected_measurements=MEASURED, software_keys=(PUBLIC.hex(),), hardware=False
    )
    for allowed in (False, True):
        config = TeeConfig(socket="s", allow_simulated=allowed, attestation=attestation)
        built = build_enclave(config, CLOCK)
        assert isinstance(built, EnclaveClient)
        assert (not allowed) is built._policy.hardware


def test_an_anchor_is_of_an_enclave_behind_a_socket(tmp_path: Path) -> None:
    """There it is read; a simulated one of our own is handed no key."""
    with pytest.raises(InvalidInput):
        build_enclave(TeeConfig(allow_simulated=True, anchor="a"), CLOCK)
    anchor, count = tmp_path / "anchor", Count(version=2, digest="0a" * 32)
    FileCounter(anchor).advance(ANCHOR, count)
    attestation = TeeAttestation(expected_measurements=MEASURED)
    for given, known in ((str(anchor), count), (None, None)):
        built = build_enclave(TeeConfig(socket="s", anchor=given, attestation=attestation), CLOCK)
        assert isinstance(built, EnclaveClient)
        assert known == (None if built._anchor is None else built._anchor.read(ANCHOR))


def test_hardware_is_verified_where_no_verifier_is_given() -> None:
    """By the one that knows its kinds; evidence of software is then refused."""
    config = TeeConfig(socket="s", attestation=TeeAttestation(expected_measurements=MEASURED))
    built = build_enclave(config, CLOCK)
    assert isinstance(built, EnclaveClient) and built._policy.hardware
    (verifier,) = built._verifiers
    assert isinstance(verifier, HardwareVerifier)
