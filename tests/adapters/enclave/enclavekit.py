"""What tests of the enclave share: a clock, keys, both ends of a handshake, one process."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.enclave.channel import Channel
from holdfast.adapters.enclave.client import EnclaveClient, Stream
from holdfast.adapters.enclave.handshake import ClientHandshake, EnclaveHandshake
from holdfast.adapters.enclave.serving import EnclaveServer
from holdfast.adapters.enclave.software import SoftwareVerifier, make_evidence
from holdfast.core.messages import user
from holdfast.ports.attestation import AttestationPolicy, Attested, Evidence
from holdfast.ports.clock import SystemClock
from holdfast.ports.counting import MonotonicCounter
from holdfast.ports.model import ModelEvent, ModelRequest

SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
MEASUREMENT = "ab" * 32
POLICY = AttestationPolicy(measurements=frozenset({MEASUREMENT}), hardware=False)
NOW = 1_800_000_000_000


def evidence(binding: bytes, now_ms: int = NOW) -> Evidence:
    """Software evidence of the test's key."""
    return make_evidence(SEED, measurement=MEASUREMENT, binding=binding, now_ms=now_ms)


def shake(session: bytes = b"one") -> tuple[Channel, Channel, Attested]:
    """Both ends of a new channel: the client's, the enclave's, and what was shown."""
    client = ClientHandshake(
        session, [SoftwareVerifier([PUBLIC])], POLICY, SystemClock().random_bytes
    )
    enclave = EnclaveHandshake()
    offer = enclave.offer(evidence(enclave.hear(client.hello())))
    wrapped, secured = client.finish(offer, now_ms=NOW)
    return secured.channel, enclave.finish(wrapped), secured.attested


def asked(text: str) -> ModelRequest:
    """A request that says something."""
    return ModelRequest(system="", messages=(user(text),))


async def all_of(events: AsyncIterator[ModelEvent]) -> list[ModelEvent]:
    """Every event of a call."""
    return [event async for event in events]


async def attest(binding: bytes) -> Evidence:
    """Software evidence of now."""
    return evidence(binding, time.time_ns() // 1_000_000)


@asynccontextmanager
async def served(
    server: EnclaveServer,
    policy: AttestationPolicy = POLICY,
    anchor: MonotonicCounter | None = None,
) -> AsyncIterator[EnclaveClient]:
    """A client whose streams a server in this process serves, over real sockets."""
    tasks: list[asyncio.Task[None]] = []

    async def connect() -> Stream:
        ours, theirs = socket.socketpair()
        tasks.append(asyncio.create_task(server.serve(*await asyncio.open_connection(sock=theirs))))
        return await asyncio.open_connection(sock=ours)

    client = EnclaveClient(
        connect, [SoftwareVerifier([PUBLIC])], policy, SystemClock(), anchor=anchor
    )
    try:
        yield client
    finally:
        await client.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)
