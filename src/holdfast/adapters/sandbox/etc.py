"""The host's configuration as commands see it: a copy of the little that programs need.

Under bubblewrap each file that is shown is a mount of its own, which takes a fifth of a
millisecond for every command. So it is copied once into a directory of this process, and
that is mounted.

Rules
- Only what is named is copied, and of that what the user may read.
- Before every use both sides are looked at: whatever changed, in the host's or in the
  copy, is reason for another copy. So a command of another process, whose workspace
  holds the copy, changes nothing for the next one here.
- The directory is locked as long as the process lives, so that whoever tidies up knows
  that it is in use; those of processes that were killed go when another is made.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PREFIX = "holdfast-etc-"
FILE_BYTES_MAX = 4 * 1024**2
ENTRIES_MAX = 10_000
_Seen = tuple[tuple[str, int, int, int, int, int], ...]


class Copied:
    """Copies of named parts of a directory, of which one is in use.

    Args:
        names: paths below `source`: files, directories, and links to them.
        source: an absolute path.
    """

    def __init__(self, names: Sequence[str], source: str = "/etc") -> None:
        self._names = tuple(names)
        self._source = source
        self._lock = threading.Lock()
        self._directory = ""
        self._locked = -1
        self._touchable: tuple[str, ...] = ()
        self._seen: tuple[_Seen, _Seen] = ((), ())
        self._pid = 0

    def directory(self) -> str | None:
        """The directory to be shown, as the source is now; None if none can be made.

        It takes some 20 ms when there is none yet, and less than one afterwards.
        """
        with self._lock:
            try:
                if self._pid != os.getpid():  # the copy of a process that forked is not ours
                    self._directory, self._locked, self._pid = "", -1, os.getpid()
                    atexit.register(self.clear)
                if not self._directory or self._changed():
                    self._copy()
            except OSError:
                self._remove()
                return None
            return self._directory

    def clear(self) -> None:
        """Delete the copy, if it is this process's."""
        with self._lock:
            if self._pid == os.getpid():
                self._remove()

    def _existing(self) -> dict[str, str]:
        paths = {name: os.path.join(self._source, name) for name in self._names}
        return {name: path for name, path in paths.items() if os.path.exists(path)}

    def _changed(self) -> bool:
        try:
            return self._seen != (_seen(self._existing().values()), _seen(self._touchable))
        except OSError:  # somebody tidied up
            return True

    def _copy(self) -> None:
        self._remove()
        _sweep()
        existing = self._existing()
        theirs = _seen(existing.values())
        directory = tempfile.mkdtemp(prefix=PREFIX)
        self._directory, self._locked = directory, os.open(directory, os.O_RDONLY)
        fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name, path in existing.items():
            to = os.path.join(directory, name)
            os.makedirs(os.path.dirname(to), 0o755, exist_ok=True)
            if os.path.islink(path) and os.path.realpath(path).startswith("/usr/"):
                os.symlink(os.readlink(path), to)  # some read where it leads to
            else:
                _copy(path, to)
        os.chmod(directory, 0o755)  # noqa: S103 - as programs expect it
        self._touchable = tuple(_touchable(directory))
        self._seen = (theirs, _seen(self._touchable))

    def _remove(self) -> None:
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""
        if self._locked >= 0:
            os.close(self._locked)
            self._locked = -1


def _seen(paths: Iterable[str]) -> _Seen:
    """What tells whether a file was touched, or a directory has other entries."""
    found = [(path, os.stat(path)) for path in paths]
    return tuple(
        (path, one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)
        for path, one in found
    )


def _touchable(directory: str) -> Iterator[str]:
    """A directory, and all in it that is none of its links."""
    yield directory
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _touchable(entry.path)
            elif not entry.is_symlink():
                yield entry.path


def _copy(path: str, to: str) -> None:
    """Copy a file or a directory; of a directory links as links."""
    if not os.path.isdir(path):
        _copy_file(path, to)
        return
    os.mkdir(to, 0o755)
    with os.scandir(path) as entries:
        for number, entry in enumerate(entries):
            if number >= ENTRIES_MAX:
                raise OSError(f"too much stands in {path}")
            place = os.path.join(to, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
            elif entry.is_dir():
                _copy(entry.path, place)
            elif entry.is_file():
                _copy_file(entry.path, place)


def _copy_file(path: str, to: str) -> None:
    """Copy what may be read, as far as it is a file of ordinary size."""
    if not os.access(path, os.R_OK):
        return
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size > FILE_BYTES_MAX:
        raise OSError(f"{path} is no file to copy")
    shutil.copyfile(path, to)
    os.chmod(to, stat.S_IMODE(found.st_mode) & 0o755 | 0o400)


def _sweep() -> None:
    """Delete what processes left that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            pass  # it is in use
        finally:
            os.close(descriptor)
