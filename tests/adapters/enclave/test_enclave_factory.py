"""What is wanted comes to the enclave that is meant, or to none."""

from __future__ import annotations

import pytest
from enclavekit import MEASUREMENT, PUBLIC

from holdfast.adapters.attestation.hardware import HardwareVerifier
from holdfast.adapters.enclave.client import EnclaveClient
from holdfast.adapters.enclave.factory import build_enclave
from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.software import SoftwareVerifier
from holdfast.core.errors import InvalidInput, TeeUnavailable
from holdfast.core.settings import ModelSettings
from holdfast.ports.clock import SystemClock
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


def test_hardware_is_verified_where_no_verifier_is_given() -> None:
    """By the one that knows its kinds; evidence of software is then refused."""
    config = TeeConfig(socket="s", attestation=TeeAttestation(expected_measurements=MEASURED))
    built = build_enclave(config, CLOCK)
    assert isinstance(built, EnclaveClient) and built._policy.hardware
    (verifier,) = built._verifiers
    assert isinstance(verifier, HardwareVerifier)
