"""The files beside a SQLite store: locks, node leases, ballast, permissions.

None of these is part of the database. The database file itself is never opened
here once it exists: closing any descriptor of it in a process that has a
connection would drop that process's locks (contract 1.14).
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from holdfast.core.errors import (
    CorruptStore,
    HoldfastError,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    Unavailable,
    UnsupportedFileSystem,
)

BALLAST_BYTES = 8 * 1024 * 1024
"""Room kept free for what must still fit on a full disk (contract 2.21)."""

_ROOM_BYTES = BALLAST_BYTES + 4 * 1024 * 1024
_RETRY_S = 0.002
_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY_ERRNOS = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "smb2", "ncpfs", "afs", "9p", "davfs", "ceph"),
        *("lustre", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs"),
    }
)


@contextmanager
def typed_errors(connection: apsw.Connection | None = None) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into the store's own.

    Misuse (bad SQL, a broken constraint) is a bug and passes through.

    Args:
        connection: asked for the system's error number after an I/O error.
    """
    try:
        yield
    except apsw.Error as error:
        typed = typed_error(error, connection)
        if typed is None:
            raise
        raise typed from error
    except OSError as error:
        raise typed_os_error(error) from error


def typed_error(
    error: apsw.Error, connection: apsw.Connection | None = None
) -> HoldfastError | None:
    """Return the store's own error for one of SQLite, or None for a bug."""
    match error:
        case apsw.FullError():
            return StoreFull()
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return StoreBusy()
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError():
            return StoreReadOnly(f"the store cannot be written: {error}")
        case apsw.CorruptError() | apsw.NotADBError() | apsw.FormatError():
            return CorruptStore(f"the store's file is damaged: {error}")
        case apsw.IOError():
            number = 0 if connection is None else connection.system_errno
            if number in _FULL_ERRNOS:
                return StoreFull()
            return Unavailable(f"the store's disk failed: {error}")
        case apsw.NoMemError():
            return Unavailable("there is not enough memory for the store")
    return None


def typed_os_error(error: OSError) -> HoldfastError:
    """Return the store's own error for one of the operating system."""
    if error.errno in _FULL_ERRNOS:
        return StoreFull()
    if error.errno in _READ_ONLY_ERRNOS:
        return StoreReadOnly(f"the store cannot be written: {error.strerror}")
    return Unavailable(f"the store's file cannot be used: {error.strerror}")


def refuse_network(path: Path, mount_table: str) -> str:
    """Return the type of file system a path is on, "" if the table does not tell.

    Args:
        path: absolute and resolved.
        mount_table: text in the form of Linux's mountinfo.

    Raises:
        UnsupportedFileSystem: it is one whose locks and shared memory do not
            hold between machines.
    """
    kind = file_system_type(path, mount_table)
    if kind in _NETWORK_TYPES:
        raise UnsupportedFileSystem(f"a store cannot be kept on {kind}: it needs a local disk")
    return kind


def file_system_type(path: Path, mount_table: str) -> str:
    """Find the type of the mount a path is under; the last of equals is on top."""
    best, kind = -1, ""
    for line in mount_table.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = Path(_unescaped(fields[4]))
        depth = len(point.parts)
        if depth >= best and path.is_relative_to(point):
            best, kind = depth, right.split(" ")[0]
    return kind


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text


def mount_table() -> str:
    """Read the system's mount table; "" where there is none."""
    try:
        return Path("/proc/self/mountinfo").read_text()
    except OSError:
        return ""


def make_directories(path: Path) -> None:
    """Create a directory and its missing parents, each for the owner only."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(mode=0o700, exist_ok=True)


def create_private(path: Path) -> None:
    """Create an empty file of mode 0600 if there is none; never open an old one."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make a new directory entry survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_lock_file(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


class WriterLock:
    """The right to write, one process at a time, in turns (contract 1.14).

    Two lock files: whoever waits for `<db>.writer` does so holding `<db>.turn`,
    so a process that writes without pause cannot overtake one that waits.

    Args:
        database: path of the database.
    """

    def __init__(self, database: Path) -> None:
        self._writer = _open_lock_file(database.with_name(database.name + ".writer"))
        self._turn = _open_lock_file(database.with_name(database.name + ".turn"))

    def acquire(self) -> None:
        """Wait for the lock, however long that takes."""
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._writer, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def acquire_within(self, seconds: float) -> bool:
        """Wait for the lock for some time; for opening, where no thread may be left behind."""
        end = time.monotonic() + seconds
        if not _lock_until(self._turn, end):
            return False
        try:
            return _lock_until(self._writer, end)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def release(self) -> None:
        """Give the lock back."""
        fcntl.flock(self._writer, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock files; a held lock is given back."""
        os.close(self._writer)
        os.close(self._turn)


class NodeLease:
    """This opening's lease for its lifetime: a lock the kernel gives back.

    Args:
        database: path of the database.
        node: a name nobody ever had.

    The writer lock must be held while a lease is made and while others are
    cleaned up, so that nobody removes a file that is not locked yet.
    """

    def __init__(self, database: Path, node: str) -> None:
        self._database = database
        self.node = node
        self._path = _node_path(database, node)
        self._descriptor = os.open(
            self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_dead(self, node: str) -> bool:
        """Tell whether another node has ended; the operating system knows at once."""
        if node == self.node:
            return False
        try:
            descriptor = os.open(_node_path(self._database, node), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def clean(self) -> int:
        """Remove the lock files of nodes that have ended; returns how many."""
        removed = 0
        prefix = f"{self._database.name}.node-"
        for path in list(self._database.parent.iterdir()):
            if not path.name.startswith(prefix) or path == self._path:
                continue
            removed += _remove_if_unlocked(path)
        return removed

    def close(self, *, keep_file: bool = False) -> None:
        """Give the lease back.

        Args:
            keep_file: leave the file, as a killed process does.
        """
        if not keep_file:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _node_path(database: Path, node: str) -> Path:
    return database.with_name(f"{database.name}.node-{node}")


def _lock_until(descriptor: int, end: float) -> bool:
    while not _try_lock(descriptor):
        if time.monotonic() >= end:
            return False
        time.sleep(_RETRY_S)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_if_unlocked(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        if not _try_lock(descriptor):
            return 0
        path.unlink(missing_ok=True)
        return 1
    finally:
        os.close(descriptor)


class Ballast:
    """Room on the disk that is given up when it is full, and taken back later.

    Args:
        database: path of the database.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".ballast")
        self._directory = database.parent

    def kept(self) -> bool:
        """Tell whether the room is still kept."""
        try:
            return self._path.stat().st_size >= BALLAST_BYTES
        except FileNotFoundError:
            return False

    def free(self) -> bool:
        """Give the room up; False if it was given up before."""
        kept = self.kept()
        self._path.unlink(missing_ok=True)
        return kept

    def restore(self) -> bool:
        """Keep the room if there is enough for it and some more; True if it is kept.

        Called with the writer lock held, so that two processes do not both try.
        """
        if self.kept():
            return True
        if self.free_bytes() < _ROOM_BYTES:
            return False
        try:
            self._fill()
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno not in _FULL_ERRNOS:
                raise
            return False
        return True

    def _fill(self) -> None:
        descriptor = _open_lock_file(self._path)
        try:
            left = BALLAST_BYTES
            while left:
                left -= os.write(descriptor, bytes(min(left, 1024 * 1024)))
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """How many bytes this user may still write."""
        facts = os.statvfs(self._directory)
        return facts.f_bavail * facts.f_frsize
