"""Lines: an end without a word is a cut, and a cut is an error."""

from __future__ import annotations

import asyncio
import socket

import pytest
from enclavekit import shake

from holdfast.adapters.enclave.lines import SecureLine, read_message, write_message
from holdfast.adapters.enclave.wire import Kind
from holdfast.core.errors import ChannelBroken


async def pair() -> tuple[SecureLine, SecureLine]:
    """Both ends of a line over a real socket pair."""
    client, enclave, _ = shake()
    ours, theirs = socket.socketpair()
    return (
        SecureLine(client, *await asyncio.open_connection(sock=ours)),
        SecureLine(enclave, *await asyncio.open_connection(sock=theirs)),
    )


def test_messages_arrive_and_an_orderly_end_is_one() -> None:
    """Large ones too."""

    async def work() -> None:
        one, other = await pair()
        large = bytes(3_000_000)
        sending = asyncio.create_task(one.send(Kind.REQUEST, large))
        assert (Kind.REQUEST, large) == await other.receive()
        await sending
        assert one.usable and other.usable
        await one.close()
        assert (Kind.CLOSE, b"") == await other.receive()
        assert not one.usable
        other.cut()

    asyncio.run(work())


def test_a_cut_is_no_end() -> None:
    """The other end's keys are gone with it."""

    async def work() -> None:
        one, other = await pair()
        one.cut()
        with pytest.raises(ChannelBroken) as caught:
            await other.receive()
        assert "truncated" == caught.value.problem
        assert other.channel.closed
        other.cut()

    asyncio.run(work())


def test_a_message_of_no_known_kind_ends_the_channel() -> None:
    """And so does an empty one."""

    async def work() -> None:
        for data in (b"", b"\xee"):
            one, other = await pair()
            one._writer.write(one.channel.seal(data))
            with pytest.raises(ChannelBroken) as caught:
                await other.receive()
            assert "message" == caught.value.problem
            assert other.channel.closed
            one.cut()
            other.cut()

    asyncio.run(work())


def test_a_message_of_the_handshake_has_a_limit() -> None:
    """It is judged before it is read."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        other, sender = await asyncio.open_connection(sock=theirs)
        await write_message(sender, b"hello")
        assert b"hello" == await read_message(reader, 5)
        await write_message(sender, b"hello!")
        with pytest.raises(ChannelBroken) as caught:
            await read_message(reader, 5)
        assert "oversized" == caught.value.problem
        writer.close()
        sender.close()
        assert b"" == await other.read()

    asyncio.run(work())
