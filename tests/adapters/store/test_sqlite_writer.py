"""The writer of the SQLite store: group commits, and failing ones."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest
from store_help import FaultyFiles, opened

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.core.errors import (
    Conflict,
    CorruptStore,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    Unavailable,
)
from holdfast.ports.store import Append, Assert, GrantChange, NewLimit, Take
from holdfast.testing.store_kit import append, create, versions_of


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


@pytest.fixture
def faulty() -> Iterator[FaultyFiles]:
    """Register a file layer that fails on request."""
    files = FaultyFiles(f"faulty-{random.random()}")
    yield files
    files.unregister()


def test_a_failed_commit_fails_every_caller_and_applies_nothing(
    tmp_path: Path, faulty: FaultyFiles
) -> None:
    """If the log cannot be synced, all of the batch hear it and the store goes on."""

    async def run() -> None:
        async with opened(tmp_path / "store.db", vfs=faulty.name) as store:
            await asyncio.gather(*(create(store, stream) for stream in range(1, 11)))
            for error, typed in (
                (apsw.IOError, Unavailable),
                (apsw.ReadOnlyError, StoreReadOnly),
                (apsw.CorruptError, CorruptStore),
                (apsw.BusyError, StoreBusy),
            ):
                faulty.arm(None, error)
                results = await asyncio.gather(
                    *(store.append(append(stream, 1)) for stream in range(1, 11)),
                    return_exceptions=True,
                )
                faulty.arm(0)
                assert [typed] * 10 == [type(result) for result in results]
                for stream in range(1, 11):
                    assert [1] == await versions_of(store, stream)
            await asyncio.gather(*(store.append(append(stream, 1)) for stream in range(1, 11)))

    asyncio.run(run())


def test_a_full_disk_refuses_what_is_not_urgent_only(tmp_path: Path, faulty: FaultyFiles) -> None:
    """In one batch: the urgent append gets the ballast's room, the others StoreFull."""
    ballast = tmp_path / "store.db.ballast"
    step = faulty.step

    def full_while_ballast_is_there() -> None:
        if faulty.fail_at is None and not ballast.exists():
            return
        step()

    async def run() -> None:
        async with opened(tmp_path / "store.db", vfs=faulty.name) as store:
            for stream in range(1, 4):
                await create(store, stream)
            faulty.step = full_while_ballast_is_there
            faulty.arm(None, apsw.FullError)
            results = await asyncio.gather(
                store.append(append(1, 1)),
                store.append(append(2, 1, urgent=True)),
                store.append(append(3, 1)),
                return_exceptions=True,
            )
            faulty.arm(0)
            assert [StoreFull, bytes, StoreFull] == [type(result) for result in results]
            assert [[1], [1, 2], [1]] == [await versions_of(store, n) for n in (1, 2, 3)]
            await store.append(append(1, 1))
            assert ballast.exists(), "with room again the ballast is back"

    asyncio.run(run())


async def _story(store: SqliteStore, acknowledged: list[int]) -> None:
    """Append ten times; after an error, go on from where the store says it is."""
    for _ in range(10):
        row = await store.stream_row(1)
        assert row is not None
        take = (Take(counter="n", amount=3),)
        try:
            await store.append(append(1, row.version, 3, epoch=row.epoch, takes=take))
        except Unavailable:
            continue
        acknowledged.append(row.version + 3)


async def _told_with_a_fault(files: FaultyFiles, path: Path, nth: int) -> bool:
    """Tell the story with the n-th operation failing; False if it has fewer."""
    acknowledged: list[int] = []
    store = await SqliteStore.open(path, vfs=files.name)
    await store.lease(1)
    # A log this short is brought into the file again and again meanwhile.
    store._writer.checkpoint_pages = 8
    files.arm(nth, files.error)
    await _story(store, acknowledged)
    hit = files.seen >= nth
    files.arm(0, files.error)
    # What a crash now would leave; copied by another process, as contract 1.14 asks.
    image = path.with_name(f"image-{path.name}")
    for end in ("", "-wal"):
        await asyncio.to_thread(subprocess.run, ["cp", f"{path}{end}", f"{image}{end}"], check=True)
    store.abandon()
    async with opened(image) as store:
        versions = await versions_of(store, 1)
        assert list(range(1, len(versions) + 1)) == versions
        assert 0 == (len(versions) - 1) % 3, "appends are whole"
        assert 9 <= len(acknowledged) and max(acknowledged) == len(versions)
        counter = await store.counter("n")
        assert counter is not None and len(versions) - 1 == counter.held
        assert [] == await store.verify_pages()
    return hit


def test_a_failed_commit_makes_no_counter_and_no_grant(tmp_path: Path, faulty: FaultyFiles) -> None:
    """What an append makes and changes beside its events is undone with it, also in memory."""

    def spending(stream: int) -> Append:
        return append(
            stream,
            1,
            takes=(Take(counter=f"c{stream}", amount=1, limit=5),),
            grants=(GrantChange(scope="s", id=b"%d" % stream, body=b"x"),),
            limits=(NewLimit(counter="all", limit=stream),),
        )

    async def run() -> None:
        async with opened(tmp_path / "store.db", vfs=faulty.name) as store:
            await asyncio.gather(*(create(store, stream) for stream in (1, 2, 3)))
            faulty.arm(None)
            attempts = [store.append(spending(stream)) for stream in (1, 2, 3)]
            results = await asyncio.gather(*attempts, return_exceptions=True)
            faulty.arm(0)
            assert [Unavailable] * 3 == [type(result) for result in results]
            assert {} == await store.counters(["c1", "c2", "c3", "all"])
            assert (0, []) == await store.grants("s")
            relied = replace(spending(1), asserts=(Assert(scope="s", revision=0),))
            await store.append(relied)
            assert 1 == (await store.grants("s"))[0]
            assert {"c1", "all"} == set(await store.counters(["c1", "c2", "all"]))

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
def test_the_nth_write_fails(tmp_path: Path, faulty: FaultyFiles, error: type[apsw.Error]) -> None:
    """Whichever operation fails: what was acknowledged is there, nothing is there in part."""

    async def prepare() -> None:
        async with opened(tmp_path / "fresh.db") as store:
            await store.set_counter("n", None)
            await create(store, 1)

    asyncio.run(prepare())
    faulty.error = error
    nth, hit = 0, True
    while hit:
        nth += 1
        path = tmp_path / f"{nth}.db"
        # No connection is open here, so the file may be copied.
        shutil.copy(tmp_path / "fresh.db", path)
        hit = asyncio.run(_told_with_a_fault(faulty, path, nth))
        for file in tmp_path.glob(f"*{nth}.db*"):
            file.unlink()
    assert nth > 40, "the loop has met every write and sync of the story"


def test_a_result_for_a_closed_loop_is_dropped(tmp_path: Path) -> None:
    """A caller whose loop has gone does not stop the writer."""
    path = tmp_path / "store.db"
    loop = asyncio.new_event_loop()
    store = loop.run_until_complete(SqliteStore.open(path))
    loop.run_until_complete(create(store, 1))
    descriptor = os.open(path.with_name("store.db.writer"), os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    task = loop.create_task(store.append(append(1, 1)))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()
    os.close(descriptor)

    async def after() -> None:
        await store.append(append(1, 2))
        assert [1, 2, 3] == await versions_of(store, 1)
        await store.aclose()

    asyncio.run(after())


def test_a_long_queue_makes_nobody_late(tmp_path: Path) -> None:
    """Only waiting for another process is busy; large jobs in line are just slow."""

    async def run() -> None:
        async with opened(tmp_path / "store.db", busy_s=0.02) as store:
            await create(store, 1)
            await asyncio.gather(
                *(store.put_blob(1, b"blob", part, bytes(1024 * 1024)) for part in range(40))
            )
            assert 40 == await store.drop_blobs(1)

    asyncio.run(run())
