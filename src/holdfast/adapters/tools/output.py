"""Collecting what a process prints: bounded in memory, never in clear on a disk."""

from __future__ import annotations

import asyncio
import codecs
import os
import secrets
import tempfile
from collections.abc import Callable
from typing import BinaryIO

MEMORY_BYTES_MAX = 1024 * 1024
TOTAL_BYTES_MAX = 50 * 1024 * 1024
_READ_BYTES = 64 * 1024


class Spool:
    """Bytes kept in memory up to a limit, then in a nameless encrypted file."""

    def __init__(self, memory_max: int = MEMORY_BYTES_MAX) -> None:
        self._memory_max = memory_max
        self._held = bytearray()
        self._file: BinaryIO | None = None
        self._key = secrets.token_bytes(32)
        self._nonce = secrets.token_bytes(16)
        self._encrypt: Callable[[bytes], bytes] = bytes
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self.size += len(data)
        self._held += data
        if len(self._held) > self._memory_max:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
                self._encrypt = self._cipher()
            self._file.write(self._encrypt(bytes(self._held)))
            self._held.clear()

    def read(self) -> bytes:
        """Return everything written; afterwards nothing more may be."""
        if self._file is None:
            return bytes(self._held)
        self._file.seek(0)
        return self._cipher()(self._file.read()) + bytes(self._held)

    def close(self) -> None:
        """Forget everything."""
        self._held.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _cipher(self) -> Callable[[bytes], bytes]:
        # lazy: most commands print little, and only a large output needs it
        from cryptography.hazmat.primitives.ciphers import (
            Cipher,
            algorithms,
            modes,
        )

        # The counter mode's key stream is its own inverse; the key is used for this file only.
        return Cipher(algorithms.AES(self._key), modes.CTR(self._nonce)).encryptor().update


class Pump:
    """Reads a pipe on the event loop into a spool and passes it on as text.

    Args:
        fd: the pipe's reading end; the pump closes it.
        emit: takes the text as it comes, whole characters only.
        total_max: bytes after which nothing more is taken and `overflowed` is set.
    """

    def __init__(
        self, fd: int, emit: Callable[[str], None], total_max: int = TOTAL_BYTES_MAX
    ) -> None:
        self._fd = fd
        self._emit = emit
        self._total_max = total_max
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        self.spool = Spool()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self.overflowed = asyncio.Event()
        os.set_blocking(fd, False)
        self._loop.add_reader(fd, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
            if data:
                self._take(data)
            else:
                self._end()
        except BlockingIOError:
            return
        except Exception as error:
            # The boundary to the loop: whoever waits for the end is told.
            self._loop.remove_reader(self._fd)
            if not self.ended.done():
                self.ended.set_exception(error)

    def _take(self, data: bytes) -> None:
        room = self._total_max - self.spool.size
        if room < len(data):
            self.overflowed.set()
        data = data[: max(0, room)]
        self.spool.write(data)
        self._say(data)

    def _say(self, data: bytes, *, final: bool = False) -> None:
        text = self._decoder.decode(data, final)
        if text:
            self._emit(text)

    def _end(self) -> None:
        self._loop.remove_reader(self._fd)
        if not self.ended.done():
            self.ended.set_result(None)
            self._say(b"", final=True)

    async def drained(self, seconds: float) -> None:
        """Wait for the end of the pipe, at most so long, then stop reading; once is enough.

        Raises:
            Exception: what `emit` or the spool raised.
        """
        await asyncio.wait({self.ended}, timeout=seconds)
        if self._fd >= 0:
            self._end()
            os.close(self._fd)
            self._fd = -1
        self.ended.result()
