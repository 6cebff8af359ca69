"""From what an installation wants to the enclave that is meant."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from holdfast.adapters.enclave.client import EnclaveClient, Stream
from holdfast.adapters.enclave.counting import FileCounter
from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.software import SoftwareVerifier
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.core.errors import InvalidInput, TeeUnavailable
from holdfast.core.settings import ModelSettings
from holdfast.ports.attestation import AttestationPolicy, AttestationVerifier
from holdfast.ports.clock import Clock
from holdfast.ports.enclave import Enclave


class WantedEvidence(Protocol):
    """What evidence has to show; see `runtime.tee.TeeAttestation`."""

    @property
    def verifiers(self) -> tuple[AttestationVerifier, ...]:
        """Who may look at it."""
        ...

    @property
    def software_keys(self) -> tuple[str, ...]:
        """Keys that may sign software evidence, in hex."""
        ...

    def policy(self) -> AttestationPolicy:
        """What it has to show."""
        ...


class Wanted(Protocol):
    """What is wanted of an enclave; see `runtime.tee.TeeConfig`."""

    @property
    def allow_simulated(self) -> bool:
        """A simulated enclave will do."""
        ...

    @property
    def socket(self) -> str | None:
        """Path of the socket that leads to it."""
        ...

    @property
    def anchor(self) -> str | None:
        """Path of the file that remembers the key it was handed."""
        ...

    @property
    def model(self) -> ModelSettings | None:
        """What a simulated one holds."""
        ...

    @property
    def memory_mb(self) -> int:
        """Memory of a simulated one, in MiB."""
        ...

    @property
    def attestation(self) -> WantedEvidence:
        """What its evidence has to show."""
        ...


def build_enclave(wanted: Wanted, clock: Clock) -> Enclave:
    """Make what is wanted, without starting it.

    Raises:
        TeeUnavailable: nothing leads to an enclave, and a simulated one is not allowed.
        InvalidInput: a key is none, the socket is there with nothing to verify with, or
            an anchor without a socket.
    """
    if wanted.socket is not None:
        return _reached(wanted, wanted.socket, clock)
    if wanted.anchor is not None:
        raise InvalidInput("an anchor remembers the key of an enclave behind a socket")
    if not wanted.allow_simulated:
        raise TeeUnavailable("no socket leads to an enclave, and a simulated one is not allowed")
    model = wanted.model
    program = EnclaveProgram()
    if model is not None:
        program = EnclaveProgram(
            provider=model.provider, model=model.model, base_url=model.base_url, key=model.key
        )
    return SimulatedEnclave(program, clock, memory_mb=wanted.memory_mb)


def _reached(wanted: Wanted, path: str, clock: Clock) -> EnclaveClient:
    verifiers, policy = list(wanted.attestation.verifiers), wanted.attestation.policy()
    if wanted.attestation.software_keys:
        try:
            keys = [bytes.fromhex(text) for text in wanted.attestation.software_keys]
            verifiers.append(SoftwareVerifier(keys))
        except ValueError:
            raise InvalidInput("a software key is an Ed25519 public key in hex") from None
    if not verifiers and policy.hardware:
        verifiers.append(_hardware())
    if not verifiers or not policy.measurements:
        raise InvalidInput("an enclave needs a verifier and the measurements that are allowed")
    if not wanted.allow_simulated:
        policy = replace(policy, hardware=True)

    async def connect() -> Stream:
        return await asyncio.open_unix_connection(path)

    anchor = None if wanted.anchor is None else FileCounter(Path(wanted.anchor))
    return EnclaveClient(connect, verifiers, policy, clock, anchor=anchor)


def _hardware() -> AttestationVerifier:
    # lazy: certificates take their time to load, and few reach an enclave
    from holdfast.adapters.attestation.hardware import HardwareVerifier

    return HardwareVerifier()
