"""Reading from the SQLite store."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from store_help import made, opened

from holdfast.adapters.store import sqlite_read
from holdfast.core.errors import (
    CorruptStore,
    StoreBusy,
    StoreClosed,
    StoreReadOnly,
)
from holdfast.ports.store import Filter, IndexRow
from holdfast.testing.store_kit import create, refused


def test_damaged_pages_are_reported(tmp_path: Path) -> None:
    """Reading a damaged page is a typed error; the page check names it."""
    path = tmp_path / "store.db"

    async def fill() -> None:
        async with opened(path) as store:
            await create(store, 1, count=3000)

    asyncio.run(fill())
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 8192 * 4096, len(content), 4096):
        content[at : at + 200] = b"\xff" * 200
    path.write_bytes(content)

    async def look() -> None:
        async with opened(path) as store:
            await refused(CorruptStore, store.read(1))
            try:
                assert [] != await store.verify_pages()
            except CorruptStore:
                pass

    asyncio.run(look())


def test_listing_uses_an_index_in_order(tmp_path: Path) -> None:
    """No listing sorts all sessions or walks through those it does not want."""
    filters = [
        Filter(),
        Filter(tenant="t"),
        Filter(tenant="t", states=frozenset({1, 2})),
        Filter(owner=1),
        Filter(include_hidden=True),
        replace(Filter(tenant="t"), cursor="105.3"),
    ]

    async def run() -> None:
        async with opened(tmp_path / "store.db") as store:
            for stream in range(1, 4):
                await create(store, stream, index=IndexRow(state=stream, updated_ms=100))
            connection = store._parts.connection
            seen: list[str] = []
            for filter in filters:
                for source, bindings in sqlite_read._arms(connection, filter):
                    rest, more = sqlite_read._conditions(filter)
                    sql = sqlite_read._sql(sqlite_read._LIST, source=source, rest=rest)
                    plan = connection.execute("EXPLAIN QUERY PLAN " + sql, (*bindings, *more, 10))
                    seen.extend(str(row[3]) for row in plan)
            assert seen and all(step.startswith("SEARCH stream USING") for step in seen), seen

    asyncio.run(run())


def test_a_page_costs_the_same_among_many_sessions(tmp_path: Path) -> None:
    """The work of a page, counted in steps of the database, does not grow with the store."""

    async def run() -> list[int]:
        async with opened(tmp_path / "store.db") as store:
            steps = []
            for many in (range(1, 201), range(201, 2001)):
                await asyncio.gather(
                    *(create(store, n, index=IndexRow(state=1, updated_ms=n)) for n in many)
                )
                connection = store._parts.connection
                count = 0

                def tick() -> bool:
                    nonlocal count
                    count += 1
                    return False

                connection.set_progress_handler(tick, 10)
                sqlite_read.list_streams(connection, Filter(tenant="t", limit=20))
                connection.set_progress_handler(None)
                steps.append(count)
            return steps

    few, many = asyncio.run(run())
    assert 0 < few and many <= few * 1.2


def test_reads_are_held_back_while_the_log_is_cut(tmp_path: Path) -> None:
    """Nobody begins to read meanwhile, who reads is waited for, and a slow one is an error."""
    readers = sqlite_read.Readers(made(tmp_path / "store.db"), None, 1.0)
    with readers.take() as connection:
        assert 1 == sqlite_read.feed_end(connection)
        with pytest.raises(StoreBusy), readers.held_back(0.01):
            pass
    read = threading.Event()

    def look() -> None:
        with readers.take():
            read.set()

    assert not readers.would_wait()
    with readers.held_back(1.0):
        assert readers.would_wait()
        thread = threading.Thread(target=look)
        thread.start()
        assert not read.wait(0.05)
    assert read.wait(10)
    thread.join()
    readers.close()
    with pytest.raises(StoreClosed), readers.take():
        pass


def test_readers_cannot_write(tmp_path: Path) -> None:
    """A reading connection refuses to change anything."""
    readers = sqlite_read.Readers(made(tmp_path / "store.db"), None, 1.0)
    with pytest.raises(StoreReadOnly), readers.take() as connection:
        connection.execute("DELETE FROM event")
    readers.close()
