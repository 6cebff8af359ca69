"""Plain exports: on record before anything is written, told by the receipt of a wipe."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.core.errors import HoldfastError
from holdfast.testing.script import hang
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import echo, on_file, run


def test_the_receipt_tells_of_plain_exports(tmp_path: Path) -> None:
    """Each is on record before it is given out, and no wipe reaches it."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("a")
            for form in ("jsonl", "session_data", "serializable_session"):
                await sessions.export_text("one", form)
            await sessions.to_session_data("one")
            await sessions.to_serializable("one")
            await sessions.export_session("one", tmp_path / "file")
            view = await session.view()
            assert (6, 1) == (view.exports, view.turn_count)
            receipt = await sessions.terminate_session("one")
            assert 6 == len(receipt.exports)
            assert view.version == receipt.exports[-1].version
            assert all(0 < one.time_ms <= receipt.destroyed_at_ms for one in receipt.exports)
            with pytest.raises(HoldfastError):
                await sessions.export_text("one")

    run(work())


def test_an_export_takes_up_nothing(tmp_path: Path) -> None:
    """Of a session that was cut off it waits to be recorded, and nothing is begun for it."""

    async def work() -> None:
        model = ScriptedModel([hang("x")])
        async with on_file(tmp_path, model) as sessions:
            session = await sessions.create_session("one")
            task = asyncio.create_task(session.generate("a"))
            await model.hanging.wait()
        await asyncio.gather(task, return_exceptions=True)
        other = echo()
        async with on_file(tmp_path, other) as sessions:
            assert "a" in await sessions.export_text("one")
            where = await sessions.locate("one")
            assert sessions.live(where.stream) is None
            assert 1 == len(await where.backend.store.pending(where.stream))
            receipt = await sessions.terminate_session("one")
            assert 1 == len(receipt.exports)

    run(work())
