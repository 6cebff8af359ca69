"""Tokens in SQLite: older files, deep families."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest
from store_help import made, opened

from holdfast.adapters.store import sqlite_schema
from holdfast.core.errors import StoreClosed
from holdfast.ports.tokens import Revocation
from holdfast.testing.store_cases_tokens import doing, token
from holdfast.testing.store_kit import create


def test_a_file_from_before_tokens_gets_their_tables(tmp_path: Path) -> None:
    """The step adds tables and changes none."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    sqlite_schema.migrate(connection, sqlite_schema.MIGRATIONS[:1])
    connection.close()
    made(path)
    connection = apsw.Connection(str(path))
    assert 2 == connection.pragma("user_version")
    assert 0 == connection.execute("SELECT epoch FROM bearer_epoch").get
    connection.close()


def test_a_long_line_of_descendants_dies_at_once(tmp_path: Path) -> None:
    """A thousand generations of children, in one transaction."""

    async def work() -> None:
        async with opened(tmp_path / "store.db") as store:
            rows = [token(1)]
            rows += [token(n, parent=token(n - 1).id) for n in range(2, 1001)]
            for row in rows:
                await store.token_add(row, doing())
            assert 1000 == len(await store.token_revoke(Revocation(id=token(1).id), doing()))

    asyncio.run(work())


def test_the_quick_way_ends_with_the_store(tmp_path: Path) -> None:
    """A closed store is read no more, and a wipe does not wait for who reads tokens."""

    async def work() -> None:
        async with opened(tmp_path / "store.db") as store:
            assert 0 == await store.token_epoch()
            await create(store, 1)
            await store.erase(1)
            assert 0 == await store.token_epoch()
        with pytest.raises(StoreClosed):
            await store.token_epoch()
        with pytest.raises(StoreClosed):
            await store.token_find(b"d")

    asyncio.run(work())
