"""A full disk and a read-only directory: clear errors, nothing lost, usable afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.core.errors import StoreFull, StoreReadOnly
from sessionhelp import echo, on_file, run, texts

MEGABYTES = 24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes; needs the right to mount."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "holdfast-test", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_the_session_goes_on(small_disk: Path) -> None:
    """Full: StoreFull for what grows; pause and reads work; with room the session goes on."""

    async def work() -> None:
        async with on_file(small_disk, echo()) as sessions:
            session = await sessions.create_session("one")
            await session.generate("before")
            filler = small_disk / "filler"
            _fill(filler)
            acknowledged = ["before"]
            with pytest.raises(StoreFull):
                for number in range(200):
                    await session.add_message(f"{number} " + "x" * 200_000)
                    acknowledged.append(str(number))
            assert await session.pause("full")
            assert await session.resume()
            history = [text.split(" ")[0] for text in texts(await session.history())]
            assert [*acknowledged[:1], "re:", *acknowledged[1:]] == history
            filler.unlink()
            assert "re: room" == (await session.generate("room")).text
        async with on_file(small_disk, echo()) as sessions:
            session = await sessions.get_session("one")
            history = [text.split(" ")[0] for text in texts(await session.history())]
            assert [acknowledged[0], "re:", *acknowledged[1:], "room", "re:"] == history
            assert 1 == await sessions.load_all_sessions()

    run(work())


def _fill(path: Path) -> None:
    """Fill the disk but for some room."""
    free = os.statvfs(path.parent)
    with path.open("wb") as file:
        left = free.f_bavail * free.f_frsize - 2 * 1024 * 1024
        file.write(b"\0" * max(0, left))


def test_a_read_only_directory_is_named(tmp_path: Path) -> None:
    """Opening where nothing can be written is StoreReadOnly, before anything is made."""
    if os.geteuid() != 0:
        pytest.skip("needs a read-only mount")
    place = tmp_path / "sealed"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,ro", "holdfast-test", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting is not allowed here")

    async def work() -> None:
        from holdfast.bootstrap import SessionManager

        sessions = SessionManager.open(place / "s.db", installation_key=tmp_path / "key")
        with pytest.raises(StoreReadOnly):
            async with sessions:
                pass

    try:
        run(work())
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
