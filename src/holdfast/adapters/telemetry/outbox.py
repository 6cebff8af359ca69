"""The thread in which spans end: what an exporter does there holds up nobody.

- What is put in is called in the same order, one after the other, in one thread.
- No more than `CALLS_MAX` wait. What comes on top is dropped and counted, and the log
  says so once: an exporter that is too slow costs spans, never memory or time.
- The thread begins when it is needed and ends when it is idle, so that nothing has to be
  closed. It keeps no process alive: who needs all to be handed over waits for `flush`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from holdfast.ports.quiet import Quiet

_log = logging.getLogger("holdfast")

CALLS_MAX = 2048
IDLE_S = 5.0


class Outbox:
    """Calls what it is given in a thread of its own; see the module.

    Args:
        calls_max: how many calls may wait.
        idle_s: how long the thread waits for another one, in seconds.
    """

    def __init__(self, *, calls_max: int = CALLS_MAX, idle_s: float = IDLE_S) -> None:
        self._calls_max = calls_max
        self._idle_s = idle_s
        self._calls: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._dropped = 0
        self._quiet = Quiet()

    @property
    def lost(self) -> int:
        """How many calls were dropped, and how many failed."""
        return self._dropped + self._quiet.count

    def put(self, call: Callable[[], None]) -> None:
        """Have something be called soon, unless too much waits."""
        if not self._taken(call, self._calls_max):
            self._dropped += 1
            if self._dropped == 1:
                _log.warning("telemetry is slower than what it is told of: spans are dropped")

    async def flush(self) -> None:
        """Wait until what was put in so far has been called."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def reached() -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        with self._changed:
            idle = self._thread is None and not self._calls
        if not idle and self._taken(reached, None):
            await done.wait()

    def _taken(self, call: Callable[[], None], calls_max: int | None) -> bool:
        """Queue a call, and have a thread for it; whether there is room and a thread."""
        with self._changed:
            if calls_max is not None and len(self._calls) >= calls_max:
                return False
            self._calls.append(call)
            self._changed.notify_all()
            if self._thread is not None and self._thread.is_alive():  # in a forked child it is not
                return True
            thread = threading.Thread(target=self._work, name="holdfast-telemetry", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there is none to be had, or the interpreter ends
                self._calls.pop()
                return False
            self._thread = thread
            return True

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            except BaseException as error:  # it would end the thread, and nothing else
                self._quiet.failed("end", error)
            del call  # or it would be kept while nothing happens

    def _next(self) -> Callable[[], None] | None:
        """The next call; None if there was none for long, and then the thread is over."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._calls, self._idle_s):
                self._thread = None
                return None
            return self._calls.popleft()
