"""The simulated enclave: a real process, in a real sandbox."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import pytest
from enclavekit import all_of, asked

from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus, detect
from holdfast.core.errors import InvalidInput, ProviderFailed, TeeUnavailable
from holdfast.ports.attestation import EvidenceKind
from holdfast.ports.clock import SystemClock
from holdfast.ports.enclave import Enclave
from holdfast.ports.model import TextDelta

CLOCK = SystemClock()


def tier(kind: SandboxKind) -> SandboxStatus:
    """A tier that works here."""
    found = detect(kind)
    if found.kind is not kind:
        pytest.skip(f"{kind.value} does not work here")
    return found


def below(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        for path in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, path.read_text().split())
    return found


@pytest.mark.parametrize("kind", [SandboxKind.BUBBLEWRAP, SandboxKind.LANDLOCK])
def test_it_starts_answers_and_is_gone(kind: SandboxKind) -> None:
    """In each tier; it says what it is, and nobody can look into it."""

    async def work() -> None:
        enclave = SimulatedEnclave(EnclaveProgram(), CLOCK, sandbox=tier(kind))
        assert isinstance(enclave, Enclave) and enclave.simulated
        attested = await enclave.start()
        assert (EvidenceKind.SOFTWARE, False, "simulated") == (
            attested.kind,
            attested.hardware,
            attested.status,
        )
        assert enclave.client.facts.simulated
        assert enclave.pid is not None
        processes = below(enclave.pid)
        delta, _ = await all_of(enclave.model("one").stream(asked("hello")))
        assert TextDelta("hello") == delta
        inside = processes[-1]
        assert "0" == limit_of(inside, "Max core file size")
        await enclave.close()
        assert [] == [one for one in processes if has_memory(one)]

    asyncio.run(work())


def has_memory(pid: int) -> bool:
    """Whether a process is there and more than a name that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/maps").read_text() != ""
    except (OSError, ProcessLookupError):
        return False


def limit_of(pid: int, name: str) -> str:
    """A process's hard limit."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith(name):
            return line[len(name) :].split()[1]
    raise AssertionError(name)


def test_killed_in_the_middle_of_an_answer() -> None:
    """The call fails with a type, and what comes after it too; a new start goes on."""

    async def work() -> None:
        enclave = SimulatedEnclave(EnclaveProgram(delay_ms=20), CLOCK)
        await enclave.start()
        assert enclave.pid is not None
        stream = enclave.model("one").stream(asked("word " * 1000))
        assert TextDelta("word ") == await anext(stream)
        for pid in reversed(below(enclave.pid)):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProviderFailed) as caught:
            async for _ in stream:
                pass
        assert caught.value.retryable and caught.value.billable
        with pytest.raises(ProviderFailed):
            await all_of(enclave.model("one").stream(asked("x")))
        await enclave.close()
        await enclave.start()
        assert 2 <= len(await all_of(enclave.model("one").stream(asked("x"))))
        await enclave.close()

    asyncio.run(work())


def test_two_starts_share_no_key() -> None:
    """One's evidence is nothing to the other's verifier."""

    async def work() -> None:
        one, other = (SimulatedEnclave(EnclaveProgram(), CLOCK) for _ in range(2))
        await one.start()
        await other.start()
        assert one.client._verifiers != other.client._verifiers
        one.client._connect = other.client._connect
        with pytest.raises(Exception, match="not signed by a key"):
            await one.client.open("one")
        await one.close()
        await other.close()

    asyncio.run(work())


def test_without_a_sandbox_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails closed, and leaves nothing behind."""

    async def work() -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        none = SandboxStatus(kind=SandboxKind.NONE, reason="switched off")
        with pytest.raises(TeeUnavailable, match="needs a sandbox"):
            await SimulatedEnclave(EnclaveProgram(), CLOCK, sandbox=none).start()
        with pytest.raises(TeeUnavailable, match="bubblewrap"):
            await SimulatedEnclave(
                EnclaveProgram(provider="openai", model="m"),
                CLOCK,
                sandbox=tier(SandboxKind.LANDLOCK),
            ).start()
        with pytest.raises(InvalidInput):
            await SimulatedEnclave(
                EnclaveProgram(provider="openai", model="m", key="keyring:a/b"), CLOCK
            ).start()

    asyncio.run(work())
    assert [] == list(tmp_path.iterdir())


def test_what_cannot_be_built_inside_does_not_start() -> None:
    """The process ends, and that is an enclave that is not there."""

    async def work() -> None:
        tier(SandboxKind.BUBBLEWRAP)
        program = EnclaveProgram(provider="openai", model="m", key="env:NO_SUCH_KEY_HERE")
        with pytest.raises(TeeUnavailable):
            await SimulatedEnclave(program, CLOCK).start()

    asyncio.run(work())


def test_a_round_trip_is_quick() -> None:
    """2 KiB there and back; the bar of the benchmark is lower by far than this limit."""

    async def work() -> float:
        enclave = SimulatedEnclave(EnclaveProgram(), CLOCK)
        await enclave.start()
        model, took = enclave.model("one"), []
        for _ in range(200):
            before = time.perf_counter()
            await all_of(model.stream(asked("x" * 2048)))
            took.append(time.perf_counter() - before)
        await enclave.close()
        return statistics.median(took)

    assert asyncio.run(work()) < 0.02
