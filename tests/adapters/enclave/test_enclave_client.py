"""The client's end: channels of a session are its own, and are used again."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from pathlib import Path

import pytest
from enclavekit import POLICY, all_of, asked, attest, served

from holdfast.adapters.enclave.client import ANCHOR, IDLE_LINES_MAX, EnclaveClient, Stream
from holdfast.adapters.enclave.counting import FileCounter
from holdfast.adapters.enclave.echo import EchoModel
from holdfast.adapters.enclave.kept import KeptModel
from holdfast.adapters.enclave.roots import Sealing, open_files
from holdfast.adapters.enclave.serving import EnclaveServer
from holdfast.adapters.enclave.wire import EnclaveFacts
from holdfast.core.errors import (
    AttestationFailed,
    InvalidInput,
    ProviderFailed,
    SealRefused,
    StoreReadOnly,
    TeeUnavailable,
)
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


# --- a key that the enclave keeps ----------------------------------------------------------


def keeps(folder: Path) -> EnclaveServer:
    """An enclave that keeps its key below a folder."""
    places = Sealing(directory=folder / "sealed", counter=folder / "counts", root=folder / "root")
    files = open_files(places, "ab" * 32)
    model = KeptModel(files, "provider", lambda key: EchoModel(), EchoModel())
    return EnclaveServer(model, attest, FACTS, kept=model)


def copied(folder: Path) -> Path:
    """All of an enclave's disk as it is now, elsewhere."""
    return shutil.copytree(folder, folder.with_name(f"copy-{uuid.uuid4().hex}"))


async def code_of(client: EnclaveClient) -> str:
    """Why an enclave is refused."""
    with pytest.raises(AttestationFailed) as caught:
        await client.start()
    return caught.value.code


async def answers(client: EnclaveClient) -> bool:
    """Whether a call goes through."""
    await client.start()
    return bool(await all_of(client.model("one").stream(asked("hello"))))


def test_a_key_is_handed_over_once(tmp_path: Path) -> None:
    """A restart of the enclave does not need it again; another run of the client finds it."""

    async def work() -> None:
        anchor, disk = FileCounter(tmp_path / "anchor"), tmp_path / "disk"
        async with served(keeps(disk), anchor=anchor) as client:
            assert "anchor" == await code_of(client)
            count = await client.hand_over("one")
            assert count == anchor.read(ANCHOR) and 1 == count.version
            assert await answers(client)
        async with served(keeps(disk), anchor=FileCounter(tmp_path / "anchor")) as client:
            assert await answers(client)
            assert 2 == (await client.hand_over("two")).version
            assert await answers(client)

    asyncio.run(work())


def test_a_disk_that_was_put_back_is_found(tmp_path: Path) -> None:
    """All of it, its own counter and root too: this side knows where the key stands."""

    async def work() -> None:
        anchor, disk = FileCounter(tmp_path / "anchor"), tmp_path / "disk"
        empty = tmp_path / "empty"
        async with served(keeps(disk), anchor=anchor) as client:
            await client.hand_over("one")
            older = copied(disk)
            await client.hand_over("two")
        for put_back in (older, empty):
            async with served(keeps(put_back), anchor=anchor) as client:
                assert "rollback" == await code_of(client)
                assert 2 < (await client.hand_over("three")).version
                assert await answers(client)
        async with served(keeps(disk), anchor=anchor) as client:
            assert "rollback" == await code_of(client)

    asyncio.run(work())


def test_somebody_elses_key_is_found(tmp_path: Path) -> None:
    """Whether it came on top, or after the disk was put back, in the same version."""

    async def work() -> None:
        anchor, other = FileCounter(tmp_path / "anchor"), FileCounter(tmp_path / "other")
        disk = tmp_path / "disk"
        async with served(keeps(disk), anchor=anchor) as client:
            await client.hand_over("one")
            older = copied(disk)
            await client.hand_over("two")
        async with served(keeps(older), anchor=other) as stranger:
            assert 2 == (await stranger.hand_over("stranger's")).version
        async with served(keeps(older), anchor=anchor) as client:
            assert "replaced" == await code_of(client)
        async with served(keeps(disk), anchor=other) as stranger:
            await stranger.hand_over("stranger's")
        async with served(keeps(disk), anchor=anchor) as client:
            assert "replaced" == await code_of(client)

    asyncio.run(work())


def test_an_open_channel_does_not_outlive_its_key(tmp_path: Path) -> None:
    """A key that comes in between is not used by it, and the next channel is refused."""

    async def work() -> None:
        anchor, server = FileCounter(tmp_path / "anchor"), keeps(tmp_path / "disk")
        async with served(server, anchor=anchor) as client:
            await client.hand_over("one")
            assert await answers(client)
            async with served(server, anchor=FileCounter(tmp_path / "other")) as stranger:
                await stranger.hand_over("stranger's")
            for session, why in (("one", "another key"), ("two", "attestation_failed")):
                with pytest.raises(ProviderFailed, match=why) as caught:
                    await all_of(client.model(session).stream(asked("hello")))
                assert not caught.value.billable
            assert 3 == (await client.hand_over("mine again")).version
            assert await all_of(client.model("one").stream(asked("hello")))

    asyncio.run(work())


def test_what_is_remembered_on_one_side_only_is_refused(tmp_path: Path) -> None:
    """No anchor, an anchor of an enclave that keeps nothing, a damaged one."""

    async def work() -> None:
        anchor = FileCounter(tmp_path / "anchor")
        server = keeps(tmp_path / "disk")
        async with served(server) as client:
            assert "anchor" == await code_of(client)
            with pytest.raises(InvalidInput):
                await client.hand_over("one")
        async with served(server, anchor=anchor) as client:
            await client.hand_over("one")
        async with served(SERVER, anchor=anchor) as client:
            assert "anchor" == await code_of(client)
            with pytest.raises(InvalidInput):
                await client.hand_over("one")
        (tmp_path / "anchor").write_bytes(b"damaged")
        async with served(server, anchor=anchor) as client:
            with pytest.raises(SealRefused):
                await client.start()

    asyncio.run(work())


def test_a_handing_over_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    """Until then the enclave is refused: it holds a key that this side never saw kept."""

    async def work() -> None:
        anchor, disk = FileCounter(tmp_path / "anchor"), tmp_path / "disk"

        def cut(name: str) -> None:
            raise OSError(name)

        async with served(keeps(disk), anchor=anchor) as client:
            await client.hand_over("one")
        broken = FileCounter(tmp_path / "anchor", fail_point=cut)
        async with served(keeps(disk), anchor=broken) as client:
            with pytest.raises(StoreReadOnly):
                await client.hand_over("two")
        async with served(keeps(disk), anchor=anchor) as client:
            assert "replaced" == await code_of(client)
            await client.hand_over("two")
            assert await answers(client)

    asyncio.run(work())


def test_a_key_that_is_refused_inside_changes_nothing(tmp_path: Path) -> None:
    """The other end is told why, without the key."""

    async def work() -> None:
        anchor = FileCounter(tmp_path / "anchor")
        async with served(keeps(tmp_path / "disk"), anchor=anchor) as client:
            await client.hand_over("one")
            for key in ("", "secret" * 20_000):
                with pytest.raises(ProviderFailed) as caught:
                    await client.hand_over(key)
                assert "secret" not in caught.value.message
            assert await answers(client)

    asyncio.run(work())
