"""The clock and entropy port: the only source of time and randomness.

The engine touches no other clock, sleep or random source, so that a seeded
simulation is reproducible (contract 2.24).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from typing import Protocol

_SMALL_BYTES = 16
_STOCK_BYTES = 4096


class _Stock:
    """Random bytes drawn ahead, each given out once.

    A system call for each nonce costs more than the encryption: it lets go of
    the interpreter's lock, which a busy writer thread then takes. What is longer
    than an id or a nonce, as keys are, never comes from here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        with self._lock:
            start = self._used
            if start + count > len(self._bytes):
                self._bytes, start = secrets.token_bytes(_STOCK_BYTES), 0
            self._used = start + count
            return self._bytes[start : start + count]

    def forget(self) -> None:
        """Begin anew in a forked child, or it would repeat its parent's bytes."""
        self.__init__()  # type: ignore[misc]  # the parent's lock may be held for ever


_stock = _Stock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stock.forget)


class Clock(Protocol):
    """Time and randomness."""

    def now_ms(self) -> int:
        """Wall clock in milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """A clock that never goes back, in seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""
        ...


class SystemClock:
    """The machine's own clock and entropy."""

    def now_ms(self) -> int:
        """Wall clock in milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """A clock that never goes back, in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def random_bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""
        return _stock.take(count) if count <= _SMALL_BYTES else secrets.token_bytes(count)
