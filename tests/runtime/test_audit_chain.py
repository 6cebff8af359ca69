"""Walking a chain: every flipped byte, dropped, exchanged or inserted row is found and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.adapters.store.memory_disk import Stream
from holdfast.bootstrap import SessionManager
from holdfast.ports.store import SealedEvent
from holdfast.runtime.audit import verify_session
from holdfast.runtime.audit_chain import Finding, Kind
from holdfast.runtime.backend import Backend
from holdfast.runtime.snapshot import load_state, write_snapshot
from holdfast.testing.script import say
from moving_kit import World, flips

COLUMNS = ("version", "kind", "time_ms", "actor", "key_id", "epoch")


async def small(manager: SessionManager, name: str = "one") -> Stream:
    """A small session; returns what the disk has of it."""
    session = await manager.create_session(name)
    await session.generate("hello")
    await session.set_title("title")
    store = session.where.backend.store
    assert isinstance(store, MemoryStore)
    return store.disk.streams[session.where.stream]


def altered_rows(row: SealedEvent, stride: int) -> Iterator[tuple[str, SealedEvent]]:
    """Every way to flip one bit of a byte of a row, with the column's name."""
    for column in COLUMNS:
        number = getattr(row, column)
        for data in flips(number.to_bytes(8, "big")):
            value = int.from_bytes(data, "big")
            if value < 2**63:
                yield column, replace(row, **{column: value})
    for column in ("body", "hash"):
        for data in flips(getattr(row, column), stride):
            yield column, replace(row, **{column: data})


async def flip_everything(world: World, stride: int) -> int:
    """Flip bytes one after the other; returns how many flips were tried."""
    tried = 0
    async with world.manager(say("hi"), say("more")) as manager:
        stream = await small(manager)
        backend = manager.distinct_backends()[0][1]
        assert [] == await verify_session(backend, stream.row)
        for place, row in enumerate(tuple(stream.events)):
            for column, altered in altered_rows(row, stride):
                tried += 1
                stream.events[place] = altered
                found = await verify_session(backend, stream.row)
                named = {finding.version for finding in found if finding.severity == "finding"}
                wanted = {row.version, altered.version}
                assert named & wanted, (place, column, found)
            stream.events[place] = row
    return tried


def test_flipped_bytes_are_found_and_named() -> None:
    """A turned bit in a header column, nonce, ciphertext or hash is found at its event."""
    assert asyncio.run(flip_everything(World(), 61)) > 200


@pytest.mark.slow
def test_every_flipped_byte_is_found_and_named() -> None:
    """The same for every single byte of every column."""
    assert asyncio.run(flip_everything(World(), 1)) > 800


def changed(change: Callable[[list[SealedEvent], list[SealedEvent]], object]) -> list[Finding]:
    """Findings after a change to the rows of one of two sessions."""

    async def main() -> list[Finding]:
        async with World().manager(*(say("x"),) * 4) as manager:
            one, two = await small(manager), await small(manager, "two")
            change(one.events, two.events)
            return await verify_session(manager.distinct_backends()[0][1], one.row)

    return asyncio.run(main())


def kinds(findings: list[Finding]) -> set[tuple[Kind, int]]:
    """What was found, and where."""
    return {(one.kind, one.version) for one in findings if one.severity == "finding"}


def exchange(rows: list[SealedEvent], here: int, there: int, *, renumber: bool) -> None:
    """Exchange two rows, with or without giving each the other's version."""
    first, second = rows[here], rows[there]
    if renumber:
        first = replace(first, version=second.version)
        second = replace(second, version=rows[here].version)
    rows[here], rows[there] = second, first


def test_a_dropped_row_is_named() -> None:
    """A row that is missing in the middle, and the last one, are named by version."""
    assert (Kind.MISSING, 3) in kinds(changed(lambda one, _: one.pop(2)))
    found = changed(lambda one, _: one.pop())
    last = max(version for _, version in kinds(found))
    assert {(Kind.MISSING, last)} == kinds(found)
    assert (Kind.MISSING, 1) in kinds(changed(lambda one, _: one.pop(0)))
    assert (Kind.MISSING, 1) in kinds(changed(lambda one, _: one.clear()))


def test_exchanged_rows_are_named() -> None:
    """Rows that changed places, with or without their numbers, are named."""
    found = kinds(changed(lambda one, _: exchange(one, 1, 2, renumber=True)))
    assert {(Kind.ALTERED, 2), (Kind.ALTERED, 3)} <= found
    found = kinds(changed(lambda one, _: exchange(one, 1, 2, renumber=False)))
    assert (Kind.OUT_OF_PLACE, 2) in found or (Kind.MISSING, 2) in found


def test_a_row_of_another_session_is_named() -> None:
    """A row taken from another session in place of one's own is named."""
    found = kinds(changed(lambda one, two: one.__setitem__(1, two[1])))
    assert {(Kind.ALTERED, 2)} == {one for one in found if one[1] == 2}


def test_an_inserted_row_is_named() -> None:
    """Rows beyond the head, and a doubled one, are named."""
    found = kinds(changed(lambda one, two: one.append(replace(one[-1], version=len(one) + 1))))
    assert Kind.BEYOND_HEAD in {kind for kind, _ in found}
    found = kinds(changed(lambda one, two: one.insert(2, one[1])))
    assert (Kind.OUT_OF_PLACE, 2) in found


def with_row(change: Callable[[Stream, Backend], object]) -> list[Finding]:
    """Findings after a change to a session's row or to what belongs to it."""

    async def main() -> list[Finding]:
        async with World().manager(say("x")) as manager:
            stream = await small(manager)
            backend = manager.distinct_backends()[0][1]
            change(stream, backend)
            return await verify_session(backend, stream.row)

    return asyncio.run(main())


def test_a_wrong_head_and_a_cut_off_row_are_named() -> None:
    """The row names the head: another hash, a version too high or too low are findings."""

    def head(stream: Stream, backend: Backend) -> None:
        stream.row = replace(stream.row, head=bytes(32))

    def version(stream: Stream, backend: Backend) -> None:
        stream.row = replace(stream.row, version=stream.row.version - 1)

    def epoch(stream: Stream, backend: Backend) -> None:
        stream.row = replace(stream.row, epoch=0)

    assert {Kind.HEAD} == {kind for kind, _ in kinds(with_row(head))}
    assert Kind.BEYOND_HEAD in {kind for kind, _ in kinds(with_row(version))}
    assert {Kind.INDEX} == {kind for kind, _ in kinds(with_row(epoch))}


def test_cutting_off_log_and_row_together_leaves_only_the_index() -> None:
    """Who edits both log and row is found only where the index still tells; the report says so."""

    def both(stream: Stream, backend: Backend) -> None:
        stream.events.pop()
        last = stream.events[-1]
        stream.row = replace(stream.row, version=last.version, head=last.hash)

    assert {Kind.INDEX} == {kind for kind, _ in kinds(with_row(both))}


def test_large_payloads_are_checked() -> None:
    """A missing or altered part of a large payload is found at its event."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            await session.add_message("x" * 1_500_000)
            backend = session.where.backend
            stream = world.disk.streams[session.where.stream]
            assert [] == await verify_session(backend, stream.row)
            (first, second), whole = sorted(stream.blobs), dict(stream.blobs)
            for change in (
                lambda: stream.blobs.pop(second),
                lambda: stream.blobs.__setitem__(first, next(flips(whole[first]))),
                lambda: stream.blobs.__setitem__(first, whole[second]),
            ):
                change()
                found = await verify_session(backend, stream.row)
                assert {(Kind.BLOB, 2)} == kinds(found)
                stream.blobs.update(whole)

    asyncio.run(main())


def test_a_snapshot_is_compared() -> None:
    """A good cached fold is silent, an unreadable one is a note, a wrong one a finding."""

    async def main() -> None:
        async with World().manager(say("hi")) as manager:
            stream = await small(manager)
            backend = manager.distinct_backends()[0][1]
            journal = backend.journal(stream.row)
            view, bodies = await load_state(journal)
            journal.version, journal.head = view.version, stream.row.head
            await write_snapshot(journal, view, bodies)
            assert [] == await verify_session(backend, stream.row)
            assert stream.snapshot is not None
            good = stream.snapshot
            stream.snapshot = replace(good, body=next(flips(good.body)))
            found = await verify_session(backend, stream.row)
            assert [(Kind.SNAPSHOT, "note")] == [(f.kind, f.severity) for f in found]
            stream.snapshot = None
            await write_snapshot(journal, replace(view, turn_count=99), bodies)
            found = await verify_session(backend, stream.row)
            assert [(Kind.SNAPSHOT, "finding")] == [(f.kind, f.severity) for f in found]

    asyncio.run(main())
