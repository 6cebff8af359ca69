"""Taking in a directory: once, files untouched, what cannot be is reported."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from holdfast.bootstrap import SessionManager
from holdfast.runtime.exporting import export_session
from holdfast.runtime.intake import take_in_directory
from moving_kit import SEEDFILES, World


def fill(directory: Path) -> dict[str, bytes]:
    """Put good and bad files into a directory; returns what is in it."""
    (directory / "sessions").mkdir()
    shutil.copy(SEEDFILES / "session_data.json", directory / "fix-tests.json")
    shutil.copy(SEEDFILES / "serializable_session.json", directory / "sessions" / "b.json")
    whole = (SEEDFILES / "session_data_old.json").read_text("utf-8")
    (directory / "torn.json").write_text(whole[: len(whole) // 2])
    (directory / "torn.jsonl").write_text('{"holdfast": {"format": 1}, "check": "')
    (directory / "empty.json").write_text("")
    (directory / "package.json").write_text('{"name": "x"}')
    (directory / "left.json.tmp").write_text("{")
    (directory / "notes.txt").write_text("not a session")
    return contents(directory)


def contents(directory: Path) -> dict[str, bytes]:
    """All session files' bytes by path."""
    files = (path for path in directory.rglob("*") if path.is_file())
    kept = (".json", ".jsonl", ".tmp", ".txt")
    return {str(path): path.read_bytes() for path in files if path.name.endswith(kept)}


def test_with_persistence_takes_in_once_and_reports(tmp_path: Path) -> None:
    """Opening takes good files in, reports bad ones every time, and changes no file."""
    before = fill(tmp_path)

    async def opened() -> SessionManager:
        return SessionManager.with_persistence(
            None, None, tmp_path, installation_key=tmp_path / "installation.key"
        )

    async def main() -> None:
        async with await opened() as manager:
            done = {note.path: note.session_id for note in manager.import_report if note.ok}
            assert {
                "fix-tests.json": "fix-tests",
                "sessions/b.json": "0b8f7c1e-4a3d-4d51-9f0e-6a1c2b3d4e5f",
            } == done
            bad = {note.path for note in manager.import_report if not note.ok}
            assert {"torn.json", "torn.jsonl", "empty.json", "package.json", "left.json.tmp"} == bad
            assert all(note.reason for note in manager.import_report if not note.ok)
            assert 2 == await manager.session_count()
            assert "I run them." in [m.text for m in await manager.history("fix-tests")]
        async with await opened() as manager:
            assert bad == {note.path for note in manager.import_report}
            assert 2 == await manager.session_count()

    asyncio.run(main())
    assert before == contents(tmp_path)


def test_a_wiped_session_does_not_come_back(tmp_path: Path) -> None:
    """A session that was wiped is not made anew from its old file."""
    shutil.copy(SEEDFILES / "session_data.json", tmp_path / "fix-tests.json")

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            assert [True] == [note.ok for note in await take_in_directory(manager, tmp_path)]
            await manager.terminate_session("fix-tests")
            assert [] == await take_in_directory(manager, tmp_path)
            assert 1 == len(world.disk.streams)

    asyncio.run(main())


def test_a_death_before_remembering_makes_no_second_session(tmp_path: Path) -> None:
    """If the process died between making the session and remembering the file, it is known."""
    shutil.copy(SEEDFILES / "session_data.json", tmp_path / "fix-tests.json")

    async def main() -> None:
        world = World()
        async with world.manager() as manager:
            await take_in_directory(manager, tmp_path)
            world.disk.scopes.clear()
            assert [] == await take_in_directory(manager, tmp_path)
            assert [] == await take_in_directory(manager, tmp_path)
            assert 1 == len(world.disk.streams)
            path = tmp_path / "fix-tests.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "total_cost": 5.0}))
            notes = await take_in_directory(manager, tmp_path)
            assert [(False, True)] == [(n.ok, "already" in n.reason) for n in notes]

    asyncio.run(main())


def test_our_own_exports_are_taken_in_too(tmp_path: Path) -> None:
    """A JSONL export in the directory becomes a session as well; links are not followed."""

    async def main() -> None:
        async with World().manager() as manager:
            session = await manager.create_session("one")
            await session.add_message("hello")
            await export_session(manager, "one", tmp_path / "one.jsonl")
        (tmp_path / "link.jsonl").symlink_to(tmp_path / "one.jsonl")
        async with World().manager() as manager:
            await manager.ready()
            notes = await take_in_directory(manager, tmp_path)
            assert [("link.jsonl", False), ("one.jsonl", True)] == [(n.path, n.ok) for n in notes]
            assert ["hello"] == [m.text for m in await manager.history("one")]

    asyncio.run(main())


def test_a_missing_directory_is_empty(tmp_path: Path) -> None:
    """A directory that does not exist yet holds nothing; one that is none is reported."""

    async def main() -> None:
        async with World().manager() as manager:
            assert [] == await take_in_directory(manager, tmp_path / "none")
            (tmp_path / "sessions").write_text("a file, not a folder")
            notes = await take_in_directory(manager, tmp_path)
            assert [("sessions", False)] == [(note.path, note.ok) for note in notes]

    asyncio.run(main())
