"""The disk that several memory stores share."""

from __future__ import annotations

import asyncio

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.core.errors import LeaseHeld, StoreClosed
from holdfast.testing.store_kit import create, refused


def test_node_names_are_never_used_again() -> None:
    """A reopened node is not its dead predecessor."""
    disk = MemoryDisk()
    first = MemoryStore(disk, node="a")
    disk.kill("a")
    second = MemoryStore(disk, node="a")
    assert ("a.1", "a.2", 2) == (first.node, second.node, disk.node_count)
    assert [False, True] == [disk.alive(first.node), disk.alive(second.node)]


def test_a_killed_process_does_nothing_more() -> None:
    """Its calls fail, its waiters too, and its sessions can be taken at once."""

    async def run() -> None:
        disk = MemoryDisk()
        one, two = MemoryStore(disk, node="one"), MemoryStore(disk, node="two")
        await create(one, 1)
        await refused(LeaseHeld, two.lease(1))
        waiting = asyncio.ensure_future(one.changed(10))
        await asyncio.sleep(0)
        disk.kill(one.node)
        await refused(StoreClosed, waiting)
        await refused(StoreClosed, one.stream_row(1))
        lease = await two.lease(1)
        assert (2, 0.0) == (lease.epoch, lease.grace_s)
        await one.aclose()
        row = await two.stream_row(1)
        assert row is not None and two.node == row.node

    asyncio.run(run())
