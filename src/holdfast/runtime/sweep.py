"""What a manager does by itself: serve inboxes, let go of idle sessions, keep timers.

A session whose only open thing is a question needs no engine: it is parked, and
its question is a row of the store. Whoever runs leads it again when an answer
has come or the question's time has run out, in whatever process (contract 2.6).
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from holdfast.core.commands import Tick
from holdfast.core.errors import HoldfastError, Unavailable
from holdfast.core.lifecycle import SessionState
from holdfast.core.principals import Bearer
from holdfast.ports.clock import Clock
from holdfast.ports.store import PendingKind, StreamRow
from holdfast.runtime.authority import Trust
from holdfast.runtime.backend import Backend
from holdfast.runtime.engine import Engine
from holdfast.runtime.hub import Hub
from holdfast.runtime.located import Located
from holdfast.runtime.waiting import all_pending

_log = logging.getLogger("holdfast")

WATCH_S = 1.0
DUE_PAGE = 100


class Sweeping(ABC):
    """The manager's own errands; `Core` is what it runs them for."""

    clock: Clock
    idle_s: float
    trust: Trust
    bearer: Bearer | None = None  # by whose token messages are sent; None is the program itself
    _closing: bool
    _engines: dict[int, Engine]
    _hubs: dict[int, Hub]
    _known: dict[int, Located]
    _watchers: list[asyncio.Task[None]]

    @abstractmethod
    async def engine(self, where: Located) -> Engine:
        """The session's engine, after taking the lease if need be."""

    @abstractmethod
    def place(self, backend: Backend, row: StreamRow) -> Located:
        """Where a session is kept."""

    @abstractmethod
    def _lock(self, stream: int) -> asyncio.Lock:
        """The lock under which a session's engine changes."""

    def errand(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something on the side until it is done or the manager closes."""
        task = asyncio.create_task(self._watched(work))
        self._watchers.append(task)
        task.add_done_callback(self._done)
        return task

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except HoldfastError as error:
            _log.info("an errand of the manager ended: %s", error.message)

    def _done(self, task: asyncio.Task[None]) -> None:
        if task in self._watchers:
            self._watchers.remove(task)

    async def watch(self, backend: Backend) -> None:
        """Notice other processes' commits and due timers until the manager closes."""
        while not self._closing:
            try:
                if await backend.store.changed(WATCH_S):
                    self.trust.ring()
                # Others in this process wait for news as well, and who comes first takes
                # it: so this looks after each wait, whatever it was told.
                await self._look_at_inboxes(backend)
                await self._look_at_tokens(backend)
                await self.sweep_due(backend)
            except Unavailable:
                await self.clock.sleep(WATCH_S)

    async def _look_at_inboxes(self, backend: Backend) -> None:
        store = backend.store
        streams = {row.stream async for row in all_pending(store, None, PendingKind.COMMAND)}
        parked: set[int] = set()
        if streams - set(self._known):
            parked = {row.stream async for row in all_pending(store, None, PendingKind.QUESTION)}
        for stream in sorted(streams):
            engine = self._engines.get(stream)
            if engine is not None and engine.lost is None:
                engine.look_at_inbox()
            elif stream in self._known or stream in parked:
                await self._lead(backend, stream)

    async def _look_at_tokens(self, backend: Backend) -> None:
        """Stop the turns whose token was revoked, by whatever process (contract 2.13)."""
        await backend.book.sweep()
        epoch = await backend.store.token_epoch()
        if backend.token_epoch != epoch:
            backend.token_epoch = epoch
            self.stop_revoked()

    def stop_revoked(self) -> None:
        """Have every turn and call that runs for a token look whether it may go on."""
        self.trust.ring()
        for engine in tuple(self._engines.values()):
            turn = engine.view.turn
            for_token = turn is not None and turn.bearer is not None
            if engine.lost is None and (for_token or engine.workers.asides.bearers):
                engine.report(Tick())

    async def sweep_due(self, backend: Backend) -> None:
        """Lead the sessions in which a question's time has run out.

        One that is led here has a timer of its own; in a paused one nothing lapses.
        """
        now_ms = self.clock.now_ms()
        rows = await backend.store.pending(
            kind=PendingKind.QUESTION, due_before_ms=now_ms, limit=DUE_PAGE
        )
        if len(rows) == DUE_PAGE:  # the first may be of paused sessions, where nothing lapses
            waiting = all_pending(backend.store, None, PendingKind.QUESTION)
            rows = [row async for row in waiting if row.due_ms is not None and row.due_ms <= now_ms]
        for stream in sorted({row.stream for row in rows} - set(self._engines)):
            at = await backend.store.stream_row(stream)
            if at is not None and at.index.state == int(SessionState.PROCESSING):
                await self._lead(backend, stream)

    async def _lead(self, backend: Backend, stream: int) -> None:
        where = self._known.get(stream)
        if where is None:
            row = await backend.store.stream_row(stream)
            if row is None or row.name is None:
                return
            where = self.place(backend, row)
        try:
            (await self.engine(where)).look_at_inbox()
        except HoldfastError:
            return  # led elsewhere, or not readable: its own users are told

    async def evict_idle(self) -> None:
        """Let go of sessions that nobody uses; what they owe people is in the store."""
        while not self._closing:
            await self.clock.sleep(max(0.05, self.idle_s / 4))
            now = self.clock.monotonic()
            for stream, engine in tuple(self._engines.items()):
                old = now - engine.last_used > self.idle_s
                if engine.lost is not None or (engine.idle and old):
                    async with self._lock(stream):
                        if self._engines.get(stream) is engine:
                            del self._engines[stream]
                            await engine.stop()
                            self._forget(stream)

    def _forget(self, stream: int) -> None:
        """Let go of what only a live session needs."""
        hub = self._hubs.get(stream)
        if hub is not None and not hub.watched:
            del self._hubs[stream]
