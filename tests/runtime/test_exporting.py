"""Exporting: stored bytes as they are, complete, atomic, without a lease."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.core.errors import ChainBroken, InvalidInput, KeyDestroyed, SessionNotFound
from holdfast.runtime.exporting import export_session, export_text
from holdfast.runtime.jsonl import read_export
from moving_kit import World, rich_session, script


def test_payloads_are_the_stored_bytes(tmp_path: Path) -> None:
    """Each event line carries the very bytes that the stored event decrypts to."""

    async def main() -> None:
        async with World().manager(*script()) as manager:
            session = await rich_session(manager, tmp_path / "ws")
            out = io.BytesIO()
            count = await export_session(manager, session.id, out)
            file = read_export(io.BytesIO(out.getvalue()))
            journal = session.where.backend.journal(session.where.row)
            rows = await journal.store.read(journal.stream)
            assert count == len(rows) == len(file.events)
            for row, line in zip(rows, file.events, strict=True):
                assert await journal.payload(row) == line.payload.encode()
                assert (row.hash.hex(), row.kind, row.time_ms, row.actor, row.epoch) == (
                    line.hash,
                    line.kind,
                    line.time_ms,
                    line.actor,
                    line.epoch,
                )

    asyncio.run(main())


def test_large_payloads_and_kept_outputs_come_along(tmp_path: Path) -> None:
    """A payload that had become a blob is inlined, and a tool's kept output has its lines."""

    async def main() -> None:
        world = World()
        async with world.manager(*script()) as manager:
            session = await rich_session(manager, tmp_path / "ws")
            await session.add_message("x" * 400_000)
            engine = manager.live(session.where.stream)
            assert engine is not None
            blob, parts, _ = await engine.journal.put_blob(b"\0kept" * 300_000)
            await session.add_message(f'kept as "spill:{blob.hex()}-{parts}"')
            await session.add_message(f'gone: "spill:{bytes(16).hex()}-1"')
            out = io.BytesIO()
            await export_session(manager, session.id, out)
            file = read_export(io.BytesIO(out.getvalue()))
            assert any("x" * 400_000 in line.payload for line in file.events)
            assert {blob: b"\0kept" * 300_000} == file.spills
            assert 1 == file.missing

    asyncio.run(main())


def test_a_file_is_private_and_put_in_place_when_complete(tmp_path: Path) -> None:
    """The file is the owner's only; a failed export leaves the old one and no rubbish."""

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            session = await manager.create_session("one")
            path = tmp_path / "one.jsonl"
            await export_session(manager, "one", path)
            assert 0o600 == stat.S_IMODE(path.stat().st_mode)
            before = path.read_bytes()
            await session.add_message("more")
            events = world.disk.streams[session.where.stream].events
            events[1] = replace(events[1], time_ms=events[1].time_ms + 1)
            with pytest.raises(ChainBroken):
                await export_session(manager, "one", path)
            assert before == path.read_bytes()
            assert ["one.jsonl"] == os.listdir(tmp_path)

    asyncio.run(main())


def test_a_session_led_elsewhere_is_exported() -> None:
    """Reading needs no lease: another process may lead the session meanwhile."""

    async def main() -> None:
        world = World()
        async with world.manager() as leader:
            await leader.create_session("one")
            async with world.manager() as reader:
                text = await export_text(reader, "one")
                assert "one" == json.loads(text.splitlines()[0])["holdfast"]["session_id"]
                assert leader.live(next(iter(world.disk.streams))) is not None

    asyncio.run(main())


def test_what_cannot_be_exported_is_refused() -> None:
    """An unknown session, a wiped one and an unknown format are distinct errors."""

    async def main() -> None:
        async with World().manager() as manager:
            await manager.create_session("one")
            with pytest.raises(InvalidInput):
                await export_text(manager, "one", "xml")
            with pytest.raises(SessionNotFound):
                await export_text(manager, "two")
            where = await manager.locate("one")
            where.backend.keys.destroy_session(where.stream, now_ms=1)
            with pytest.raises(KeyDestroyed):
                await export_text(manager, "one")

    asyncio.run(main())
