"""The memory store's hooks; its contract is tested by the conformance suite."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.core.errors import Conflict, StoreFull
from holdfast.ports.store import Append, PendingKind, PendingRow
from holdfast.testing.store_kit import append, create, refused, versions_of


def fail(_: Append) -> None:
    """Raise what no store raises."""
    raise ConnectionResetError


def test_a_fault_before_the_commit_keeps_nothing() -> None:
    """Neither an append nor a creation is kept, but what was offered is known."""
    disk = MemoryDisk()

    async def run() -> None:
        store = MemoryStore(disk)
        await create(store, 1)
        disk.before_commit = fail
        with pytest.raises(ConnectionResetError):
            await store.append(append(1, 1))
        with pytest.raises(ConnectionResetError):
            await create(store, 2)
        disk.before_commit = None
        assert [1] == await versions_of(store, 1) and await store.stream_row(2) is None
        await create(store, 2)

    asyncio.run(run())
    assert [1, 1, 2, 2] == [stream for stream, _, _ in disk.offered]


def test_a_fault_after_the_commit_is_a_lost_acknowledgement() -> None:
    """The caller sees an error, and the events are there."""
    disk = MemoryDisk()

    async def run() -> None:
        store = MemoryStore(disk)
        await create(store, 1)
        disk.after_commit = fail
        with pytest.raises(ConnectionResetError):
            await store.append(append(1, 1))
        assert [1, 2] == await versions_of(store, 1)

    asyncio.run(run())


def test_every_ciphertext_offered_is_remembered() -> None:
    """Refused appends count, events in clear do not."""
    disk = MemoryDisk()

    async def run() -> None:
        store = MemoryStore(disk)
        await create(store, 1)
        await refused(Conflict, store.append(append(1, 5)))
        clear = append(1, 1)
        await store.append(replace(clear, events=(replace(clear.events[0], key_id=0),)))

    asyncio.run(run())
    assert [(1, 1, b"stream 1")] * 2 == disk.offered


def test_a_full_disk_takes_only_what_is_urgent() -> None:
    """As on a real disk, where the ballast makes the room."""
    disk = MemoryDisk()
    cancel = PendingRow(stream=1, kind=PendingKind.COMMAND, id=b"c")

    async def run() -> None:
        store = MemoryStore(disk)
        await create(store, 1)
        disk.full = True
        await refused(StoreFull, store.append(append(1, 1)))
        await refused(StoreFull, store.submit(cancel))
        await refused(StoreFull, store.put_blob(1, b"b", 0, b"x"))
        assert not (await store.health()).ok
        await store.submit(cancel, urgent=True)
        await store.append(append(1, 1, urgent=True))
        assert 2 == (await store.lease(1)).epoch
        disk.full = False
        await store.append(append(1, 2, epoch=2))

    asyncio.run(run())
