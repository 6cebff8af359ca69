"""Opening a SQLite store: its files and the errors of opening."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_help import child, made, opened, opening

from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.core.errors import (
    CorruptStore,
    LeaseHeld,
    WrongKey,
)
from holdfast.testing.store_kit import create, refused

NOBODY = 65534

# --- files


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    """Directories get mode 0700 and every file of the store 0600."""
    path = tmp_path / "deep" / "er" / "store.db"

    async def run() -> set[str]:
        async with opened(path) as store:
            await create(store, 1)
            names = {entry.name.split(".node-")[0] for entry in path.parent.iterdir()}
            for entry in (path.parent, path.parent.parent):
                assert 0o700 == stat.S_IMODE(entry.stat().st_mode)
            for entry in path.parent.iterdir():
                assert 0o600 == stat.S_IMODE(entry.stat().st_mode), entry.name
            return names

    wanted = {f"store.db{end}" for end in ("", "-wal", "-shm", ".writer", ".turn", ".ballast")}
    assert wanted == asyncio.run(run())


def test_closing_leaves_the_file_alone(tmp_path: Path) -> None:
    """After a clean close there is no log and no node file."""
    made(tmp_path / "store.db")
    left = {f"store.db{end}" for end in ("", ".writer", ".turn", ".ballast")}
    assert left == {entry.name for entry in tmp_path.iterdir()}


def test_dead_nodes_are_cleaned_up_and_live_ones_are_not(tmp_path: Path) -> None:
    """The next opening removes the lock files of nodes that have ended."""
    path = tmp_path / "store.db"

    async def run() -> None:
        async with opened(path) as alive:
            dead = await SqliteStore.open(path)
            await create(dead, 1)
            dead.abandon()
            assert (tmp_path / f"store.db.node-{dead.node}").exists()
            async with opened(path) as third:
                names = {name for name in os.listdir(tmp_path) if ".node-" in name}
                assert {f"store.db.node-{one.node}" for one in (alive, third)} == names
                assert 2 == (await third.lease(1)).epoch
                await refused(LeaseHeld, alive.lease(1))

    asyncio.run(run())


# --- errors of opening


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Text is not a store, and stays what it was."""
    path = tmp_path / "store.db"
    path.write_text("no database " * 1000)
    with pytest.raises(CorruptStore):
        opening(path)
    assert path.read_text().startswith("no database no")


def test_an_encrypted_file_needs_its_passphrase(tmp_path: Path) -> None:
    """No other passphrase opens it, none neither, and no content is readable in it."""
    path = made(tmp_path / "store.db", passphrase='it\'s "right"')
    opening(path, passphrase='it\'s "right"')
    with pytest.raises(WrongKey):
        opening(path, passphrase="wrong")
    with pytest.raises(CorruptStore):
        opening(path)
    content = path.read_bytes()
    assert b"SQLite format" not in content and b"session-1" not in content


def test_a_plain_file_does_not_open_with_a_passphrase(tmp_path: Path) -> None:
    """A passphrase for a plain file is a wrong key, not a silent plain store."""
    path = made(tmp_path / "store.db")
    with pytest.raises(WrongKey):
        opening(path, passphrase="any")


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Make a directory that other users may reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def test_a_read_only_directory_or_file_is_refused(open_directory: Path) -> None:
    """Without the right to write, opening says so."""
    (open_directory / "sub").mkdir()
    path = open_directory / "sub" / "store.db"
    path.parent.chmod(0o555)
    assert "store_read_only" == child("refused", path, NOBODY)
    path.parent.chmod(0o777)
    assert "opened" == child("refused", path, NOBODY)
    path.chmod(0o444)
    assert "store_read_only" == child("refused", path, NOBODY)


def test_a_parent_that_is_a_file_is_a_typed_error(tmp_path: Path) -> None:
    """A path through a file is refused with a domain error."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="cannot be used") as caught:
        opening(tmp_path / "file" / "store.db")
    assert "unavailable" == getattr(caught.value, "reason", None)
