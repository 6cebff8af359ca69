"""A process that dies while it works on a key store; run by test_keys_file.

    python dying_keys.py KEYSTORE INSTALLATION_KEY (rotate|create|destroy) WHERE

WHERE is the name of a fail point, or a number: then the process is killed at
that write, flush, truncation or removal that SQLite asks of the file system.
It ends with 0 if it was not killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import apsw

from holdfast.adapters.keys.file import FileKeys

BASE = "unix"


def die() -> None:
    """End like a power cut: nothing is cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Kills the process when it has been asked often enough."""

    left = 0

    @classmethod
    def tick(cls) -> None:
        """Count one change of the file system."""
        cls.left -= 1
        if cls.left == 0:
            die()


class DyingFile(apsw.VFSFile):
    """A file whose changes are counted."""

    def xWrite(self, data: bytes, offset: int) -> None:
        """Count, having written only half of it in the end."""
        if Countdown.left == 1:
            super().xWrite(data[: len(data) // 2], offset)
        Countdown.tick()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        """Count."""
        Countdown.tick()
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:
        """Count."""
        Countdown.tick()
        super().xTruncate(newsize)


class DyingVFS(apsw.VFS):
    """A file system whose changes are counted."""

    def __init__(self) -> None:
        super().__init__("dying", BASE, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> DyingFile:
        """Hand out counted files."""
        return DyingFile(BASE, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Count before and after: removing the journal is the commit."""
        Countdown.tick()
        super().xDelete(filename, syncdir)
        Countdown.tick()


def main(path: str, installation_key: str, work: str, where: str) -> None:
    """Open, begin to count, work, and end if nothing killed us."""

    def fail_point(name: str) -> None:
        if name == where:
            die()

    vfs = DyingVFS() if where.isdigit() else None
    keys = FileKeys.open(Path(path), installation_key=Path(installation_key), fail_point=fail_point)
    Countdown.left = int(where) if vfs else 0
    if work == "rotate":
        keys.rotate(now_ms=1)
    elif work == "create":
        keys.create_session_key(tenant="late", user="late", stream=99)
    else:
        keys.destroy_session(1, now_ms=1)
    Countdown.left = 0
    keys.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
