"""What the tests of the SQLite store share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from holdfast.adapters.store.sqlite import BUSY_S, SqliteStore
from holdfast.ports.clock import Clock
from holdfast.testing.store_kit import create

CHILD = Path(__file__).with_name("store_child.py")


@asynccontextmanager
async def opened(
    path: Path,
    *,
    clock: Clock | None = None,
    passphrase: str | None = None,
    busy_s: float = BUSY_S,
    vfs: str | None = None,
) -> AsyncIterator[SqliteStore]:
    """Open a store and close it at the end."""
    store = await SqliteStore.open(path, clock=clock, passphrase=passphrase, busy_s=busy_s, vfs=vfs)
    try:
        yield store
    finally:
        await store.aclose()


def child(*words: object) -> str:
    """Run the child program and return what it said."""
    done = subprocess.run(
        [sys.executable, str(CHILD), *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


def made(path: Path, *, passphrase: str | None = None) -> Path:
    """Make a store with one session of one event, closed."""

    async def make() -> None:
        async with opened(path, passphrase=passphrase) as store:
            await create(store, 1)

    asyncio.run(make())
    return path


def opening(path: Path, *, passphrase: str | None = None) -> None:
    """Open a store and close it."""

    async def attempt() -> None:
        async with opened(path, passphrase=passphrase):
            pass

    asyncio.run(attempt())


class StillClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.ms = 1_000_000

    def now_ms(self) -> int:
        """Return the time it was set to."""
        return self.ms

    def monotonic(self) -> float:
        """Return the time it was set to."""
        return self.ms / 1000

    async def sleep(self, seconds: float) -> None:
        """Refuse: nobody sleeps on this clock."""
        raise AssertionError("nobody sleeps on this clock")

    def random_bytes(self, count: int) -> bytes:
        """Return the system's own randomness."""
        return os.urandom(count)


class FaultyFiles(apsw.VFS):
    """A file layer that fails on request.

    Attributes:
        error: raised by the failing operation.
        fail_at: which write, sync or truncation from now on fails, 1 for the
            next; 0 for none; `None` for all.
        seen: how many operations there were since `arm`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: type[apsw.Error] = apsw.IOError
        self.fail_at: int | None = 0
        self.seen = 0
        super().__init__(name, "")

    def arm(self, fail_at: int | None, error: type[apsw.Error] = apsw.IOError) -> None:
        """Say which operation is to fail, and how."""
        self.fail_at, self.error, self.seen = fail_at, error, 0

    def step(self) -> None:
        """Count an operation and fail it if it is its turn."""
        self.seen += 1
        if self.fail_at is None or self.seen == self.fail_at:
            raise self.error("a planted fault")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file that asks before it writes."""
        return _FaultyFile(self, name, flags)


class _FaultyFile(apsw.VFSFile):
    def __init__(
        self, files: FaultyFiles, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._files = files
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._files.step()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._files.step()
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:
        self._files.step()
        super().xTruncate(newsize)
