"""Frames between the two processes of a sealed session."""

from __future__ import annotations

import asyncio
import socket

import pytest

from holdfast.adapters.sealed import frames
from holdfast.adapters.sealed.frames import HEADER, Frame, FrameLine, What
from holdfast.core.errors import TooLarge
from sessionhelp import run


def test_frames_come_whole_and_in_order_whoever_sends() -> None:
    """Large and small bodies of many senders at once; what was sent is left as it is."""

    async def work() -> None:
        ours, theirs = map(FrameLine, socket.socketpair())
        bodies = [bytearray(b"%d" % n * (100_000 if n % 3 else 1)) for n in range(20)]

        async def send(number: int) -> None:
            await ours.send(number, What.REQUEST, {"n": number}, bodies[number])

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(send(number))
            got = [await theirs.receive() for _ in range(20)]
        assert list(range(20)) == sorted(frame.number for frame in got)
        for frame in got:
            assert (What.REQUEST, {"n": frame.number}) == (frame.what, frame.meta)
            assert bodies[frame.number] == frame.body
        ours.close()
        with pytest.raises(EOFError):
            await theirs.receive()
        theirs.close()

    run(work())


def test_a_body_is_not_shown() -> None:
    """A frame that is printed tells nothing."""
    assert "kanarie" not in repr(Frame(1, What.ANSWER, {}, bytearray(b"kanarie")))


def test_what_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line stays usable."""
    monkeypatch.setattr(frames, "BODY_BYTES_MAX", 10)

    async def work() -> None:
        ours, theirs = map(FrameLine, socket.socketpair())
        with pytest.raises(TooLarge):
            await ours.send(1, What.REQUEST, {}, bytearray(11))
        await ours.send(2, What.REQUEST, {}, bytearray(10))
        assert 2 == (await theirs.receive()).number
        ours.close()
        theirs.close()

    run(work())


@pytest.mark.parametrize(
    "sent",
    [
        HEADER.pack(1, 9, 2, 0) + b"{}",
        HEADER.pack(1, 1, 2**32 - 1, 0),
        HEADER.pack(1, 1, 0, 2**63),
        HEADER.pack(1, 1, 2, 0) + b"[]",
        HEADER.pack(1, 1, 2, 0) + b"{x",
    ],
)
def test_what_is_no_frame_is_an_error(sent: bytes) -> None:
    """An unknown kind, sizes over the limits, a meta part that is no object."""

    async def work() -> None:
        ours, theirs = socket.socketpair()
        line = FrameLine(theirs)
        ours.sendall(sent)
        ours.close()
        with pytest.raises(ValueError):
            await line.receive()
        line.close()

    run(work())


def test_a_frame_that_is_cut_off_is_the_end() -> None:
    """At every byte of it."""
    whole = HEADER.pack(1, 1, 2, 3) + b"{}abc"

    async def work() -> None:
        for size in range(len(whole)):
            ours, theirs = socket.socketpair()
            line = FrameLine(theirs)
            ours.sendall(whole[:size])
            ours.close()
            with pytest.raises(EOFError):
                await line.receive()
            line.close()

    run(work())
