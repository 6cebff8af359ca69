"""The clock and entropy port: the only source of time and randomness.

The engine touches no other clock, sleep or random source, so that a seeded
simulation is reproducible (contract 2.24).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Protocol


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
        return secrets.token_bytes(count)
