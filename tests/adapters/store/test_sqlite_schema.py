"""The schema of the SQLite store and its numbered steps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest
from store_help import made, opened, opening

from holdfast.adapters.store import sqlite_schema
from holdfast.core.errors import (
    CorruptStore,
    NewerProgram,
)
from holdfast.testing.store_kit import append, create


def test_every_commit_is_synced_and_deletions_are_overwritten(tmp_path: Path) -> None:
    """The writer runs with WAL, synchronous FULL and secure_delete."""

    async def run() -> None:
        async with opened(tmp_path / "store.db") as store:
            connection = store._parts.connection
            assert ("wal", 2, 1) == tuple(
                connection.pragma(name) for name in ("journal_mode", "synchronous", "secure_delete")
            )

    asyncio.run(run())


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer program is left alone."""
    path = made(tmp_path / "store.db")
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(NewerProgram, match="99"):
        opening(path)


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    """A database without our mark gets no tables of ours."""
    path = tmp_path / "store.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs(a)")
    connection.close()
    with pytest.raises(CorruptStore, match="not one of ours"):
        opening(path)
    connection = apsw.Connection(str(path))
    assert 1 == connection.execute("SELECT count(*) FROM sqlite_schema").get
    connection.close()


def test_steps_are_applied_once_each_in_order(tmp_path: Path) -> None:
    """A file is led from any version to the newest; a step that fails leaves it as it was."""
    connection = apsw.Connection(str(tmp_path / "a.db"))
    one, two = "CREATE TABLE first(a);", "CREATE TABLE second(a); INSERT INTO first VALUES (2);"
    sqlite_schema.migrate(connection, (one,))
    assert 1 == connection.pragma("user_version")
    with pytest.raises(apsw.SQLError):
        sqlite_schema.migrate(connection, (one, two, "CREATE TABLE third(a); NONSENSE"))
    assert 2 == connection.pragma("user_version")
    assert not connection.table_exists("main", "third") and not connection.in_transaction
    sqlite_schema.migrate(connection, (one, two))
    assert [(2,)] == connection.execute("SELECT a FROM first").fetchall()
    with pytest.raises(NewerProgram):
        sqlite_schema.migrate(connection, (one,))
    connection.close()


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """What a crash during creation leaves is no obstacle."""
    path = tmp_path / "store.db"
    path.touch()
    made(path)
    connection = apsw.Connection(str(path))
    assert sqlite_schema.APPLICATION_ID == connection.pragma("application_id")
    assert len(sqlite_schema.MIGRATIONS) == connection.pragma("user_version")
    connection.close()


def test_a_store_of_the_first_schema_knows_where_its_sessions_stand_in_the_feed(
    tmp_path: Path,
) -> None:
    """The second step finds each session's newest event, and new ones go on from there."""
    path = tmp_path / "store.db"

    async def fill() -> None:
        async with opened(path) as store:
            for stream in (1, 2, 3):
                await create(store, stream)
            await store.append(append(1, 1, 2))

    async def check() -> None:
        async with opened(path) as store:
            found = [(one.stream, one.cursor, one.version) for one in await store.heads_since(0)]
            assert [(2, 2, 1), (3, 3, 1), (1, 5, 3)] == found
            lease = await store.lease(2)
            await store.append(append(2, 1, epoch=lease.epoch))
            assert [(2, 6)] == [(o.stream, o.cursor) for o in await store.heads_since(5)]

    asyncio.run(fill())
    connection = apsw.Connection(str(path))
    connection.execute("DROP INDEX stream_by_newest; ALTER TABLE stream DROP COLUMN newest")
    for (name,) in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    ).fetchall():
        if name.startswith("bearer"):  # of a later step
            connection.execute(f"DROP TABLE {name}")
    connection.pragma("user_version", 1)
    connection.close()
    asyncio.run(check())
