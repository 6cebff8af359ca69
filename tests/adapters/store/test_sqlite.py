"""The SQLite store: its files, its errors, what it does on a full disk."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.adapters.store.sqlite_files import BALLAST_BYTES
from holdfast.core.errors import (
    BlobNotFound,
    Conflict,
    CorruptStore,
    LeaseHeld,
    NewerProgram,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    WrongKey,
)
from holdfast.ports.store import Filter, IndexRow, PendingKind, PendingRow, Snapshot
from holdfast.testing.store_kit import append, create, done_with, refused, versions_of

CHILD = Path(__file__).with_name("store_child.py")
NOBODY = 65534


@asynccontextmanager
async def opened(path: Path, **more: object) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, **more)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        await store.aclose()


def child(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def made(path: Path, **more: object) -> Path:
    """Make a store with one session of one event, closed."""

    async def make() -> None:
        async with opened(path, **more) as store:
            await create(store, 1)

    asyncio.run(make())
    return path


def opening(path: Path, **more: object) -> None:
    async def attempt() -> None:
        async with opened(path, **more):
            pass

    asyncio.run(attempt())


# --- files


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    """Directories get mode 0700 and every file of the store 0600."""
    path = tmp_path / "deep" / "er" / "store.db"

    async def run() -> set[str]:
        async with opened(path) as store:
            await create(store, 1)
            names = {entry.name.split(".node-")[0] for entry in path.parent.iterdir()}
            for entry in (path.parent, path.parent.parent):
                assert 0o700 == stat.S_IMODE(entry.stat().st_mode)
            for entry in path.parent.iterdir():
                assert 0o600 == stat.S_IMODE(entry.stat().st_mode), entry.name
            return names

    wanted = {f"store.db{end}" for end in ("", "-wal", "-shm", ".writer", ".turn", ".ballast")}
    assert wanted == asyncio.run(run())


def test_closing_leaves_the_file_alone(tmp_path: Path) -> None:
    """After a clean close there is no log and no node file."""
    made(tmp_path / "store.db")
    left = {f"store.db{end}" for end in ("", ".writer", ".turn", ".ballast")}
    assert left == {entry.name for entry in tmp_path.iterdir()}


def test_dead_nodes_are_cleaned_up_and_live_ones_are_not(tmp_path: Path) -> None:
    """The next opening removes the lock files of nodes that have ended."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path) as alive:
            dead = await SqliteStore.open(path)
            await create(dead, 1)
            dead.abandon()
            assert (tmp_path / f"store.db.node-{dead.node}").exists()
            async with opened(path) as third:
                names = {entry.name for entry in tmp_path.glob("*.node-*")}
                assert {f"store.db.node-{one.node}" for one in (alive, third)} == names
                assert 2 == (await third.lease(1)).epoch
                await refused(LeaseHeld, alive.lease(1))

    asyncio.run(run())


def test_every_commit_is_synced_and_deletions_are_overwritten(tmp_path: Path) -> None:
    """The writer runs with WAL, synchronous FULL and secure_delete."""

    async def run() -> None:
        async with opened(tmp_path / "store.db") as store:
            connection = store._parts.connection
            assert ("wal", 2, 1) == tuple(
                connection.pragma(name) for name in ("journal_mode", "synchronous", "secure_delete")
            )

    asyncio.run(run())


# --- errors of opening


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file of a newer program is left alone."""
    path = made(tmp_path / "store.db")
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(NewerProgram, match="99"):
        opening(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Text is not a store, and stays what it was."""
    path = tmp_path / "store.db"
    path.write_text("no database " * 1000)
    with pytest.raises(CorruptStore):
        opening(path)
    assert path.read_text().startswith("no database no")


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


def test_an_encrypted_file_needs_its_passphrase(tmp_path: Path) -> None:
    """No other passphrase opens it, none neither, and no content is readable in it."""
    path = made(tmp_path / "store.db", passphrase="it's \"right\"")
    opening(path, passphrase="it's \"right\"")
    with pytest.raises(WrongKey):
        opening(path, passphrase="wrong")
    with pytest.raises(CorruptStore):
        opening(path)
    content = path.read_bytes()
    assert b"SQLite format" not in content and b"session-1" not in content


def test_a_plain_file_does_not_open_with_a_passphrase(tmp_path: Path) -> None:
    """A passphrase for a plain file is a wrong key, not a silent plain store."""
    path = made(tmp_path / "store.db")
    with pytest.raises(WrongKey):
        opening(path, passphrase="any")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Make a directory that other users may reach, unlike pytest's own."""
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def test_a_read_only_directory_or_file_is_refused(open_directory: Path) -> None:
    """Without the right to write, opening says so."""
    (open_directory / "sub").mkdir()
    path = open_directory / "sub" / "store.db"
    path.parent.chmod(0o555)
    assert "store_read_only" == child("refused", path, NOBODY)
    path.parent.chmod(0o777)
    assert "opened" == child("refused", path, NOBODY)
    path.chmod(0o444)
    assert "store_read_only" == child("refused", path, NOBODY)


def test_a_parent_that_is_a_file_is_a_typed_error(tmp_path: Path) -> None:
    """A path through a file is refused with a domain error."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="cannot be used") as caught:
        opening(tmp_path / "file" / "store.db")
    assert "unavailable" == getattr(caught.value, "reason", None)


# --- locks


def test_a_held_writer_lock_is_busy_and_applies_nothing(tmp_path: Path) -> None:
    """Who waits too long for another process is told so; nothing of it is written later."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path, busy_s=0.2) as store:
            await create(store, 1)
            descriptor = os.open(path.with_name("store.db.writer"), os.O_RDWR)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            attempts = [store.append(append(1, 1)), store.set_counter("a", 1)]
            results = await asyncio.gather(*attempts, return_exceptions=True)
            assert [StoreBusy, StoreBusy] == [type(result) for result in results]
            with pytest.raises(StoreBusy):
                opening_second = SqliteStore.open(path, busy_s=0.1)
                await opening_second
            os.close(descriptor)
            await store.append(append(1, 1))
            assert [1, 2] == await versions_of(store, 1) and await store.counter("a") is None

    asyncio.run(run())


def test_a_foreign_database_lock_is_busy(tmp_path: Path) -> None:
    """A program that does not know our lock file cannot make an append hang or half-done."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path, busy_s=0.2) as store:
            await create(store, 1)
            foreign = apsw.Connection(str(path))
            foreign.execute("BEGIN IMMEDIATE")
            await refused(StoreBusy, store.append(append(1, 1)))
            foreign.execute("ROLLBACK")
            foreign.close()
            await store.append(append(1, 1))

    asyncio.run(run())


def test_closing_does_not_hang_in_a_foreign_lock(tmp_path: Path) -> None:
    """A close that cannot get the writer lock says so, and gives its leases up."""
    path = tmp_path / "store.db"

    async def run() -> None:
        store = await SqliteStore.open(path, busy_s=0.2)
        await create(store, 1)
        descriptor = os.open(path.with_name("store.db.writer"), os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        await refused(StoreBusy, store.aclose())
        os.close(descriptor)
        async with opened(path) as second:
            assert 2 == (await second.lease(1)).epoch

    asyncio.run(run())


# --- a full disk


def _ballast_story(directory: Path, fill: Path) -> None:
    """Fill the disk; urgent appends still fit; after making room all is as before."""
    path = directory / "store.db"
    ballast = path.with_name("store.db.ballast")

    async def run() -> None:
        async with opened(path) as store:
            await create(store, 1)
            await create(store, 2)
            assert BALLAST_BYTES == ballast.stat().st_size
            _fill(fill)
            big = Filter(limit=1)
            at = 1
            with pytest.raises(StoreFull):
                for at in range(1, 5000):
                    await store.append(append(1, at, 20 if at == 1 else 1, index=IndexRow(state=1)))
            assert ballast.exists(), "what is not urgent frees nothing"
            before = await versions_of(store, 1)
            assert list(range(1, len(before) + 1)) == before
            assert not (await store.health()).ok

            results = await asyncio.gather(
                store.append(append(2, 1, 30, urgent=True)),
                store.append(append(1, len(before))),
                store.submit(_cancel(), urgent=True),
                return_exceptions=True,
            )
            assert [bytes, StoreFull, int] == [type(result) for result in results]
            for version in range(31, 60):
                await store.append(append(2, version, urgent=True))
            await refused(StoreFull, store.append(append(1, len(before))))
            assert before == await versions_of(store, 1)
            await store.list_streams(big)
            await store.release(1, 1)
            assert 2 == (await store.lease(1)).epoch

            fill.unlink()
            await store.append(append(1, len(before), epoch=2))
            assert BALLAST_BYTES == ballast.stat().st_size
            assert (await store.health()).ok and [] == await store.verify_pages()

    asyncio.run(run())


def _cancel() -> PendingRow:
    return PendingRow(stream=1, kind=PendingKind.COMMAND, id=b"cancel", payload=b"stop")


def _fill(path: Path) -> None:
    with path.open("wb") as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
                    file.flush()
            except OSError:
                continue


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 24 MB of their own, where the system lets us."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_keeps_room_for_what_is_urgent(small_disk: Path) -> None:
    """Contract 2.21, on a real file system that is full."""
    _ballast_story(small_disk, small_disk / "fill")


def test_a_disk_that_becomes_read_only_is_a_typed_error(small_disk: Path) -> None:
    """A remount under a running store refuses appends and applies nothing."""
    path = small_disk / "store.db"

    async def run() -> None:
        async with opened(path) as store:
            await create(store, 1)
            (small_disk / "store.db.ballast").unlink()
            subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=False)
            if os.access(small_disk, os.W_OK):
                pytest.skip("the disk is in use and cannot be made read-only")
            await refused(StoreReadOnly, store.append(append(1, 1)))

    asyncio.run(run())


# --- erasing, sweeping, group commit


def test_erased_rows_are_in_no_file(tmp_path: Path) -> None:
    """After erase the bytes are in neither the database nor its log."""
    path = tmp_path / "store.db"
    secret = b"a secret that must go away "
    other = b"another one that stays     "

    async def fill(store: SqliteStore, stream: int, text: bytes) -> None:
        row = PendingRow(stream=stream, kind=PendingKind.QUESTION, id=b"q", payload=text * 9)
        index = IndexRow(state=1, sealed=text, tokens=frozenset({text[:16]}))
        await create(store, stream, pending=(row,), traces=((text, 1),), index=index)
        await store.put_blob(stream, b"b", 0, text * 30_000)
        await store.put_snapshot(
            stream, Snapshot(version=1, head=b"h", fold_id=1, body=text * 1000)
        )

    async def run() -> list[int]:
        async with opened(path) as store:
            await fill(store, 1, secret)
            await fill(store, 2, other)
            assert 1000 < int(child("grep", tmp_path, secret.hex()))
            await asyncio.gather(*(store.read(2, limit=1000) for _ in range(20)))
            await store.append(append(1, 1, drop_name=True))
            await store.erase(1)
            await refused(BlobNotFound, store.get_blob(1, b"b", 0))
            found = child("grep", tmp_path, secret.hex(), secret[:16].hex(), other.hex())
            return [int(word) for word in found.split()]

    gone, token, kept = asyncio.run(run())
    assert (0, 0) == (gone, token) and 1000 < kept


def test_erase_is_busy_while_another_reader_pins_the_log(tmp_path: Path) -> None:
    """A foreign read transaction makes erase fail; once it ends, erase succeeds."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path) as store:
            await create(store, 1)
            reader = apsw.Connection(str(path))
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchall()
            await store.append(append(1, 1))
            await refused(StoreBusy, store.erase(1))
            reader.execute("COMMIT")
            reader.close()
            await store.erase(1)
            assert 0 == path.with_name("store.db-wal").stat().st_size

    asyncio.run(run())


class _Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps on this clock")

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


def test_commands_are_kept_for_seven_days(tmp_path: Path) -> None:
    """Then the id may be used again, and the row is swept away."""
    week = 7 * 24 * 3600 * 1000
    clock = _Clock()

    async def run() -> None:
        async with opened(tmp_path / "store.db", clock=clock) as store:
            await create(store, 1, done=done_with(b"c"))
            clock.ms += week
            assert (1, b"d") == await store.command(1, b"c")
            clock.ms += 1
            assert await store.command(1, b"c") is None
            await store.append(append(1, 1, done=done_with(b"new", b"e")))
            rows = store._parts.connection.execute("SELECT id FROM command").fetchall()
            assert [(b"new",)] == rows
            await store.append(append(1, 2, done=done_with(b"c", b"another")))
            assert (3, b"another") == await store.command(1, b"c")

    asyncio.run(run())


def test_one_transaction_takes_many_callers(tmp_path: Path) -> None:
    """A hundred appends of a moment are synced to disk a few times only."""

    async def run() -> None:
        async with opened(tmp_path / "store.db") as store:
            await asyncio.gather(*(create(store, stream) for stream in range(1, 101)))
            commits = 0

            def count() -> bool:
                nonlocal commits
                commits += 1
                return False

            store._parts.connection.set_commit_hook(count)
            await asyncio.gather(*(store.append(append(stream, 1)) for stream in range(1, 101)))
            store._parts.connection.set_commit_hook(None)
            assert 1 <= commits <= 5

    asyncio.run(run())


def test_a_bug_in_one_job_spares_the_others(tmp_path: Path) -> None:
    """A value that SQLite cannot hold fails its own append alone."""

    async def run() -> None:
        async with opened(tmp_path / "store.db") as store:
            for stream in (1, 2, 3):
                await create(store, stream)
            bad = append(2, 1)
            huge = replace(bad.events[0], time_ms=1 << 70)
            results = await asyncio.gather(
                store.append(append(1, 1)),
                store.append(replace(bad, events=(huge,))),
                store.append(append(3, 1)),
                store.append(append(3, 1)),
                return_exceptions=True,
            )
            assert [bytes, OverflowError, bytes, Conflict] == [type(result) for result in results]
            assert [1] == await versions_of(store, 2) and [1, 2] == await versions_of(store, 3)

    asyncio.run(run())


def test_two_openings_in_one_process_are_two_nodes(tmp_path: Path) -> None:
    """They see each other's commits and share no lease, and a closed loop hurts neither."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path) as one, opened(path) as two:
            assert one.node != two.node
            for stream in range(1, 11):
                await create(one if stream % 2 else two, stream)
            await asyncio.gather(
                *((one if stream % 2 else two).append(append(stream, 1)) for stream in range(1, 11))
            )
            assert 20 == await one.feed_end() == await two.feed_end()
            await refused(LeaseHeld, two.lease(1))

    asyncio.run(run())


def test_listing_uses_an_index_in_order(tmp_path: Path) -> None:
    """No listing sorts all sessions or walks through those it does not want."""
    from holdfast.adapters.store import sqlite_read

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
