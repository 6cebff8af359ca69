"""Requests that are under way, and streams, stand aside while the token is replaced.

A token that was refreshed is retired at once, and a server takes its use for theft. So
nobody may show the old one any more once the new one is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Leave = Callable[[], Awaitable[None]]


class Gate:
    """Lets any number of requests through, or one that is alone."""

    def __init__(self) -> None:
        self._requests = 0
        self._lock = asyncio.Lock()
        self._free = asyncio.Event()
        self._free.set()
        self._idle = asyncio.Event()
        self._streams: set[Leave] = set()

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Send requests; waits while somebody is alone."""
        while not self._free.is_set():
            await self._free.wait()
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1
            self._idle.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one: streams are left, requests have ended, no new ones begin."""
        async with self._lock:
            self._free.clear()
            try:
                while self._requests:
                    self._idle.clear()
                    await self._idle.wait()
                for leave in tuple(self._streams):
                    await leave()
                yield
            finally:
                self._free.set()

    def enter(self, leave: Leave) -> None:
        """Note an open stream; `leave` closes its connection."""
        self._streams.add(leave)

    def left(self, leave: Leave) -> None:
        """Forget a stream that is closed."""
        self._streams.discard(leave)
