"""HTTP/1.1 for strangers: the head of a request has a bound in size and in time.

The parser has none of its own, and a head is read before anybody has shown a token.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
HEAD_S = 20.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """See the module."""

    _bytes = 0
    _in_head = True
    _ended = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client is there; it has to ask soon."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that does not end is refused."""
        if self._in_head and self._timer is None:
            self._begin()
        self._ended = False
        super().data_received(data)
        if self._in_head:
            # What ended a body is no part of a head, whatever stands behind it.
            self._bytes = 0 if self._ended else self._bytes + len(data)
            if self._bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.transport.write(TOO_LARGE)
                self.transport.close()

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head, self._bytes = False, 0
        self._stop()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended; another head may follow."""
        self._in_head = self._ended = True
        super().on_message_complete()

    def _begin(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEAD_S, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
