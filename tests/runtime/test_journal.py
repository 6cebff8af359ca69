"""The journal: sealed rows, blobs, a verified chain, lost acknowledgements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.errors import BlobNotFound, ChainBroken, Conflict, Unavailable, Unreadable
from holdfast.core.events import Paused, Resumed
from holdfast.runtime.handle import Session
from holdfast.runtime.journal import INLINE_BYTES_MAX, PART_BYTES, Extras, Journal
from sessionhelp import echo, one_session, run


async def leading(session: Session) -> Journal:
    """The journal of the session's engine."""
    engine = session._core.live(session.where.stream)
    assert engine is not None
    return engine.journal


def test_a_row_that_was_changed_anywhere_is_found() -> None:
    """Any flipped byte, a missing or a swapped row breaks the replay."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("q")
            journal = session.where.backend.journal(session.where.row)
            store = session.where.backend.store
            good = await store.read(journal.stream, 0, 100)
            changes: list[Any] = [
                [replace(good[1], body=good[1].body[:-1] + bytes([good[1].body[-1] ^ 1]))],
                [replace(good[1], hash=good[1].hash[:-1] + bytes([good[1].hash[-1] ^ 1]))],
                [replace(good[1], kind=good[1].kind ^ 1)],
                [replace(good[1], time_ms=good[1].time_ms + 1)],
                [replace(good[1], actor=good[1].actor + 1)],
                [replace(good[1], epoch=good[1].epoch + 1)],
            ]
            variants = [[good[0], *change, *good[2:]] for change in changes]
            variants += [[good[0], *good[2:]], [good[0], good[2], good[1], *good[3:]]]
            for variant in variants:
                journal.store = Fake(variant)
                with pytest.raises((ChainBroken, Unreadable)):
                    async for _ in journal.replay():
                        pass
            journal.store = Fake(list(good))
            assert len(good) == sum([1 async for _ in journal.replay()])

    run(work())


class Fake:
    """A store that gives these rows."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    async def read(self, stream: int, after: int, limit: int) -> list[Any]:
        """The rows behind a version, in the order they were given."""
        return [row for row in self._rows if row.version > after][:limit]


def test_large_payloads_are_blobs_and_come_back() -> None:
    """A payload over the inline limit is kept in parts and read back whole."""

    async def work() -> None:
        async with one_session(echo()) as session:
            text = "ä" * INLINE_BYTES_MAX
            await session.set_system_prompt(text)
            rows = await session.where.backend.store.read(session.where.stream, 0, 100)
            assert all(len(row.body) < 1000 for row in rows)
            journal = session.where.backend.journal(session.where.row)
            event = (await journal.event_at(len(rows))).event
            assert text == event.system_prompt
            for size in (0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1):
                blob, parts, digest = await journal.put_blob(b"x" * size)
                assert b"x" * size == await journal.get_blob(blob, parts, digest)
                assert max(1, -(-size // PART_BYTES)) == parts
                with pytest.raises(Unreadable):
                    await journal.get_blob(blob, parts, "0" * 64)
                with pytest.raises(BlobNotFound):
                    await journal.get_blob(blob, parts + 1)

    run(work())


@pytest.mark.parametrize("stored", [True, False])
def test_a_lost_acknowledgement_is_settled_by_looking(stored: bool) -> None:
    """Stored: the append counts as done; not stored: the error stands, the head stays."""

    async def work() -> None:
        async with one_session(echo()) as session:
            journal = await leading(session)
            inner, version = journal.store.append, journal.version

            async def append(request: Any) -> None:
                if stored:
                    await inner(request)
                raise Unavailable("the connection was lost")

            journal.store.append = append
            events = [(Paused(), 0), (Resumed(), 0)]
            if stored:
                await journal.append(events, now_ms=1, extras=Extras())
            else:
                with pytest.raises(Unavailable):
                    await journal.append(events, now_ms=1, extras=Extras())
            assert version + (2 if stored else 0) == journal.version
            journal.store.append = inner

    run(work())


def test_another_ones_row_is_a_conflict() -> None:
    """A row at our version that we did not write means that the lease is lost."""

    async def work() -> None:
        async with one_session(echo()) as session:
            journal = await leading(session)
            other = replace_journal(journal)
            await other.append([(Paused(), 0)], now_ms=1, extras=Extras())
            with pytest.raises(Conflict):
                await journal.append([(Paused(why="x"), 0)], now_ms=1, extras=Extras())

    run(work())


def replace_journal(journal: Journal) -> Journal:
    """A second journal that stands where the first does."""
    return Journal(
        store=journal.store,
        keys=journal.keys,
        clock=journal.clock,
        stream=journal.stream,
        crypto=journal.crypto,
        version=journal.version,
        head=journal.head,
        epoch=journal.epoch,
    )


def test_nothing_is_sealed_twice_the_same() -> None:
    """The same events sealed again give other ciphertexts: nonces are random."""

    async def work() -> None:
        async with one_session(echo()) as session:
            journal = await leading(session)
            events = [(Paused(why="same"), 0)]
            once = await journal.seal(events, now_ms=1)
            again = await journal.seal(events, now_ms=1)
            assert once[0].body != again[0].body

    run(work())


def test_an_event_that_is_not_there() -> None:
    """Asking for a version beyond the end is Unreadable."""

    async def work() -> None:
        async with one_session(echo()) as session:
            journal = session.where.backend.journal(session.where.row)
            for version in (0, 2, 100):
                with pytest.raises(Unreadable):
                    await journal.event_at(version)

    run(work())
