"""Where a session is kept, and whether it stands below another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.errors import HoldfastError
from holdfast.core.events import Opened
from holdfast.ports.store import StreamRow
from holdfast.runtime.backend import Backend


@dataclass(frozen=True, slots=True)
class Located:
    """Where a session is kept."""

    backend: Backend
    row: StreamRow

    @property
    def stream(self) -> int:
        """Its stream."""
        return self.row.stream


async def find_located(backends: Iterable[Backend], tenant: str, session_id: str) -> Located | None:
    """Find a tenant's session by its id, store by store; None if no store has it."""
    for backend in backends:
        row = await backend.store.find(tenant, session_id)
        if row is not None:
            return Located(backend, row)
    return None


async def stands_below(where: Located, home: Located) -> bool:
    """Whether a session is another one or stands below it.

    Its birth says so: a fork has come from a session and does not stand below it. What
    cannot be read stands below none.
    """
    if where.stream == home.stream:
        return True
    if where.backend is not home.backend or not where.row.index.parent:
        return False
    try:
        first = (await where.backend.journal(where.row).event_at(1)).event
    except HoldfastError:
        return False
    above = first.lineage if isinstance(first, Opened) else ()
    return any(one.stream == home.stream for one in above)
