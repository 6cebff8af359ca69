"""What the simulated enclave costs: its start, a channel, a call of 2 KB there and back."""

from __future__ import annotations

import asyncio
import time

from common import median, pick, report

from holdfast.adapters.enclave.simulated import SimulatedEnclave
from holdfast.adapters.enclave.worker import EnclaveProgram
from holdfast.core.messages import user
from holdfast.ports.clock import SystemClock
from holdfast.ports.model import ModelReply, ModelRequest

ROUND_TRIP_MS_MAX = 2.0
TEXT = "x" * 2048


async def measure() -> None:
    """Take the figures and print their lines."""
    starts: list[float] = []
    for _ in range(pick(5, 2)):
        enclave = SimulatedEnclave(EnclaveProgram(), SystemClock())
        before = time.perf_counter()
        await enclave.start()
        starts.append(time.perf_counter() - before)
        await enclave.close()
    report("enclave: start of the simulated one, p50", median(starts) * 1000, "ms")
    enclave = SimulatedEnclave(EnclaveProgram(), SystemClock())
    await enclave.start()
    try:
        await _channels(enclave)
        await _calls(enclave)
    finally:
        await enclave.close()


async def _channels(enclave: SimulatedEnclave) -> None:
    took: list[float] = []
    for number in range(pick(300, 50)):
        before = time.perf_counter()
        opened = await enclave.client.open(f"s{number}")
        took.append(time.perf_counter() - before)
        await opened.line.close()
    report("enclave: attested channel, p50", median(took) * 1000, "ms")


async def _calls(enclave: SimulatedEnclave) -> None:
    model, took = enclave.model("one"), list[float]()
    request = ModelRequest(system="", messages=(user(TEXT),))
    for _ in range(pick(3000, 300)):
        before = time.perf_counter()
        async for event in model.stream(request):
            if isinstance(event, ModelReply):
                assert event.parts[0].text == TEXT
        took.append(time.perf_counter() - before)
    value = median(took) * 1000
    report(
        "enclave: call of 2 KB there and back, p50",
        value,
        "ms",
        bar=f"<= {ROUND_TRIP_MS_MAX} ms",
        ok=value <= ROUND_TRIP_MS_MAX,
    )


def main() -> None:
    """Measure and print."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
