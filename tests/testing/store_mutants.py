"""Memory stores with one rule broken each; the conformance suite must catch them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from holdfast.adapters.store.memory import MemoryDisk, MemoryStore
from holdfast.core.errors import Fenced, HoldfastError, StoreClosed
from holdfast.ports.store import Append, Store
from holdfast.testing.store_kit import Case


class MutantHarness:
    """Opens a kind of memory store."""

    def __init__(self, kind: type[MemoryStore]) -> None:
        self.kind = kind
        self.disk = MemoryDisk()

    async def open(self) -> Store:
        """Open the first node."""
        return self.kind(self.disk, node="a")

    async def open_second(self) -> Store:
        """Open another node."""
        return self.kind(self.disk, node="b")

    async def kill(self, store: Store) -> None:
        """Kill a node."""
        self.disk.kill(store.node)


def caught(kind: type[MemoryStore], cases: Iterable[Case]) -> list[str]:
    """Return the names of the cases a kind of store fails."""
    names = []
    for case in cases:
        try:
            asyncio.run(asyncio.wait_for(case.run(MutantHarness(kind)), 10))
        except Exception:  # noqa: BLE001, RUF100 - any failure at all is the answer here
            names.append(case.name)
    return names


class NoFence(MemoryStore):
    """Takes any epoch."""

    async def append(self, append: Append) -> bytes:
        row = await self.stream_row(append.stream)
        epoch = append.epoch if row is None else row.epoch
        events = tuple(replace(event, epoch=epoch) for event in append.events)
        return await super().append(replace(append, epoch=epoch, events=events))


class VersionFirst(MemoryStore):
    """Answers Conflict where Fenced is due."""

    async def append(self, append: Append) -> bytes:
        row = await self.stream_row(append.stream)
        try:
            return await super().append(append)
        except Fenced:
            if row is not None and row.version != append.expected_version:
                return await super().append(replace(append, epoch=row.epoch, events=()))
            raise


class NoTakes(MemoryStore):
    """Takes nothing from counters."""

    async def append(self, append: Append) -> bytes:
        return await super().append(replace(append, takes=()))


class NoAsserts(MemoryStore):
    """Believes every revision."""

    async def append(self, append: Append) -> bytes:
        return await super().append(replace(append, asserts=()))


class Partly(MemoryStore):
    """Writes the pending rows of an append it then refuses."""

    async def append(self, append: Append) -> bytes:
        for row in append.pending:
            self._wait_for(row)
        return await super().append(append)


class Forgetful(MemoryStore):
    """Does not keep the ids of commands."""

    async def append(self, append: Append) -> bytes:
        return await super().append(replace(append, done=()))


class Thief(MemoryStore):
    """Takes leases from the living."""

    async def lease(self, stream: int) -> Any:
        found = self.disk.streams.get(stream)
        if found is not None:
            found.row = replace(found.row, node=None)
        return await super().lease(stream)


class Careless(MemoryStore):
    """Overwrites newer snapshots."""

    async def put_snapshot(self, stream: int, snapshot: Any) -> None:
        self._stream(stream).snapshot = None
        await super().put_snapshot(stream, snapshot)


class Skipping(MemoryStore):
    """Leaves an event out of the feed's pages."""

    async def events_since(self, cursor: int, limit: int = 1000) -> Any:
        return (await super().events_since(cursor, limit))[1 if cursor else 0 :]


class Unmoved(MemoryStore):
    """Leaves a session at the place of the feed where it was first."""

    async def append(self, append: Append) -> bytes:
        before = dict(self.disk.newest)
        head = await super().append(append)
        self.disk.newest = before
        return head


class Unfiltered(MemoryStore):
    """Lists sessions whatever their tokens."""

    async def list_streams(self, filter: Any) -> Any:
        return await super().list_streams(replace(filter, tokens=frozenset()))


class Hoarder(MemoryStore):
    """Keeps blobs when it should erase."""

    async def erase(self, stream: int) -> None:
        blobs = dict(self._stream(stream).blobs)
        await super().erase(stream)
        self._stream(stream).blobs.update(blobs)


class Restless(MemoryStore):
    """Takes its own commits for news."""

    async def append(self, append: Append) -> bytes:
        self._news = True
        return await super().append(append)

    async def create_stream(self, **more: Any) -> Any:
        self._news = True
        return await super().create_stream(**more)


class Undead(MemoryStore):
    """Goes on after closing."""

    async def stream_row(self, stream: int) -> Any:
        try:
            return await super().stream_row(stream)
        except StoreClosed:
            return None


class Swallowing(MemoryStore):
    """Says nothing of a refused append."""

    async def append(self, append: Append) -> bytes:
        try:
            return await super().append(append)
        except HoldfastError:
            return b""
