"""The client's end: channels of a session are its own, and are used again."""

from __future__ import annotations

import asyncio
import os

import pytest
from enclavekit import POLICY, all_of, asked, attest, served

from holdfast.adapters.enclave.client import IDLE_LINES_MAX, EnclaveClient, Stream
from holdfast.adapters.enclave.echo import EchoModel
from holdfast.adapters.enclave.serving import EnclaveServer
from holdfast.adapters.enclave.wire import EnclaveFacts
from holdfast.core.errors import AttestationFailed, InvalidInput, ProviderFailed, TeeUnavailable
from holdfast.core.security import Zone
from holdfast.ports.attestation import AttestationPolicy
from holdfast.ports.clock import SystemClock
from holdfast.ports.enclave import Enclave
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest, ZonedClient

FACTS = EnclaveFacts(
    model="echo", provider="holdfast", context_tokens=1000, simulated=True, secret_memory="memory"
)
SERVER = EnclaveServer(EchoModel(), attest, FACTS)


def test_a_call_goes_through_and_says_that_it_was_simulated() -> None:
    """By the port's names."""

    async def work() -> None:
        async with served(SERVER) as client:
            assert isinstance(client, Enclave)
            assert not (await client.start()).hardware
            model = client.model("one")
            assert isinstance(model, ModelClient) and isinstance(model, ZonedClient)
            assert Zone.TEE is model.zone
            assert ("echo", "simulated enclave: holdfast", 1000) == (
                model.model,
                model.provider,
                model.context_tokens,
            )
            _, reply = await all_of(model.stream(asked("hello")))
            assert isinstance(reply, ModelReply)
            assert ("hello", "simulated enclave: holdfast") == (
                reply.parts[0].text,
                reply.provider,
            )
            await model.aclose()

    asyncio.run(work())


def test_a_channel_is_used_again_by_its_session_only() -> None:
    """Two sessions have two, and no key in common."""

    async def work() -> None:
        async with served(SERVER) as client:
            await client.start()
            one = await client.take("one")
            client.give_back("one", one)
            two = await client.take("two")
            assert two is not one
            assert bytes(one.channel._keys) != bytes(two.channel._keys)
            assert one is await client.take("one")
            client.give_back("one", one)
            client.give_back("two", two)

    asyncio.run(work())


def test_idle_channels_are_bounded_and_gone_at_the_end() -> None:
    """The oldest go first; the keys of all read back as zero."""

    async def work() -> None:
        server = EnclaveServer(EchoModel(), attest, FACTS)
        async with served(server) as client:
            await client.start()
            lines = []
            for number in range(IDLE_LINES_MAX + 3):
                line = await client.take(f"s{number}")
                client.give_back(f"s{number}", line)
                lines.append(line)
            assert [True] * 3 == [line.channel.closed for line in lines[:3]]
            assert not lines[3].channel.closed
            used = await client.take("s5")
            model = client.model("one")
            await client.close()
            assert not any(byte for line in (*lines, used) for byte in line.channel._keys)
            with pytest.raises(ProviderFailed):
                await all_of(model.stream(asked("x")))
            assert "echo" == model.model

    asyncio.run(work())


def test_hardware_can_be_demanded() -> None:
    """Then software does not do."""

    async def work() -> None:
        async with served(SERVER, AttestationPolicy(measurements=POLICY.measurements)) as client:
            with pytest.raises(AttestationFailed):
                await client.start()
            with pytest.raises(TeeUnavailable):
                client.model("one")
            with pytest.raises(TeeUnavailable):
                await client.take("one")

    asyncio.run(work())


def test_what_answers_nonsense_is_no_enclave() -> None:
    """Nor what is not there."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def work() -> None:
        listening = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]

        async def connect() -> Stream:
            return await asyncio.open_connection("127.0.0.1", port)

        async def nowhere() -> Stream:
            return await asyncio.open_unix_connection(f"/nonexistent/{os.getpid()}")

        for one in (connect, nowhere):
            with pytest.raises(TeeUnavailable):
                await EnclaveClient(one, [], POLICY, SystemClock()).start()
        listening.close()
        await listening.wait_closed()

    asyncio.run(work())


def test_what_cannot_be_written_is_refused_before_anything_is_sent() -> None:
    """As the caller's mistake."""

    async def work() -> None:
        async with served(SERVER) as client:
            await client.start()
            request = ModelRequest(system="\udc80", messages=())
            with pytest.raises(InvalidInput):
                await all_of(client.model("one").stream(request))

    asyncio.run(work())
