"""The enclave's end: its limits, and what ends a call."""

from __future__ import annotations

import asyncio
import socket

import pytest
from enclavekit import all_of, asked, attest, served, until

from holdfast.adapters.enclave.channel import HEADER
from holdfast.adapters.enclave.echo import EchoModel
from holdfast.adapters.enclave.serving import EnclaveServer, ServingLimits
from holdfast.adapters.enclave.wire import EnclaveFacts, Kind, write_request
from holdfast.core.errors import ChannelBroken, ProviderFailed, ProviderTimeout, TeeUnavailable
from holdfast.ports.attestation import Evidence
from holdfast.testing.script import fail, hang, say
from holdfast.testing.scripted import ScriptedModel

FACTS = EnclaveFacts(
    model="m", provider="p", context_tokens=1000, simulated=True, secret_memory="memory"
)


def server(model: ScriptedModel | EchoModel, **limits: float) -> EnclaveServer:
    """A server with these limits."""
    return EnclaveServer(model, attest, FACTS, limits=ServingLimits(**limits))  # type: ignore[arg-type] - numbers by name


def test_a_call_that_is_given_up_is_cancelled_inside() -> None:
    """And its place is free again."""

    async def work() -> None:
        model = ScriptedModel([hang(), say("next")])
        async with served(server(model, calls=1)) as client:
            await client.start()
            call = asyncio.create_task(all_of(client.model("one").stream(asked("x"))))
            await model.hanging.wait()
            call.cancel()
            await asyncio.wait({call})
            assert call.cancelled()
            await until(lambda: model.cancelled == 1)
            assert (
                "next" == (await all_of(client.model("one").stream(asked("y"))))[-1].parts[0].text
            )

    asyncio.run(work())


def test_more_calls_than_it_takes_may_be_tried_again() -> None:
    """They are refused at once, and the connection goes on."""

    async def work() -> None:
        model = ScriptedModel([hang()])
        async with served(server(model, calls=1)) as client:
            await client.start()
            call = asyncio.create_task(all_of(client.model("one").stream(asked("x"))))
            await model.hanging.wait()
            with pytest.raises(ProviderFailed) as caught:
                await all_of(client.model("two").stream(asked("x")))
            assert caught.value.retryable and not caught.value.billable
            call.cancel()
            await asyncio.wait({call})

    asyncio.run(work())


def test_more_connections_than_it_takes_are_refused() -> None:
    """Without a word."""

    async def work() -> None:
        async with served(server(EchoModel(), connections=1)) as client:
            opened = await client.open("one")
            with pytest.raises(TeeUnavailable):
                await client.open("two")
            await opened.line.close()

    asyncio.run(work())


def test_a_failure_inside_is_told_and_the_connection_goes_on() -> None:
    """With its kind, and nothing of what another exception says."""

    class Broken(EchoModel):
        """A model with a bug."""

        def stream(self, request: object) -> object:  # type: ignore[override] - it never streams
            """Fail."""
            raise ValueError("hunter2")

    async def work() -> None:
        model = ScriptedModel([fail("no"), say("yes")])
        async with served(server(model)) as client:
            await client.start()
            inside = client.model("one")
            with pytest.raises(ProviderFailed, match="no"):
                await all_of(inside.stream(asked("x")))
            assert 2 == len(await all_of(inside.stream(asked("x"))))
        async with served(server(Broken())) as client:
            await client.start()
            with pytest.raises(ProviderFailed) as caught:
                await all_of(client.model("one").stream(asked("x")))
            assert "hunter2" not in str(caught.value) and "ValueError" in str(caught.value)

    asyncio.run(work())


def test_a_call_has_its_time() -> None:
    """It is a provider's time-out then."""

    async def work() -> None:
        async with served(server(ScriptedModel([hang()]), call_s=0.05)) as client:
            await client.start()
            with pytest.raises(ProviderTimeout):
                await all_of(client.model("one").stream(asked("x")))

    asyncio.run(work())


def test_a_second_request_ends_the_first() -> None:
    """One call at a time; nothing may come while it runs."""

    async def work() -> None:
        model = ScriptedModel([hang()])
        async with served(server(model)) as client:
            line = (await client.open("one")).line
            await line.send(Kind.REQUEST, write_request(asked("x")))
            await model.hanging.wait()
            await line.send(Kind.REQUEST, write_request(asked("y")))
            assert (Kind.CLOSE, b"") == await line.receive()
            await until(lambda: model.cancelled == 1)
            line.cut()

    asyncio.run(work())


@pytest.mark.parametrize("kind", [Kind.FACTS, Kind.PONG, Kind.EVENT, Kind.FAILED, Kind.CLOSE])
def test_what_a_client_may_not_say_ends_the_connection(kind: Kind) -> None:
    """In order."""

    async def work() -> None:
        async with served(server(EchoModel())) as client:
            line = (await client.open("one")).line
            await line.send(kind, b"{}")
            assert (Kind.CLOSE, b"") == await line.receive()
            line.cut()

    asyncio.run(work())


def test_nonsense_from_strangers_ends_only_their_connection() -> None:
    """A thousand of them; then a client is served as ever."""

    async def work() -> None:
        serving = server(EchoModel(), handshake_s=5.0)
        for seed in range(1000):
            ours, theirs = socket.socketpair()
            task = asyncio.create_task(serving.serve(*await asyncio.open_connection(sock=theirs)))
            with ours:
                ours.send(seed.to_bytes(4, "big") + bytes((seed * 7 + n) % 256 for n in range(40)))
            await asyncio.wait_for(task, 10)
        async with served(serving) as client:
            await client.start()
            assert 2 == len(await all_of(client.model("one").stream(asked("x"))))

    asyncio.run(work())


def test_a_handshake_has_its_time() -> None:
    """Whoever says nothing is let go; so is an enclave without evidence."""

    async def never(binding: bytes) -> Evidence:
        raise TeeUnavailable("none")

    async def work() -> None:
        ours, theirs = socket.socketpair()
        with ours:
            streams = await asyncio.open_connection(sock=theirs)
            await asyncio.wait_for(server(EchoModel(), handshake_s=0.05).serve(*streams), 10)
        async with served(EnclaveServer(EchoModel(), never, FACTS)) as client:
            with pytest.raises(TeeUnavailable):
                await client.start()

    asyncio.run(work())


def test_an_altered_frame_ends_the_connection() -> None:
    """A request that was tampered with is never carried out."""

    async def work() -> None:
        model = ScriptedModel([say("no")])
        async with served(server(model)) as client:
            line = (await client.open("one")).line
            frame = bytearray(line.channel.seal(bytes((Kind.REQUEST,)) + write_request(asked("x"))))
            frame[HEADER.size + 3] ^= 1
            line._writer.write(frame)
            with pytest.raises(ChannelBroken):
                await line.receive()
            line.cut()
        assert [] == model.requests

    asyncio.run(work())
