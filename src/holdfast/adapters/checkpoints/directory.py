"""Checkpoints as files of a directory outside of the store's, best on another disk.

    000000000001.checkpoint            the signed note
    000000000001-<16 hex>.leaves       the sessions its root is over, named after the root

Rules
- Files are only added. The leaves are durable before the note is, and the note
  appears whole under its name or not at all, so a crash leaves nothing half said.
- A name is taken by a hard link, which fails where it exists.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from holdfast.core.errors import InvalidInput, Unavailable

NOTE_BYTES_MAX = 4096

_NAME = re.compile(r"([0-9]{12})\.checkpoint")
P = ParamSpec("P")
T = TypeVar("T")


def check_outside(directory: Path, store: Path) -> None:
    """Refuse a place for checkpoints that goes where the store goes.

    Args:
        directory: where checkpoints are to be kept.
        store: the store's file.

    Raises:
        InvalidInput: it is the store's directory, or inside of it.
    """
    if directory.resolve().is_relative_to(store.resolve().parent):
        raise InvalidInput(
            "checkpoints are kept outside of the store's directory: who can alter the one "
            "must not be able to alter the other"
        )


class CheckpointDirectory:
    """A directory that keeps checkpoints; made when the first one is kept.

    Args:
        path: the directory.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    async def newest(self) -> int:
        """The highest number that has a note, or 0 for none."""
        return await self._work(self._newest)

    async def note(self, number: int) -> bytes | None:
        """The note of a number, or None if there is none."""
        return await self._work(self._read, _note_name(number), NOTE_BYTES_MAX + 1)

    async def leaves(self, number: int, root: bytes) -> bytes | None:
        """The leaves that were put under a number and a root, or None."""
        return await self._work(self._read, _leaves_name(number, root))

    async def put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        """Keep a note and its leaves, durably; False if the number is taken."""
        return await self._work(self._put, number, root, note, leaves)

    async def _work(self, act: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(act, *args, **more)
        except OSError as error:
            what = error.strerror or "it failed"
            raise Unavailable(f"the directory of the checkpoints: {what}") from error

    def _newest(self) -> int:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return 0
        return max((int(found[1]) for name in names if (found := _NAME.fullmatch(name))), default=0)

    def _read(self, name: str, most: int = -1) -> bytes | None:
        try:
            with (self.path / name).open("rb") as file:
                return file.read(most)
        except FileNotFoundError:
            return None

    def _put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            _sync(self.path.parent)
        self._add(_leaves_name(number, root), leaves)
        return self._add(_note_name(number), note)

    def _add(self, name: str, data: bytes) -> bool:
        """Add a file, durably and whole; False if there is one of that name."""
        fresh = self.path / f".{name}.{os.getpid()}.{secrets.token_hex(8)}.tmp"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(fresh, flags, 0o644), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, self.path / name)
            except FileExistsError:
                return False
        finally:
            fresh.unlink(missing_ok=True)
        _sync(self.path)
        return True


def _note_name(number: int) -> str:
    return f"{number:012}.checkpoint"


def _leaves_name(number: int, root: bytes) -> str:
    return f"{number:012}-{root.hex()[:16]}.leaves"


def _sync(directory: Path) -> None:
    """Make a directory's names durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
