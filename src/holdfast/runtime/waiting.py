"""All of what waits in a store, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from holdfast.ports.store import PendingKind, PendingRow, Store

PAGE = 500


async def pages(
    store: Store, stream: int | None, kind: PendingKind, size: int = PAGE
) -> AsyncIterator[list[PendingRow]]:
    """Yield the waiting rows of a kind in the order of arrival, a page at a time."""
    after = 0
    while rows := await store.pending(stream, kind, after=after, limit=size):
        yield rows
        if len(rows) < size:
            return
        after = rows[-1].seq


async def all_pending(
    store: Store, stream: int | None, kind: PendingKind
) -> AsyncIterator[PendingRow]:
    """Yield every waiting row of a kind in the order of arrival."""
    async for rows in pages(store, stream, kind):
        for row in rows:
            yield row


async def waits(store: Store, stream: int, kind: PendingKind, id: bytes) -> bool:
    """Whether a row is among those that wait."""
    async for row in all_pending(store, stream, kind):
        if row.id == id:
            return True
    return False
