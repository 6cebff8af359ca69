"""Snapshots are a cache: good ones are used, all others ignored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from holdfast.runtime.snapshot import EVENTS_MIN, load_state, write_snapshot
from sessionhelp import echo, on_file, run


def test_the_fold_from_a_snapshot_is_the_fold_from_the_log(tmp_path: Path) -> None:
    """With and without the snapshot, after more turns and a rewind, the state is the same."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            for i in range(3):
                await session.generate(f"q{i}")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            await write_snapshot(engine.journal, engine.view, engine.bodies)
            at = engine.view.version
            await session.rewind(at - 3)
            await session.generate("more")
            journal = session.where.backend.journal(session.where.row)
            with_it = await load_state(journal)
            without = await load_state(journal, use_snapshot=False)
            assert with_it == without
            early = await load_state(journal, until=3)
            assert 3 == early[0].version
            assert early == await load_state(journal, use_snapshot=False, until=3)

    run(work())


def test_a_snapshot_that_does_not_fit_is_ignored(tmp_path: Path) -> None:
    """Another fold id, head, version or body: the log is folded instead."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            await write_snapshot(engine.journal, engine.view, engine.bodies)
            store, stream = session.where.backend.store, session.where.stream
            good = await store.get_snapshot(stream)
            assert good is not None
            journal = session.where.backend.journal(session.where.row)
            expected = await load_state(journal, use_snapshot=False)
            for bad in (
                replace(good, fold_id=good.fold_id + 1),
                replace(good, head=bytes(32)),
                replace(good, version=good.version - 1),
                replace(good, body=good.body[:-1] + bytes([good.body[-1] ^ 1])),
                replace(good, body=b""),
            ):
                await store.put_snapshot(stream, bad)
                assert expected == await load_state(journal)

    run(work())


def test_long_sessions_get_a_snapshot_by_themselves(tmp_path: Path) -> None:
    """After enough events a turn's end leaves a snapshot that opens to the same history."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            while await session.version() <= EVENTS_MIN + 5:
                await session.generate("q")
            store, stream = session.where.backend.store, session.where.stream
            assert await store.get_snapshot(stream) is not None
            before = await session.history()
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.get_session("one")
            assert before == await session.history()
            assert "re: z" == (await session.generate("z")).text

    run(work())
