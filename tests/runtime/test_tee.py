"""The installation's enclave: what is wanted, what is there, what is refused."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.errors import InvalidInput, NotYetSupported, TeeUnavailable
from holdfast.ports.attestation import Attested, EvidenceKind
from holdfast.ports.enclave import Enclave, Machine, SecurityLevel
from holdfast.ports.model import ModelClient
from holdfast.runtime.tee import TeeAttestation, TeeConfig, TeeRuntime
from holdfast.testing.scripted import ScriptedModel

MACHINE = Machine(level=SecurityLevel.VM_ISOLATION, reason="a test")


class Fake:
    """An enclave that is there at once, or fails."""

    def __init__(self, *, simulated: bool = True, fails: str = "") -> None:
        self.simulated = simulated
        self.fails = fails
        self.closed = 0

    async def start(self) -> Attested:
        """Show something."""
        if self.fails:
            raise TeeUnavailable(self.fails)
        kind = EvidenceKind.SOFTWARE if self.simulated else EvidenceKind.SNP
        return Attested(kind=kind, measurement="ab", hardware=not self.simulated, debug=False)

    def model(self, session_id: str) -> ModelClient:
        """A model of that session."""
        return ScriptedModel(model=session_id)

    async def close(self) -> None:
        """Count it."""
        self.closed += 1


def runtime(config: TeeConfig, enclave: Enclave) -> TeeRuntime:
    """A runtime whose enclave that is."""
    return TeeRuntime(config, lambda: MACHINE, lambda config: enclave)


def test_by_default_there_is_none() -> None:
    """Nothing is built; the machine is said to be what it is."""

    async def work() -> None:
        tee = TeeRuntime(None, lambda: MACHINE)
        status = await tee.init()
        assert (False, False, MACHINE, "not enabled") == (
            status.configured,
            status.ready,
            status.machine,
            status.reason,
        )
        assert tee.client_for("one") is None
        await tee.shutdown()

    asyncio.run(work())


def test_it_is_ready_after_its_self_test_and_not_after_its_end() -> None:
    """And can be started again."""

    async def work() -> None:
        fake = Fake()
        tee = runtime(TeeConfig(enabled=True), fake)
        assert not tee.ready and tee.client_for("one") is None
        status = await tee.init()
        assert status.ready and status.simulated and "simulated" in status.reason
        client = tee.client_for("one")
        assert client is not None and "one" == client.model
        await tee.init()
        await tee.shutdown()
        await tee.shutdown()
        assert 1 == fake.closed
        assert (False, "shut down", None) == (
            tee.ready,
            tee.status.reason,
            tee.client_for("one"),
        )
        assert (await tee.init()).ready

    asyncio.run(work())


def test_what_is_required_and_absent_is_an_error() -> None:
    """What is only wanted is not there, and says why."""

    async def work() -> None:
        tee = runtime(TeeConfig(enabled=True), Fake(fails="no device"))
        status = await tee.init()
        assert (False, "no device") == (status.ready, status.reason)
        with pytest.raises(TeeUnavailable, match="no device"):
            await runtime(TeeConfig(enabled=True, required=True), Fake(fails="no device")).init()
        with pytest.raises(TeeUnavailable):
            await TeeRuntime(TeeConfig(enabled=True, required=True)).init()

    asyncio.run(work())


def test_production_refuses_what_is_simulated() -> None:
    """By its settings, and by what is really there."""

    async def work() -> None:
        fake = Fake(simulated=True)
        tee = runtime(TeeConfig(enabled=True, mode="production"), fake)
        assert not (await tee.init()).ready
        assert 1 == fake.closed and tee.client_for("one") is None
        real = runtime(TeeConfig(enabled=True, mode="production"), Fake(simulated=False))
        status = await real.init()
        assert status.ready and not status.simulated and "snp" in status.reason

    asyncio.run(work())
    for config in (
        TeeConfig(mode="production", allow_simulated=True),
        TeeConfig(mode="production", attestation=TeeAttestation(hardware=False)),
        TeeConfig(
            mode="production",
            allow_simulated=True,
            attestation=TeeAttestation(software_keys=("ab",)),
        ),
    ):
        with pytest.raises(InvalidInput, match="production refuses"):
            TeeRuntime(config)


@pytest.mark.parametrize(
    "config",
    [
        TeeConfig(mode="test"),
        TeeConfig(memory_mb=1),
        TeeConfig(backend="a3s_box"),
        TeeConfig(backend="amd_sev", allow_simulated=True),
        TeeConfig(memory_mb=True),
        TeeConfig(attestation=TeeAttestation(software_keys=("ab",))),
        TeeConfig(attestation=TeeAttestation(expected_measurements=frozenset({"AB"}))),
        TeeConfig(attestation=TeeAttestation(expected_measurements=frozenset({"abc"}))),
        TeeConfig(attestation=TeeAttestation(expected_measurements=frozenset({""}))),
    ],
)
def test_what_cannot_be_meant_is_refused(config: TeeConfig) -> None:
    """When the manager is made."""
    with pytest.raises(InvalidInput):
        TeeRuntime(config)


@pytest.mark.parametrize(
    "config",
    [
        TeeConfig(cpu_cores=2),
        TeeConfig(vsock_port=4091),
        TeeConfig(box_image="x"),
        TeeConfig(shim_path="x"),
        TeeConfig(workspace_dir="x"),
        TeeConfig(socket_dir="x"),
        TeeConfig(secrets=()),
        TeeConfig(network_policy="x"),
        TeeConfig(fallback_policy="warn"),
    ],
)
def test_what_says_nothing_here_is_refused(config: TeeConfig) -> None:
    """It is not taken and ignored; the message says what does."""
    with pytest.raises(NotYetSupported, match="says nothing here: "):
        TeeRuntime(config)


def test_an_enclave_is_of_the_backend_that_is_wanted() -> None:
    """Evidence of another kind is refused, however sound it is."""

    async def work() -> None:
        wanted = TeeConfig(enabled=True, backend="amd_sev")
        assert (await runtime(wanted, Fake(simulated=False)).init()).ready
        other = Fake(simulated=False)
        tee = runtime(TeeConfig(enabled=True, backend="intel_tdx"), other)
        status = await tee.init()
        assert (False, 1) == (status.ready, other.closed)
        assert "snp, not of the backend intel_tdx" in status.reason

    asyncio.run(work())


def test_another_configuration_is_taken_up_before_the_start_only() -> None:
    """The same again is harmless."""

    async def work() -> None:
        tee = runtime(TeeConfig(), Fake())
        wanted = TeeConfig(enabled=True)
        tee.adopt(wanted)
        assert tee.configured and "not started" == tee.status.reason
        assert (await tee.init()).ready
        tee.adopt(wanted)
        with pytest.raises(InvalidInput, match="opened anew"):
            tee.adopt(TeeConfig())
        assert tee.ready

    asyncio.run(work())
    with pytest.raises(InvalidInput):
        TeeRuntime().adopt(TeeConfig(mode="test"))
