"""All of what waits, page by page."""

from __future__ import annotations

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.ports.clock import SystemClock
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.waiting import PAGE, all_pending, pages, waits
from holdfast.testing.store_kit import create
from sessionhelp import run


def row(number: int) -> PendingRow:
    """A command that waits."""
    return PendingRow(stream=1 + number % 2, kind=PendingKind.COMMAND, id=number.to_bytes(16))


async def store_with(count: int) -> MemoryStore:
    """A store with two sessions in which so many commands wait."""
    store = MemoryStore(clock=SystemClock())
    for stream in (1, 2):
        await create(store, stream)
    for number in range(count):
        await store.submit(row(number))
    return store


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_pages_are_all_there_is(count: int) -> None:
    """In the order of arrival, each once, whatever the last page holds."""

    async def work() -> None:
        store = await store_with(count)
        found = [page async for page in pages(store, None, PendingKind.COMMAND, 2)]
        assert [row(n).id for n in range(count)] == [one.id for page in found for one in page]
        assert all(1 <= len(page) <= 2 for page in found)

    run(work())


def test_what_lies_beyond_a_page_is_found() -> None:
    """Of one session, or of all."""

    async def work() -> None:
        store = await store_with(2 * PAGE + 2)
        last = row(2 * PAGE + 1)
        assert await waits(store, last.stream, PendingKind.COMMAND, last.id)
        assert not await waits(store, 1, PendingKind.COMMAND, last.id)
        assert not await waits(store, last.stream, PendingKind.QUESTION, last.id)
        everything = [one.id async for one in all_pending(store, None, PendingKind.COMMAND)]
        assert 2 * PAGE + 2 == len({*everything})

    run(work())
