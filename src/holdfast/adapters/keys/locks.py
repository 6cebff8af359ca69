"""A lock between processes, on a file of its own (contract 1.14).

It is never taken on a database file: closing any descriptor of one would drop
the locks that SQLite holds on it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.core.errors import StoreBusy, StoreReadOnly

WAIT_S_MAX = 10.0
_STEP_S = 0.002


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
            raise StoreReadOnly(f"cannot make the lock file {path.name}") from error
        if error.errno == errno.ELOOP:
            raise StoreReadOnly(f"the lock file {path.name} is a symbolic link") from error
        raise


def _take(descriptor: int, mode: int, name: str, wait_s_max: float) -> None:
    # flock has no time limit of its own, so a stopped holder would hang us for ever.
    until = time.monotonic() + wait_s_max
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                raise StoreBusy(f"another process holds {name} for too long") from None
        time.sleep(_STEP_S)


@contextmanager
def file_lock(
    path: Path, *, exclusive: bool = True, wait_s_max: float = WAIT_S_MAX
) -> Iterator[None]:
    """Hold a lock file; the lock goes with the process, however that ends.

    Args:
        path: the lock file; it is made if need be and stays.
        exclusive: alone, or together with other readers.
        wait_s_max: seconds to wait at most.

    Raises:
        StoreBusy: another process did not let go of it.
        StoreReadOnly: the lock file cannot be made.
    """
    descriptor = _open(path)
    try:
        mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        _take(descriptor, mode, path.name, wait_s_max)
        yield
    finally:
        os.close(descriptor)
