"""Requests that come again find what their first coming made."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import CommandMismatch, SessionExists
from holdfast.core.principals import Principal
from holdfast.runtime.host import Commands
from holdfast.runtime.repeats import birth_of, made_before, name_of
from sessionhelp import echo, memory, run

ANN = Principal(id="user:ann", workspace="default", scopes=frozenset({"*"}))


def _asking(
    sessions: SessionManager, body: bytes = b"b", seed: bytes = b"k" * 32
) -> SessionManager:
    return sessions.acting_as(ANN, commands=Commands(seed, body))


def test_names_and_births() -> None:
    """They are the request's, whatever its body; without a key there are none."""
    one, other = Commands(b"k" * 32, b"x"), Commands(b"k" * 32, b"y")
    assert name_of(one) == name_of(other) != name_of(Commands(b"l" * 32, b"x"))
    assert birth_of(None) is None
    first, second = birth_of(one), birth_of(other)
    assert first is not None and second is not None
    assert (first[0], b"x", b"y") == (second[0], first[1], second[1])


def test_what_was_made_before(tmp_path: Path) -> None:
    """Only what the same request made, and never with another body."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            names = ("one",)
            assert await made_before(_asking(sessions), names) is None
            await sessions.create_session("one")
            assert await made_before(_asking(sessions), names) is None
            await _asking(sessions, seed=b"m" * 32).create_session("two")
            found = await made_before(_asking(sessions, seed=b"m" * 32), ("one", "two"))
            assert found is not None and "two" == found.row.name
            assert await made_before(sessions, ("two",)) is None
            with pytest.raises(CommandMismatch):
                await made_before(_asking(sessions, b"other", b"m" * 32), ("two",))

    run(work())


def test_an_import_that_comes_again(tmp_path: Path) -> None:
    """One session, also where the file's id is taken and where they come at once."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            source = await sessions.create_session("one")
            await source.generate("hello")
            file = tmp_path / "one.jsonl"
            file.write_text(await sessions.export_text("one"), "utf-8")
            came = [await _asking(sessions).import_file(file) for _ in range(3)]
            assert came[0] == came[1] == came[2]
            assert name_of(Commands(b"k" * 32, b"b")) == came[0].id
            assert any("is taken" in one for one in came[0].notes)
            with pytest.raises(CommandMismatch):
                await _asking(sessions, b"other").import_file(file)
            at_once = await asyncio.gather(
                *(_asking(sessions, seed=b"m" * 32).import_file(file, "two") for _ in range(8))
            )
            assert {"two"} == {one.id for one in at_once}
            assert 1 == len({one.notes for one in at_once})
            with pytest.raises(SessionExists):
                await _asking(sessions, seed=b"n" * 32).import_file(file, "two")
            await sessions.terminate_session("two")
            again = await _asking(sessions, seed=b"o" * 32).import_file(file, "two")
            assert "two" == again.id
            assert 3 == len(await sessions.get_all_sessions())

    run(work())


def test_what_a_crash_cut_off_is_done_by_the_next(tmp_path: Path) -> None:
    """The session was made, its large outputs were not kept yet."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            source = await sessions.create_session("one")
            large = b"\0kept" * 300_000
            journal = source.where.backend.journal(source.where.row)
            blob, parts, _ = await journal.put_blob(large)
            await source.add_message(f'kept as "spill:{blob.hex()}-{parts}"')
            file = tmp_path / "one.jsonl"
            file.write_text(await sessions.export_text("one"), "utf-8")
            first = await _asking(sessions).import_file(file, "two")
            there = (await sessions.get_session("two")).where
            await there.backend.store.drop_blobs(there.stream)
            assert first == await _asking(sessions).import_file(file, "two")
            found = await there.backend.journal(there.row).get_blob(blob, parts)
            assert large == found

    run(work())
