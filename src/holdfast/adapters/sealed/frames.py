"""What the two processes of a sealed session say to each other.

A frame is a header (number of the request, what it is, length of the meta part, length
of the body), the meta part as JSON, and the body as it is. Both parts are read into
buffers of their exact size, so that they can be overwritten: nothing of a body passes
through an object that cannot be.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from holdfast.core.errors import TooLarge

HEADER = struct.Struct(">QBIQ")
META_BYTES_MAX = 1024 * 1024
BODY_BYTES_MAX = 256 * 1024 * 1024


class What(IntEnum):
    """What a frame is."""

    REQUEST = 1
    ANSWER = 2
    REFUSAL = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Args:
        number: the request's, also in its answer.
        body: a buffer, the reader's to overwrite; not in the `repr`.
    """

    number: int
    what: What
    meta: Mapping[str, object]
    body: bytearray = field(repr=False)


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer with zeros."""
    buffer[:] = bytes(len(buffer))


class FrameLine:
    """A socket that speaks in frames; several may send at once, one reads.

    Args:
        line: a connected stream socket; it is made non-blocking.
    """

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._turn = asyncio.Lock()

    async def send(
        self, number: int, what: What, meta: Mapping[str, object], body: bytearray | None = None
    ) -> None:
        """Send a frame; the body is left as it is.

        Raises:
            TooLarge: it is over the limit; nothing was sent.
            OSError: the line is cut.
        """
        told = bytearray(json.dumps(dict(meta)).encode())
        size = 0 if body is None else len(body)
        if len(told) > META_BYTES_MAX or size > BODY_BYTES_MAX:
            raise TooLarge("that is more than a sealed session's process takes at once")
        loop = asyncio.get_running_loop()
        async with self._turn:
            try:
                header = HEADER.pack(number, what, len(told), size)
                await loop.sock_sendall(self._line, header + told)
                if body:
                    with memoryview(body) as view:
                        await loop.sock_sendall(self._line, view)
            finally:
                wipe(told)

    async def receive(self) -> Frame:
        """Await the next frame.

        Raises:
            EOFError, OSError: the line is cut.
            ValueError: what came is no frame.
        """
        head = await self._exactly(HEADER.size)
        number, what, meta_size, body_size = HEADER.unpack(head)
        if meta_size > META_BYTES_MAX or body_size > BODY_BYTES_MAX:
            raise ValueError("a frame is over its limit")
        told = await self._exactly(meta_size)
        try:
            meta = json.loads(told)
        finally:
            wipe(told)
        if not isinstance(meta, dict):
            raise ValueError("a frame's meta part is an object")
        return Frame(number, What(what), meta, await self._exactly(body_size))

    async def _exactly(self, size: int) -> bytearray:
        buffer, at = bytearray(size), 0
        loop = asyncio.get_running_loop()
        with memoryview(buffer) as view:
            while at < size:
                got = await loop.sock_recv_into(self._line, view[at:])
                if not got:
                    raise EOFError
                at += got
        return buffer

    def close(self) -> None:
        """Cut the line."""
        self._line.close()
