"""A channel over a stream of bytes.

Messages of the handshake are a length (four bytes, big-endian) and their bytes; after
it everything is frames of the channel. A stream that ends without `CLOSE` was cut.
"""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress

from holdfast.adapters.enclave.channel import HEADER, Channel
from holdfast.adapters.enclave.wire import Kind
from holdfast.core.errors import ChannelBroken
from holdfast.ports.counting import Count

_SIZE = struct.Struct(">I")
BUFFER_BYTES = 256 * 1024


async def read_message(reader: asyncio.StreamReader, bytes_max: int) -> bytes:
    """Read a message of the handshake.

    Raises:
        ChannelBroken: the stream ends, or the message is longer than it may be.
    """
    (size,) = _SIZE.unpack(await _exactly(reader, _SIZE.size))
    if not 0 < size <= bytes_max:
        raise ChannelBroken("a message of the handshake is too long", problem="oversized")
    return await _exactly(reader, size)


async def write_message(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write a message of the handshake."""
    writer.write(_SIZE.pack(len(data)) + data)
    await writer.drain()


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, OSError):
        raise ChannelBroken("the stream was cut", problem="truncated") from None


class SecureLine:
    """One end of an established channel and its stream.

    Attributes:
        kept: where the key of its enclave stood as it was made, at the client's end.
    """

    def __init__(
        self, channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.channel = channel
        self.kept: Count | None = None
        self._reader = reader
        self._writer = writer

    @property
    def usable(self) -> bool:
        """Whether it has neither ended nor used up its keys."""
        return not (self.channel.closed or self.channel.spent or self._reader.at_eof())

    async def send(self, kind: Kind, data: bytes = b"") -> None:
        """Send a message.

        Raises:
            ChannelBroken: the channel has ended, or the message is too long.
        """
        frame = self.channel.seal(bytes((kind,)) + data)
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError:
            self.channel.close()
            raise ChannelBroken("the stream was cut", problem="truncated") from None

    async def receive(self) -> tuple[Kind, bytes]:
        """Await the next message.

        Raises:
            ChannelBroken: the stream was cut, or what came is not the next frame.
        """
        try:
            header = await _exactly(self._reader, HEADER.size)
            body = await _exactly(self._reader, self.channel.length(header))
        except ChannelBroken:
            self.channel.close()
            raise
        data = self.channel.open(header + body)
        try:
            return Kind(data[0]), data[1:]
        except (ValueError, IndexError):
            self.channel.close()
            raise ChannelBroken("a message of no known kind", problem="message") from None

    async def close(self) -> None:
        """End it in order, if it still stands; the keys are overwritten."""
        try:
            if not self.channel.closed:
                with suppress(ChannelBroken):
                    self._writer.write(self.channel.seal(bytes((Kind.CLOSE,))))
        finally:
            self.channel.close()
            self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def cut(self) -> None:
        """End it at once; the keys are overwritten."""
        self.channel.close()
        self._writer.close()
