"""Rows that the appends of one transaction write together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from store_help import opened

from holdfast.adapters.store.sqlite_rows import Bulk
from holdfast.core.errors import Conflict, DuplicateCommand
from holdfast.ports.store import Append, IndexRow
from holdfast.testing.store_kit import append, create, done_with, versions_of


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 63, 64, 65, 90, 128, 129, 300])
def test_all_rows_are_written_in_order(count: int) -> None:
    """Whatever their number, with few statements and none for what only fills them up."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE one(id INTEGER PRIMARY KEY, a, b)")
    statements: list[str] = []

    def note(_: apsw.Cursor, sql: str, bindings: apsw.Bindings | None) -> bool:
        statements.append(sql)
        return True

    connection.exec_trace = note
    values = [one for n in range(count) for one in (n, -n)]
    bulk = Bulk(
        2,
        "INSERT INTO one(a, b) SELECT * FROM (VALUES ",
        ") WHERE column1 IS NOT NULL",
        "INSERT INTO one(a, b) VALUES (?, ?)",
    )
    bulk.write(connection, values)
    connection.exec_trace = None
    assert [(n, -n) for n in range(count)] == connection.execute(
        "SELECT a, b FROM one ORDER BY id"
    ).fetchall()
    assert len(statements) <= 2 + count // 128


def _together(path: Path, first: int, appends: Sequence[Append]) -> list[object]:
    """Make streams 1 to `first`, hand appends over at once and say what became of them."""

    async def run() -> list[object]:
        async with opened(path) as store:
            for stream in range(1, first + 1):
                await create(store, stream)
            found: list[object] = list(
                await asyncio.gather(*map(store.append, appends), return_exceptions=True)
            )
            for stream in range(1, first + 1):
                row = await store.stream_row(stream)
                assert row is not None
                found.append((row.version, row.index.messages, await versions_of(store, stream)))
            return found

    return asyncio.run(run())


def test_a_session_may_append_twice_in_one_transaction(tmp_path: Path) -> None:
    """The second stands on the first, and the last index columns are kept."""
    index = IndexRow(state=1, messages=7)
    one, two, three = append(1, 1, index=index), append(1, 2), append(1, 2)
    found = _together(tmp_path / "store.db", 2, [one, two, three, append(2, 1)])
    assert isinstance(found[2], Conflict)
    assert [(3, 7, [1, 2, 3]), (2, 0, [1, 2])] == found[4:]


def test_a_command_is_known_within_its_transaction(tmp_path: Path) -> None:
    """The same id again is refused though its row is not written yet."""
    one = append(1, 1, done=done_with(b"c"))
    found = _together(tmp_path / "store.db", 1, [one, append(1, 2, done=done_with(b"c"))])
    assert isinstance(found[1], DuplicateCommand)
    assert [(2, 0, [1, 2])] == found[2:]


def test_a_refused_append_leaves_no_kept_row(tmp_path: Path) -> None:
    """A bad value fails its own append; what is known of its session stays true."""
    bad = append(1, 1)
    text: Any = "no bytes"
    bad = replace(bad, events=(replace(bad.events[0], hash=text),))
    found = _together(tmp_path / "store.db", 2, [bad, append(2, 1), append(1, 1)])
    assert isinstance(found[0], apsw.Error)
    assert [(2, 0, [1, 2]), (2, 0, [1, 2])] == found[3:]


def test_what_another_opening_commits_is_seen(tmp_path: Path) -> None:
    """What is known of a row is forgotten once anybody else has written."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path) as ours, opened(path) as theirs:
            await create(ours, 1)
            await ours.append(append(1, 1))
            await ours.release(1, 1)
            lease = await theirs.lease(1)
            await theirs.append(append(1, 2, epoch=lease.epoch))
            await theirs.release(1, lease.epoch)
            back = await ours.lease(1)
            assert (3, 3) == (back.epoch, back.version)
            with pytest.raises(Conflict):
                await ours.append(append(1, 2, epoch=3))
            await ours.append(append(1, 3, epoch=3))
            assert [1, 2, 3, 4] == await versions_of(ours, 1)

    asyncio.run(run())
