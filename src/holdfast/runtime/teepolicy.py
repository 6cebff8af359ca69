"""The enclave that a policy file and an argument want together: the stricter of both.

Where the file says nothing the argument holds. Where it has a `[tee]` section, what
it does not name is as by default, and the argument
- enables, requires, and demands production mode or hardware, but takes none of it back;
- allows a simulated enclave, or a key that signs its evidence, only where the file does;
- names fewer measurements, higher versions and less memory;
- leads to no other enclave, and brings no verifier of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from holdfast.core.errors import InvalidInput
from holdfast.runtime.tee import TeeAttestation, TeeConfig

T = TypeVar("T")


def stricter_tee(filed: TeeConfig | None, given: TeeConfig | None) -> TeeConfig:
    """Join what a policy file wants of an enclave with what an argument wants.

    Raises:
        InvalidInput: the two exclude each other.
    """
    if filed is None or given is None:
        return filed or given or TeeConfig()
    production = "production" in (filed.mode, given.mode)
    if production and given.allow_simulated:
        raise InvalidInput("production refuses a simulated enclave")
    joined = replace(
        filed,
        enabled=filed.enabled or given.enabled,
        mode="production" if production else filed.mode,
        required=filed.required or given.required,
        allow_simulated=filed.allow_simulated and given.allow_simulated,
        socket=_same("socket", filed.socket, given.socket),
        anchor=_same("anchor", filed.anchor, given.anchor),
        model=_same("model", filed.model, given.model),
        backend=_same("backend", filed.backend, given.backend),
        memory_mb=min(filed.memory_mb, given.memory_mb),
        attestation=_evidence(filed.attestation, given.attestation),
    )
    joined.check()
    return joined


def _evidence(filed: TeeAttestation, given: TeeAttestation) -> TeeAttestation:
    if given.verifiers:
        raise InvalidInput("the policy file has a section tee, beside which none can verify")
    measurements = filed.expected_measurements or given.expected_measurements
    if filed.expected_measurements and given.expected_measurements:
        measurements = filed.expected_measurements & given.expected_measurements
        if not measurements:
            raise InvalidInput("no measurement is allowed by the policy file and the argument")
    tcb = dict(filed.minimum_tcb)
    for name, version in given.minimum_tcb:
        tcb[name] = max(version, tcb.get(name, version))
    keys = given.software_keys or filed.software_keys
    return replace(
        filed,
        expected_measurements=measurements,
        hardware=filed.hardware or given.hardware,
        minimum_tcb=tuple(sorted(tcb.items())),
        software_keys=tuple(key for key in keys if key in filed.software_keys),
    )


def _same(name: str, filed: T | None, given: T | None) -> T | None:
    if filed is not None and given is not None and filed != given:
        raise InvalidInput(f"the policy file names another {name} of the enclave")
    return filed if filed is not None else given
