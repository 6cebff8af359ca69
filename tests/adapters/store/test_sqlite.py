"""The SQLite store as a whole: locks, full disks, erasing, processes, crashes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from store_help import CHILD, child, made, opened

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.adapters.store.sqlite_files import (
    BALLAST_BYTES,
)
from holdfast.core.errors import (
    BlobNotFound,
    LeaseHeld,
    StoreBusy,
    StoreFull,
)
from holdfast.ports.store import Filter, IndexRow, PendingKind, PendingRow, Snapshot
from holdfast.testing.store_kit import append, create, refused, versions_of

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
            with pytest.raises(StoreFull):
                for at in range(1, 5000):
                    await store.append(append(1, at, index=IndexRow(state=1)))
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
            assert 2 == len((await store.list_streams(Filter())).rows), "reading goes on"
            await store.release(1, 1)
            assert 2 == (await store.lease(1)).epoch

            os.unlink(fill)
            await store.append(append(1, len(before), epoch=2))
            assert BALLAST_BYTES == ballast.stat().st_size
            assert (await store.health()).ok and [] == await store.verify_pages()

    asyncio.run(run())


def _cancel() -> PendingRow:
    return PendingRow(stream=1, kind=PendingKind.COMMAND, id=b"cancel", payload=b"stop")


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount 24 MB of their own, where the system lets us."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_keeps_room_for_what_is_urgent(small_disk: Path) -> None:
    """Contract 2.21, on a real file system that is full."""
    _ballast_story(small_disk, small_disk / "fill")


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


def test_two_processes_write_side_by_side(tmp_path: Path) -> None:
    """Neither starves, nobody waits long, and every row of both is there."""
    path = made(tmp_path / "store.db")
    command = [sys.executable, str(CHILD), "contend", str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    children = [subprocess.Popen([*command, str(base), "1.5"], **pipes) for base in (100, 200)]
    for one in children:
        assert "ready" == one.stdout.readline().strip()
    for one in children:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0].split() for one in children]
    counts, waits = [int(count) for count, _ in said], [float(wait) for _, wait in said]
    assert min(counts) > 0.25 * sum(counts), counts
    assert max(waits) < 1.0, waits

    async def check() -> None:
        async with opened(path) as store:
            for base, count in zip((100, 200), counts, strict=True):
                rows = [await store.stream_row(stream) for stream in range(base, base + 4)]
                assert count + 4 == sum(row.version for row in rows if row is not None)
            feed = await store.events_since(0, sum(counts) + 100)
            assert list(range(1, sum(counts) + 10)) == [one.cursor for one in feed]

    asyncio.run(check())


def test_two_processes_make_one_counter(tmp_path: Path) -> None:
    """Both make it with a limit of their own; one limit holds, and nobody passes it."""
    path = made(tmp_path / "store.db")
    command = [sys.executable, str(CHILD), "spend", str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    orders = (("100", "30"), ("200", "31"))
    children = [subprocess.Popen([*command, *order], **pipes) for order in orders]
    for one in children:
        assert "ready" == one.stdout.readline().strip()
    for one in children:
        one.stdin.write("go\n")
        one.stdin.flush()
    through = sum(int(one.communicate(timeout=60)[0]) for one in children)

    async def check() -> None:
        async with opened(path) as store:
            counter = await store.counter("shared")
            assert counter is not None and counter.limit in (30, 31)
            assert through == counter.held == counter.limit

    asyncio.run(check())


def _killed_after(path: Path, lines: int) -> dict[int, int]:
    """Run the appending child, kill it, and return the last acknowledged versions."""
    process = subprocess.Popen(
        [sys.executable, str(CHILD), "acknowledge", str(path), "12"],
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None
    said = b""
    while said.count(b"\n") < lines:
        assert select.select([process.stdout], [], [], 30)[0], "the child says nothing"
        more = os.read(process.stdout.fileno(), 65536)
        assert more, "the child has ended by itself"
        said += more
    process.kill()
    said += process.stdout.read()
    process.stdout.close()
    process.wait()
    acknowledged: dict[int, int] = {}
    for line in said.decode().splitlines(keepends=True):
        if line.endswith("\n"):
            stream, version = line.split()
            acknowledged[int(stream)] = max(int(version), acknowledged.get(int(stream), 0))
    return acknowledged


def _kill_loop(path: Path, kills: int) -> None:
    seeded = random.Random(kills)
    acknowledged: dict[int, int] = {}

    async def check() -> None:
        async with opened(path) as store:
            total = 0
            for stream, version in acknowledged.items():
                events = await store.read(stream, limit=100_000)
                versions = [event.version for event in events]
                assert list(range(1, len(versions) + 1)) == versions
                assert version <= len(versions), "an acknowledged event is lost"
                row = await store.stream_row(stream)
                assert row is not None and (len(versions), events[-1].hash) == (
                    row.version,
                    row.head,
                )
                total += len(versions) - 1
            counter = await store.counter("events")
            assert counter is not None and total == counter.held
            lease = await store.lease(1)
            assert 0.0 == lease.grace_s, "the dead node is known at once"
            await store.release(1, lease.epoch)
            assert [] == await store.verify_pages()

    for _ in range(kills):
        for stream, version in _killed_after(path, seeded.randint(1, 400)).items():
            acknowledged[stream] = max(version, acknowledged.get(stream, 0))
        asyncio.run(check())
    assert kills < sum(acknowledged.values()) / 12, "each life of the child has appended"


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_killed(tmp_path: Path) -> None:
    """SIGKILL in the middle of group commits, fifteen times on one file."""
    _kill_loop(tmp_path / "store.db", 15)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_killed_often(tmp_path: Path) -> None:
    """The same, a hundred and fifty times."""
    _kill_loop(tmp_path / "store.db", 150)
