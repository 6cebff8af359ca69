"""Comparing projections with the fold: index, name, tokens, waiting work."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from pathlib import Path

import apsw
import pytest

from holdfast.adapters.store.memory_disk import Stream
from holdfast.bootstrap import SessionManager
from holdfast.core.commands import Send
from holdfast.core.messages import user
from holdfast.ports.store import IndexRow, PendingKind, PendingRow
from holdfast.runtime.audit import AuditReport, verify_session, verify_store
from holdfast.runtime.audit_chain import Finding, Kind
from holdfast.runtime.host import letter
from holdfast.runtime.inbox import seal_command
from holdfast.testing.script import say
from moving_kit import World, flips
from sessionhelp import echo, memory, run

ALTERED = {
    "state": 2,
    "sensitivity": 4,
    "created_ms": 1,
    "updated_ms": 1,
    "last_activity_ms": 1,
    "messages": 7,
    "turns": 7,
    "tool_calls": 7,
    "sealed": b"\0" * 64,
    "tokens": frozenset({bytes(16)}),
    "parent": 5,
    "hidden": True,
}


def after(name: str, value: object) -> list[Finding]:
    """Findings after a change to one index column."""

    async def main() -> list[Finding]:
        world = World()
        async with world.manager(say("hi")) as manager:
            session = await manager.create_session("one")
            await session.generate("hello")
            backend, stream = session.where.backend, world.disk.streams[session.where.stream]
            assert [] == await verify_session(backend, stream.row)
            index = replace(stream.row.index, **{name: value})
            stream.row = replace(stream.row, index=index)
            return await verify_session(backend, stream.row)

    return asyncio.run(main())


@pytest.mark.parametrize("name", [field.name for field in fields(IndexRow)])
def test_every_index_column_is_compared(name: str) -> None:
    """An edited index column is a finding that names it."""
    found = after(name, ALTERED[name])
    assert {Kind.INDEX} == {one.kind for one in found}
    word = {"sealed": "sealed details", "tokens": "tokens"}.get(name, f"column {name}")
    assert any(word in one.text for one in found)


def test_details_of_another_moment_are_found() -> None:
    """Sealed details that are genuine but old are not those of the log."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            stream = world.disk.streams[session.where.stream]
            old = stream.row.index.sealed
            await session.set_title("new")
            stream.row = replace(stream.row, index=replace(stream.row.index, sealed=old))
            found = await verify_session(session.where.backend, stream.row)
            assert ["its sealed details are not those of the log"] == [one.text for one in found]

    asyncio.run(main())


def test_names_tenants_and_owners_are_compared() -> None:
    """Another name, tenant or owner in the row than in the log is a finding."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            backend, stream = session.where.backend, world.disk.streams[session.where.stream]
            good = stream.row
            for column, value, kind in (
                ("name", "two", Kind.NAME),
                ("name", None, Kind.NAME),
                ("tenant", "other", Kind.INDEX),
                ("owner", 5, Kind.INDEX),
            ):
                stream.row = replace(good, **{column: value})
                found = await verify_session(backend, stream.row)
                assert kind in {one.kind for one in found}, column
            stream.row = good

    asyncio.run(main())


def test_waiting_work_must_belong_to_the_session() -> None:
    """A genuine command may wait; an altered, foreign or finished one may not."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            where, disk = session.where, world.disk
            id = await manager.queue(where, Send(message=user("hello")))
            key = (where.stream, PendingKind.COMMAND, id)
            row = disk.pending[key]

            async def findings() -> list[str]:
                found = await verify_session(where.backend, disk.streams[where.stream].row)
                return [one.text for one in found if one.kind is Kind.PENDING]

            assert [] == await findings()
            disk.pending[key] = replace(row, payload=next(flips(row.payload)))
            assert ["cannot be decrypted" in text for text in await findings()] == [True]
            disk.pending[key] = replace(row, digest=bytes(16))
            assert ["digest" in text for text in await findings()] == [True]
            del disk.pending[key]
            known_by = letter(Send(message=user("x")), id=id, digest=b"r" * 16, actor=0, expects=3)
            asked = seal_command(where.backend.journal(where.row), known_by, 0)
            disk.pending[key] = replace(asked, seq=row.seq)
            assert [] == await findings()
            disk.pending[key] = replace(asked, seq=row.seq, digest=row.digest)
            assert ["digest" in text for text in await findings()] == [True]
            del disk.pending[key]
            lost = PendingRow(stream=where.stream, kind=PendingKind.QUESTION, id=bytes(16), seq=9)
            disk.pending[(where.stream, PendingKind.QUESTION, lost.id)] = lost
            timer = replace(lost, kind=PendingKind.TIMER, seq=10)
            disk.pending[(where.stream, PendingKind.TIMER, lost.id)] = timer
            assert 2 == len(await findings())

    asyncio.run(main())


def test_what_is_left_of_a_wiped_session_is_found() -> None:
    """After a wipe, a name, details, tokens, counts or waiting work are findings."""

    async def main() -> None:
        world = World()
        async with world.manager(say("hi")) as manager:
            session = await manager.create_session("one")
            await session.generate("hello")
            stream: Stream = world.disk.streams[session.where.stream]
            old = stream.row
            await manager.terminate_session("one")
            backend, wiped = session.where.backend, stream.row
            assert [] == await verify_session(backend, wiped)
            stream.row = replace(wiped, name="one")
            assert {Kind.NAME} == {f.kind for f in await verify_session(backend, wiped)}
            for name in ("sealed", "tokens", "state", "messages", "turns"):
                index = replace(wiped.index, **{name: getattr(old.index, name)})
                stream.row = replace(wiped, index=index)
                found = await verify_session(backend, stream.row)
                assert {Kind.INDEX} == {one.kind for one in found}, name
            stream.row = wiped
            lost = PendingRow(stream=stream.row.stream, kind=PendingKind.TIMER, id=b"x", seq=9)
            world.disk.pending[(lost.stream, lost.kind, lost.id)] = lost
            assert {Kind.PENDING} == {f.kind for f in await verify_session(backend, wiped)}

    asyncio.run(main())


# --- on a real file -----------------------------------------------------------------

# What nothing in the log determines: who leads it, and a fencing number that only grows.
FREE = {("stream", "node"), ("stream", "epoch"), ("event", "id")}
TABLES = ("stream", "event", "token")


def open_file(folder: Path) -> SessionManager:
    """Open the store of the folder."""
    return SessionManager.open(folder / "s.db", installation_key=folder / "inst.key")


async def verified(folder: Path) -> AuditReport:
    """Verify the store of the folder."""
    async with open_file(folder) as manager:
        return await verify_store(manager)


def edit(path: Path, sql: str) -> int:
    """Edit the closed store behind its back; returns rows changed."""
    connection = apsw.Connection(str(path))
    try:
        connection.execute(sql)
        return connection.changes()
    finally:
        connection.close()


def columns_of(path: Path, table: str) -> list[tuple[str, str]]:
    """Names and types of a table's columns."""
    connection = apsw.Connection(str(path))
    try:
        rows = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
        return [(str(name), str(type)) for name, type in rows]
    finally:
        connection.close()


def test_an_edit_of_any_column_of_the_file_is_found(tmp_path: Path) -> None:
    """Changing any provable column of any row of a session's tables gives a finding."""
    path = tmp_path / "s.db"

    async def make() -> None:
        async with open_file(tmp_path) as manager:
            session = await manager.create_session("one")
            await session.add_message("hello")
            await session.set_title("a title")

    asyncio.run(make())
    assert asyncio.run(verified(tmp_path)).ok
    whole = path.read_bytes()
    missed: list[str] = []
    for table in TABLES:
        for name, type in columns_of(path, table):
            if (table, name) in FREE:
                continue
            value = {
                "INTEGER": f"{name} + 64",
                "TEXT": f"{name} || 'x'",
                "BLOB": f"zeroblob(length({name}))",
            }[type]
            which = "min(token)" if table == "token" else "max(stream)"
            row = f"{which[4:-1]} = (SELECT {which} FROM {table})"
            if table == "event":
                row += " AND version = 2"
            assert edit(path, f"UPDATE {table} SET {name} = {value} WHERE {row}"), (table, name)
            if asyncio.run(verified(tmp_path)).ok:
                missed.append(f"{table}.{name}")
            for side in ("-wal", "-shm"):
                path.with_name(path.name + side).unlink(missing_ok=True)
            path.write_bytes(whole)
    assert [] == missed


def test_a_child_stands_below_its_parent() -> None:
    """Its row names the session above it, as its log does; nothing is wrong with that."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.create_session("one")
            child = await sessions.create_child_session("one", "below")
            fork = await sessions.fork_session("below", "fork")
            for session in (child, fork):
                row = await session.where.backend.store.stream_row(session.where.stream)
                assert row is not None and row.index.parent
            assert [] == [*(await verify_store(sessions)).findings]

    run(work())
