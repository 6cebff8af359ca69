"""An export on its way: as fast as it is taken, and no longer than its token is valid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from holdfast.core.errors import TokenInvalid, Unavailable
from holdfast.core.principals import Principal
from holdfast.server.exports import CHUNK_BYTES, AuditStream
from holdfast.server.streams import Held, Streams
from serverkit import served
from sessionhelp import run

LINE = b"x" * 999 + b"\n"
WHO = Principal(id="user:ann", workspace="default", scopes=frozenset({"audit:read"}))
Message = MutableMapping[str, Any]


class Lines:
    """Many lines; counts those that were read, and knows whether it was closed."""

    def __init__(self, end: int = 5000) -> None:
        self.read = 0
        self.closed = False
        self._end = end

    async def all(self) -> AsyncGenerator[bytes]:
        """Give them."""
        try:
            while self.read < self._end:
                self.read += 1
                yield LINE
        finally:
            self.closed = True


async def sent(lines: Lines, streams: Streams, send: Callable[[Message], Awaitable[None]]) -> None:
    """Send an export."""
    response = AuditStream(lines.all(), LINE, Held(streams, "token", WHO, "audit:read"))

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    await response({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)


@pytest.mark.parametrize("how", ["revoked", "unknown", "stopped"])
def test_it_ends_in_its_middle_once_it_may_not_be_read(how: str) -> None:
    """Nothing more is given, whatever the server can say of the token; all is given back."""
    taken: list[bytes] = []
    valid = True

    async def validate(token: str) -> Principal:
        if not valid and how == "revoked":
            raise TokenInvalid
        if not valid and how == "unknown":
            raise OSError("the disk")
        return WHO

    async def work() -> None:
        nonlocal valid
        async with served() as made:
            streams = Streams(made.sessions, validate, 15.0)
            lines = Lines()

            async def send(message: Message) -> None:
                nonlocal valid
                taken.append(message.get("body", b""))
                if len(taken) == 3:
                    valid = False
                    if how == "stopped":
                        streams.stop()

            async with asyncio.timeout(10):
                await sent(lines, streams, send)
            size = sum(len(one) for one in taken)
            assert (0, True) == (len(streams), lines.closed)
            assert CHUNK_BYTES < size < 4 * CHUNK_BYTES

    run(work())


def test_it_is_read_as_fast_as_it_is_taken() -> None:
    """Who takes nothing has no more than a chunk read; who leaves ends the reading."""

    async def validate(token: str) -> Principal:
        return WHO

    async def work() -> None:
        async with served() as made:
            streams, lines = Streams(made.sessions, validate, 15.0), Lines()
            stuck = asyncio.Event()

            async def send(message: Message) -> None:
                if message.get("body"):
                    stuck.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(sent(lines, streams, send))
            await asyncio.wait_for(stuck.wait(), 10)
            for _ in range(20):
                await asyncio.sleep(0)
            assert (1, True) == (len(streams), lines.read <= CHUNK_BYTES // len(LINE) + 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (0, True) == (len(streams), lines.closed)

    run(work())


def test_it_counts_as_a_stream_of_its_reader() -> None:
    """Who has too many open, or comes when the server stops, is refused before anything."""

    async def validate(token: str) -> Principal:
        return WHO

    async def work() -> None:
        async with served() as made:
            streams = Streams(made.sessions, validate, 15.0)
            held = []
            with pytest.raises(Unavailable):
                while True:
                    held.append(Held(streams, "token", WHO, "audit:read"))
            assert len(held) == len(streams)
            for one in held:
                one.give()
            assert 0 == len(streams)
            streams.stop()
            with pytest.raises(Unavailable):
                Held(streams, "token", WHO, "audit:read")

    run(work())
