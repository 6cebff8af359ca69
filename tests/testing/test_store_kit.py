"""What the store's conformance cases are made with."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.core.errors import HoldfastError, StoreClosed, StoreFull, Unavailable
from holdfast.ports.store import PendingKind, Store
from holdfast.testing.store_kit import (
    Cases,
    Harness,
    append,
    command_row,
    create,
    done_with,
    event,
    refused,
    row_of,
    versions_of,
)


class OneStore:
    """A harness that remembers what it opened."""

    def __init__(self) -> None:
        self.opened: list[MemoryStore] = []

    async def open(self) -> Store:
        """Open a memory store."""
        self.opened.append(MemoryStore(MemoryDisk()))
        return self.opened[-1]

    async def open_second(self) -> Store:
        """Open another."""
        return await self.open()

    async def kill(self, store: Store) -> None:
        """Do nothing."""


async def fails(error: HoldfastError | None) -> None:
    """Raise an error, or do nothing."""
    if error is not None:
        raise error


def test_only_the_very_error_counts_as_refused() -> None:
    """Success, a base class and a subclass are all something else."""
    assert isinstance(asyncio.run(refused(StoreFull, fails(StoreFull()))), StoreFull)
    with pytest.raises(AssertionError, match="it succeeded"):
        asyncio.run(refused(StoreFull, fails(None)))
    with pytest.raises(AssertionError, match="Unavailable expected"):
        asyncio.run(refused(Unavailable, fails(StoreFull())))
    with pytest.raises(StoreClosed):
        asyncio.run(refused(StoreFull, fails(StoreClosed())))


def test_a_case_closes_its_store_even_if_it_fails() -> None:
    """The first opening is the case's own and is closed at its end."""
    cases = Cases()

    async def breaks(harness: Harness, store: Store) -> None:
        raise AssertionError("broken rule")

    cases(breaks)
    harness = OneStore()
    (case,) = cases
    assert "breaks" == case.name
    with pytest.raises(AssertionError, match="broken rule"):
        asyncio.run(case.run(harness))
    with pytest.raises(StoreClosed):
        asyncio.run(harness.opened[0].feed_end())


def test_made_events_differ_in_their_hash() -> None:
    """Version, epoch, kind and body all count."""
    made = [event(1), event(2), event(1, epoch=2), event(1, kind=2), event(1, body=b"x")]
    assert 5 == len({one.hash for one in made})
    assert [6, 7] == [one.version for one in append(1, 5, 2).events]


def test_made_rows_are_what_they_say() -> None:
    """A made session, command and mark can be used as they are."""

    async def run() -> None:
        store = MemoryStore()
        await create(store, 1, count=2, done=done_with(b"c"))
        await store.submit(command_row(b"d"))
        assert ("session-1", "t") == (
            (await row_of(store, 1)).name,
            (await row_of(store, 1)).tenant,
        )
        assert [1, 2] == await versions_of(store, 1)
        assert [PendingKind.COMMAND] == [row.kind for row in await store.pending(1)]
        with pytest.raises(AssertionError):
            await row_of(store, 2)

    asyncio.run(run())
