"""The host's configuration as commands see it: a copy of the little that programs need.

Under bubblewrap each file that is shown is a mount of its own, which takes a fifth of a
millisecond for every command. So it is copied once into a directory of this process, and
that is mounted.

Rules
- Only what is named is copied, and of that what the user may read.
- Before every use both sides are looked at: whatever changed, in the host's or in the
  copy, is reason for another copy. So a command of another process, whose workspace
  holds the copy, changes nothing for the next one here.
- Who shows a copy says how long; until then it stays, also when there is another.
- Once the place where copies are made was in a workspace there are no more: a command
  that still runs there could write to them while others are shown them.
- The directory is locked as long as the process lives, so that whoever tidies up knows
  that it is in use; those of processes that were killed go when another is made.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import threading
from collections import Counter
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
        self._copied_from: tuple[str, ...] = ()
        self._touchable: tuple[str, ...] = ()
        self._seen: tuple[_Seen, _Seen] = ((), ())
        self._pid = 0
        self._shown: Counter[str] = Counter()
        self._former: dict[str, int] = {}
        self._exposed = False

    def directory(self) -> str | None:
        """The directory to be shown, as the source is now; None if none can be made.

        It takes some 20 ms when there is none yet, and less than one afterwards.
        """
        with self._lock:
            return self._current()

    def show(self) -> Showing | None:
        """The same for a command, for which it stays as it is until that is told."""
        with self._lock:
            found = self._current()
            if found is None:
                return None
            self._shown[found] += 1
            return Showing(self, found)

    def within(self, workspace: str) -> tuple[str, ...]:
        """The copies that lie where a command may write; then no more are made.

        Args:
            workspace: an absolute path without links.
        """
        with self._lock:
            place = os.path.realpath(tempfile.gettempdir())
            self._exposed = self._exposed or _lies_in(place, workspace)
            ours = [self._directory, *self._former] if self._pid == os.getpid() else []
            return tuple(one for one in ours if one and _lies_in(one, workspace))

    def shown(self, directory: str) -> None:
        """A command that was shown a directory is over."""
        with self._lock:
            if self._pid != os.getpid() or directory not in self._shown:
                return
            self._shown[directory] -= 1
            if self._shown[directory] == 0:
                del self._shown[directory]
                if directory in self._former:
                    _delete(directory, self._former.pop(directory))

    def clear(self) -> None:
        """Delete all copies, if they are this process's."""
        with self._lock:
            if self._pid == os.getpid():
                self._shown.clear()
                self._retire()
                while self._former:
                    _delete(*self._former.popitem())

    def _current(self) -> str | None:
        try:
            if self._pid != os.getpid():  # the copy of a process that forked is not ours
                self._directory, self._locked, self._pid = "", -1, os.getpid()
                self._shown, self._former = Counter(), {}
                atexit.register(self.clear)
            if not self._exposed and (not self._directory or self._changed()):
                self._copy()
        except (OSError, RecursionError):
            self._retire()
            return None
        return None if self._exposed else self._directory

    def _existing(self) -> dict[str, str]:
        paths = {name: os.path.join(self._source, name) for name in self._names}
        return {name: path for name, path in paths.items() if os.path.exists(path)}

    def _changed(self) -> bool:
        try:
            theirs = _seen((*self._existing().values(), *self._copied_from))
            return self._seen != (theirs, _seen(self._touchable))
        except OSError:  # somebody tidied up
            return True

    def _copy(self) -> None:
        self._retire()
        _sweep()
        existing = self._existing()
        self._copied_from = tuple(_sources(existing.values()))
        theirs = _seen((*existing.values(), *self._copied_from))
        # By its own name, since it is looked for among what stands in workspaces.
        directory = tempfile.mkdtemp(prefix=PREFIX, dir=os.path.realpath(tempfile.gettempdir()))
        self._directory, self._locked = directory, os.open(directory, os.O_RDONLY)
        fcntl.flock(self._locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(self._locked), os.lstat(directory)):
            raise OSError("somebody tidied up before it was locked")
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

    def _retire(self) -> None:
        """Have no copy any more; what commands are shown stays until they are over."""
        directory, locked = self._directory, self._locked
        self._directory, self._locked = "", -1
        if directory in self._shown:
            self._former[directory] = locked
        elif directory:
            _delete(directory, locked)


class Showing:
    """A copy that a command is shown.

    Args:
        directory: where it is.
    """

    def __init__(self, copied: Copied, directory: str) -> None:
        self._copied: Copied | None = copied
        self.directory = directory

    def close(self) -> None:
        """The command is over; harmless when that was said."""
        copied, self._copied = self._copied, None
        if copied is not None:
            copied.shown(self.directory)


def _delete(directory: str, locked: int) -> None:
    _remove(directory)
    if locked >= 0:
        os.close(locked)


def _remove(directory: str) -> None:
    """Delete a directory as far as that is possible."""
    with contextlib.suppress(RecursionError):  # who may write there made it too deep
        shutil.rmtree(directory, ignore_errors=True)


def _sources(paths: Iterable[str]) -> Iterator[str]:
    """What is copied of the directories among some paths; links are copied as such."""
    for path in paths:
        if os.path.isdir(path):
            yield from _touchable(path)


def _lies_in(path: str, workspace: str) -> bool:
    return f"{path}/".startswith(f"{workspace}/")


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
                _remove(str(path))
        except OSError:
            pass  # it is in use
        finally:
            os.close(descriptor)
