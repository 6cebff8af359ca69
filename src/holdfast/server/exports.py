"""An export of the audit log on its way to whoever asked: a page of it at a time.

It is read only as fast as it is taken. Once the token it is read by is not valid any
more, or the server is about to stop, it ends in its middle: without its signed end it
verifies nowhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from holdfast.core.errors import HoldfastError
from holdfast.server.streams import Held

NDJSON = "application/x-ndjson"
CHUNK_BYTES = 64 * 1024


class AuditStream(StreamingResponse):
    """The answer; see the module.

    Args:
        lines: what is still to be read.
        first: the first line, so that what can be refused was.
    """

    media_type = NDJSON

    def __init__(self, lines: AsyncGenerator[bytes], first: bytes, held: Held) -> None:
        super().__init__(self._chunks(first), headers={"X-Accel-Buffering": "no"})
        self._lines = lines
        self._held = held

    async def _chunks(self, first: bytes) -> AsyncIterator[bytes]:
        chunk = bytearray(first)
        async for line in self._lines:
            chunk += line
            if len(chunk) >= CHUNK_BYTES:
                if await self._refused():
                    return
                yield bytes(chunk)
                chunk.clear()
        if chunk and not await self._refused():
            yield bytes(chunk)

    async def _refused(self) -> bool:
        """Whether nothing more may be read."""
        try:
            await self._held.ask()
        except HoldfastError:
            return True
        return self._held.stopped()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; who leaves ends the reading of the log."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._held.give()
            await self._lines.aclose()
