"""Virtual time, and processes inside one thread that can be killed at any step.

The loop never waits: when nothing is ready it jumps to the next timer. A task
belongs to an `Owner` through its context; a killed owner's callbacks are parked
instead of run, so that not even a `finally` of the dead process happens, just
as after SIGKILL.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_MS = 1_800_000_000_000
"""Wall clock of every world's beginning, milliseconds since 1970."""

_OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)


ROUNDS_MAX = 300_000
"""Rounds of the loop in one world; many times what the longest one needs."""


class Stuck(BaseException):
    """The world waits for ever, or spins; nothing in it may catch this."""


class Owner:
    """A simulated process.

    Args:
        name: for the trace.
        killed: called once when the owner dies at the step `die_at`.
    """

    def __init__(self, name: str, killed: Callable[[], None] | None = None) -> None:
        self.name = name
        self.alive = True
        self.steps = 0
        self.die_at = 0
        self._killed = killed
        self._parked: list[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = []

    def run(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        """Run one step, or park it if the process is dead."""
        if self.alive:
            self.steps += 1
            if self.steps == self.die_at and self._killed is not None:
                self._killed()
        if self.alive:
            callback(*args)
        else:
            self._parked.append((callback, args, context))

    def exhume(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a dead process unwind, once the world is over and judged."""
        self.alive = True
        self.die_at = 0
        for callback, args, context in self._parked:
            loop.call_soon(callback, *args, context=context)
        self._parked.clear()


def owner_now() -> Owner | None:
    """The process that runs now, or None for the world outside."""
    return _OWNER.get()


class _NoWaiting(selectors.SelectSelector):
    """A selector that lets time jump instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return nothing, at once, `timeout` seconds later."""
        if timeout is None:
            raise Stuck("nothing is ready and no timer is set")
        self.rounds += 1
        if self.rounds > ROUNDS_MAX:
            raise Stuck(f"no end after {ROUNDS_MAX} rounds of the loop")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time, in seconds from 0."""

    def __init__(self) -> None:
        self._virtual = _NoWaiting()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self._virtual.now_s

    def count_anew(self) -> None:
        """Begin the count of rounds from 0."""
        self._virtual.rounds = 0

    def call_soon(  # type: ignore[override]  # the stubs tie args to callback
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a step of whoever owns the context."""
        owner = _OWNER.get() if context is None else context.get(_OWNER)
        if owner is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(owner.run, callback, args, context, context=context)

    def call_at(  # type: ignore[override]  # the stubs tie args to callback
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a timer of whoever owns the context."""
        owner = _OWNER.get() if context is None else context.get(_OWNER)
        if owner is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, owner.run, callback, args, context, context=context)

    def spawn(self, owner: Owner | None, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task inside a process, or in the world outside."""
        context = copy_context()
        context.run(_OWNER.set, owner)
        return self.create_task(work, context=context)


class SimClock:
    """The clock port on virtual time and seeded randomness.

    Attributes:
        jump_ms: how far the wall clock is off; the monotonic one never is.
    """

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self.jump_ms = 0
        self._loop = loop
        self._random = random

    def now_ms(self) -> int:
        """Wall clock in milliseconds since 1970."""
        return EPOCH_MS + int(self._loop.time() * 1000) + self.jump_ms

    def monotonic(self) -> float:
        """Virtual seconds since the beginning."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def random_bytes(self, count: int) -> bytes:
        """Seeded bytes."""
        return self._random.randbytes(count)
