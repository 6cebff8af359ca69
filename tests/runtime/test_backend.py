"""A backend: birth, loading, leading, and what stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.core.errors import ChainBroken, HoldfastError, KeyDestroyed, SessionExists
from holdfast.core.events import Opened
from holdfast.core.lifecycle import SessionState
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.audit import verify_store
from holdfast.runtime.audit_chain import Kind
from holdfast.runtime.backend import Backend, Follower
from sessionhelp import echo, memory, on_file, one_session, run

OPENED = Opened(session_id="two", tenant="default", user_id="u", installation="x", commitment="y")


def backend(sessions: object) -> Backend:
    """The only backend."""
    found: Backend = sessions.distinct_backends()[0][1]
    return found


def test_a_pseudonym_is_stable_and_not_the_name(tmp_path: Path) -> None:
    """The same principal has the same number, also after a restart; others have others."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            one = await backend(sessions).actor("default", "ann")
            assert one == await backend(sessions).actor("default", "ann")
            assert one != await backend(sessions).actor("default", "bob")
            assert one != await backend(sessions).actor("other", "ann")
        async with on_file(tmp_path, echo()) as sessions:
            assert one == await backend(sessions).actor("default", "ann")

    run(work())


def test_a_birth_fills_in_installation_and_commitment() -> None:
    """Event 1 commits to the key, whatever the caller wrote; a second birth is refused."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            await sessions.ready()
            loaded = await backend(sessions).create(OPENED, (), actor=1)
            first = (await loaded.journal.event_at(1)).event
            assert isinstance(first, Opened)
            assert backend(sessions).keys.installation.hex() == first.installation
            assert loaded.journal.crypto is not None
            assert loaded.journal.crypto.commitment.hex() == first.commitment
            with pytest.raises(SessionExists):
                await backend(sessions).create(OPENED, (), actor=1)

    run(work())


def test_a_log_under_another_sessions_name_is_refused() -> None:
    """A stream whose event 1 commits to another key is not led."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            one = await sessions.create_session("one")
            two = await sessions.create_session("two")
            for session in (one, two):
                await session.generate("q")
            found = backend(sessions)
            engine = sessions.live(one.where.stream)
            assert engine is not None
            await engine.stop()
            inner = found.store.read

            async def read(stream: int, *given: object, **more: object) -> object:
                return await inner(two.where.stream, *given, **more)

            found.store.read = read
            with pytest.raises(HoldfastError):
                await found.lead(one.where.row)
            found.store.read = inner
            await found.lead(one.where.row)

    run(work())


def test_a_missing_last_event_is_found() -> None:
    """A log that ends before its row says so is not led."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            await engine.stop()
            found = backend(sessions)
            inner, last = found.store.read, engine.view.version

            async def read(*given: object, **more: object) -> object:
                rows = await inner(*given, **more)
                return [row for row in rows if row.version < last]

            found.store.read = read
            with pytest.raises(ChainBroken):
                await found.lead(session.where.row)
            found.store.read = inner
            assert last == (await found.lead(session.where.row)).view.version

    run(work())


def test_a_wipe_that_was_cut_off_is_finished_by_the_next_leader(tmp_path: Path) -> None:
    """Key destroyed, attestation missing: leading attests it; before that it is half wiped.

    A command that came in between is no fault of the store; what else waits is one.
    """

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            inner = engine.destroy_key

            async def half() -> None:
                engine.host.keys.destroy_session(
                    engine.journal.stream, now_ms=engine.host.clock.now_ms()
                )

            engine.destroy_key = half
            from holdfast.core.commands import Terminate

            await session.submit(Terminate())
            while not engine.view.wiping:
                await session.submit(Terminate())
            assert inner is not half
        async with on_file(tmp_path, echo()) as sessions:
            where, store = session.where, backend(sessions).store
            for kind, problems in ((PendingKind.COMMAND, 0), (PendingKind.QUESTION, 1)):
                await store.submit(PendingRow(stream=where.stream, kind=kind, id=bytes(16)))
                report = await verify_store(sessions)
                waits = [one for one in report.findings if one.kind is Kind.PENDING]
                assert problems == len(waits) and report.ok is not bool(waits), report
                assert any("cut off" in one.text for one in report.findings)
            found = await sessions.resume_interrupted()
            assert 1 == len(found)
            stream = found[0].where.stream
            store = backend(sessions).store
            while True:
                row = await store.stream_row(stream)
                assert row is not None
                if row.index.state == int(SessionState.TERMINATED):
                    break
                await store.changed(0.05)
            with pytest.raises(KeyDestroyed):
                await backend(sessions).load(row)
            report = await verify_store(sessions)
            assert report.ok and () == report.findings

    run(work())


def test_a_follower_stops_where_it_is_told() -> None:
    """`advance` reads what is new, at most to where a condition holds."""

    async def work() -> None:
        async with one_session(echo()) as session:
            follower = await session._core.follow(session.where, until=1)
            assert isinstance(follower, Follower) and 1 == follower.view.version
            await session.generate("q")
            steps = await follower.advance(lambda view: view.version == 3)
            assert [2, 3] == [recorded.version for _, _, recorded in steps]
            await follower.advance()
            assert await session.version() == follower.view.version
            assert [] == await follower.advance()
            assert await session.history() == [e.message for e in follower.bodies.visible()]

    run(work())
