"""The enclave port: a place to make model calls in that has shown what it is.

Contract
- `start` connects or starts the enclave, verifies its evidence and makes one round
  trip; only when it has returned is `model` asked for clients.
- A client's calls go through a channel of its session alone; no two sessions share keys.
- A client that has no channel any more raises `ProviderFailed`; it sends nothing
  anywhere else.
- `close` ends all channels and overwrites their keys; an enclave that was started ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from holdfast.ports.attestation import Attested
from holdfast.ports.model import ModelClient


class SecurityLevel(StrEnum):
    """What keeps others on the machine out of this process's memory, by what is there."""

    TEE_HARDWARE = "tee_hardware"
    VM_ISOLATION = "vm_isolation"
    PROCESS_ONLY = "process_only"

    @property
    def description(self) -> str:
        """One line for a person."""
        return {
            SecurityLevel.TEE_HARDWARE: "a confidential machine; attest it before relying on it",
            SecurityLevel.VM_ISOLATION: "a virtual machine; whoever runs the host can look in",
            SecurityLevel.PROCESS_ONLY: "processes only; nothing keeps the machine's owner out",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a machine is, as far as it can be seen from inside.

    Args:
        devices: device nodes of confidential machines that are there.
        reason: what was found, one line for a person.
    """

    level: SecurityLevel
    devices: tuple[str, ...] = ()
    reason: str = ""


@runtime_checkable
class Enclave(Protocol):
    """An enclave that may be used once it was started; see the contract above."""

    @property
    def simulated(self) -> bool:
        """No hardware vouches for it."""
        ...

    async def start(self) -> Attested:
        """Connect, verify, and make one round trip.

        Raises:
            TeeUnavailable: it is not there or does not answer.
            AttestationFailed: what it shows is not accepted.
        """
        ...

    def model(self, session_id: str) -> ModelClient:
        """The client of the model inside, for one session."""
        ...

    async def close(self) -> None:
        """End all channels and what was started."""
        ...
