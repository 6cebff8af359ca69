"""Sessions for the measurements, made and written by the product's own code.

`Writer` writes as the engine writes: events sealed and chained by the journal,
one append with the session's index row, the fold kept. It leaves out deciding,
which is measured with turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.adapters.keys.file import FileKeys
from holdfast.bootstrap import SessionManager, SqliteStore
from holdfast.core.events import ContextSet, Event, Opened
from holdfast.core.session import evolve
from holdfast.core.view import Recorded
from holdfast.ports.clock import SystemClock
from holdfast.runtime.backend import Backend, Loaded
from holdfast.runtime.journal import Extras
from holdfast.runtime.snapshot import write_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WINDOW_TOKENS = 180_000
"""At this size the window is cleared, as a program must that talks to a real model."""


@asynccontextmanager
async def backend(directory: Path) -> AsyncIterator[Backend]:
    """A store file with its keys, as `SessionManager.open` makes it."""
    clock = SystemClock()
    file = directory / "s.db"
    store = await SqliteStore.open(file, clock=clock)
    keys = FileKeys.open(
        file.with_name(file.name + ".keys"), installation_key=directory / "inst.key", create=True
    )
    try:
        yield Backend(store, keys, clock)
    finally:
        await store.aclose()
        keys.close()


def manager(directory: Path, **rest: object) -> SessionManager:
    """A manager on the same file."""
    return SessionManager.open(
        directory / "s.db",
        installation_key=directory / "inst.key",
        **rest,
    )


@dataclass
class Writer:
    """Writes one session's events as the engine does."""

    loaded: Loaded

    @classmethod
    async def create(cls, backend: Backend, name: str) -> Writer:
        """Create a session."""
        opened = Opened(
            session_id=name, tenant="default", user_id="local", installation="", commitment=""
        )
        return cls(await backend.create(opened, (), actor=1))

    @property
    def version(self) -> int:
        """Where the log ends."""
        return self.loaded.view.version

    async def append(self, events: Sequence[Event]) -> None:
        """Append events durably, in one append, with the index row."""
        loaded = self.loaded
        now_ms = max(loaded.journal.clock.now_ms(), loaded.view.updated_ms)
        view, steps = loaded.view, []
        for event in events:
            recorded = Recorded(version=view.version + 1, time_ms=now_ms, event=event, actor=1)
            view = evolve(view, recorded)
            steps.append((recorded, view))
        assert loaded.indexer is not None, "a created session has its index"
        extras = Extras(index=loaded.indexer.row(view))
        await loaded.journal.append([(one, 1) for one in events], now_ms=now_ms, extras=extras)
        for recorded, after in steps:
            loaded.bodies.take(recorded, after.window)
        loaded.view = view

    async def clear_if_large(self) -> None:
        """Begin the window anew when it is as large as a model's context."""
        view = self.loaded.view
        if view.window.tokens > WINDOW_TOKENS:
            await self.append([ContextSet(reason="clear", window=(), tokens=0, count=0)])

    async def snapshot(self) -> None:
        """Write the snapshot the engine would have written after its last turn."""
        await write_snapshot(self.loaded.journal, self.loaded.view, self.loaded.bodies)
