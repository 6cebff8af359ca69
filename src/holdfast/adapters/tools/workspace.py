"""A directory that the tools work in, and that nothing they do can leave.

Rules
- Every file is opened through the workspace's descriptor (see `beneath`);
  no path is ever checked first and opened afterwards.
- Writing replaces: a new file is written, synced and renamed over the old one
  in a directory that was opened beneath the workspace. No existing inode is
  ever written to, so a hard link cannot carry a write outside; it is refused
  all the same, because the caller would otherwise silently break the link.
- Only regular files are read or written; pipes, sockets and devices are not.
- A path that the gate judged is opened as it was resolved then, inside the
  workspace or, where that was permitted, outside of it, and no link is followed:
  one that was not there at judgement is refused.
- Where no gate was asked, symbolic links that stay inside (and are relative) work
  if the kernel has `openat2`; in the walking fallback every link is refused.
- A walk passes over places that are forbidden for good.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType

from holdfast.adapters.tools.beneath import (
    OpenBeneath,
    check_path,
    domain_error,
    kernel_has_openat2,
    open_kernel,
    open_linkless,
    open_walking,
)
from holdfast.core.errors import Denied, InvalidInput, NotFound, PathEscape, TooLarge
from holdfast.core.places import forbidden
from holdfast.core.tools import Operation
from holdfast.ports.tool import Escape

FILE_BYTES_MAX = 64 * 1024 * 1024
LINKS_MAX = 40
_XATTR = "user.holdfast.effect"
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY
_READS = frozenset([Operation.READ, Operation.WRITE])  # what is edited is read
_LISTS = frozenset([Operation.LIST, Operation.READ])
_WRITES = frozenset([Operation.WRITE])
_DELETES = frozenset([Operation.DELETE])
_ANY = frozenset(Operation)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a directory.

    Args:
        path: relative to the workspace, or absolute outside of it.
        kind: `file`, `dir`, `link` or `other`.
        size: in bytes; 0 for all but files.
    """

    path: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries found, sorted, and whether a limit cut them short."""

    entries: tuple[Entry, ...]
    cut: bool = False


class Workspace:
    """The open workspace directory; a context manager.

    Raises:
        InvalidInput: a path is malformed (NUL, empty, too long).
        PathEscape: a path leads outside.
        NotFound: there is no such file.
        Denied: a special file, a hard link that would be written, or refused
            by the system's own permissions.
    """

    def __init__(self, root_fd: int, names: tuple[str, ...], opener: OpenBeneath) -> None:
        self._fd = root_fd
        self._names = names
        self._open_beneath = opener
        self._judged: Mapping[str, str] | None = None
        self._escapes: tuple[Escape, ...] = ()
        self._private: tuple[str, ...] = ()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        without_openat2: bool = False,
        judged: Mapping[str, str] | None = None,
        escapes: tuple[Escape, ...] = (),
        private: tuple[str, ...] = (),
    ) -> Workspace:
        """Open a workspace directory.

        Args:
            path: the directory.
            without_openat2: use the walking fallback (for tests).
            judged, escapes, private: see `ToolContext`.

        Raises:
            NotFound: there is no such directory.
        """
        given = os.path.abspath(check_path(os.fspath(path)))
        try:
            fd = os.open(given, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NotFound(f"there is no workspace directory {given!r}") from error
        opener = open_kernel if judged is None else open_linkless
        if without_openat2 or not _has_openat2():
            opener = open_walking
        names = tuple(dict.fromkeys((os.path.realpath(given), given)))
        workspace = cls(fd, names, opener)
        workspace._judged, workspace._escapes, workspace._private = judged, escapes, private
        return workspace

    @property
    def root(self) -> str:
        """The directory's absolute path."""
        return self._names[0]

    def close(self) -> None:
        """Give the descriptor back; harmless when done twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- names ------------------------------------------------------------------

    def relative(self, path: str) -> str:
        """Return the path as seen from the workspace, as it was judged.

        One outside stays absolute; it is refused unless this call may open it.
        """
        check_path(path)
        real = self._judged.get(path) if self._judged is not None else None
        if real is not None:
            seen = self._seen(real)
            # Not a name that stands for somebody's home.
            seen = f"./{seen}" if seen.startswith("~") else seen
            return f"{seen}/" if path.endswith("/") and not seen.endswith("/") else seen
        return self._seen(path)

    def _seen(self, path: str) -> str:
        if not path.startswith("/"):
            return path
        for root in self._names:
            if path == root:
                return "."
            if path.startswith(root.rstrip("/") + "/"):
                return path[len(root) :].lstrip("/") or "."
        self._permit(path, _ANY)
        return path

    def _permit(self, path: str, operations: frozenset[Operation]) -> None:
        """Refuse a path outside that this call may not open for that."""
        plain = path.rstrip("/") or "/"
        for escape in self._escapes if ".." not in plain.split("/") else ():
            beneath = escape.subtree and plain.startswith(escape.path.rstrip("/") + "/")
            if (beneath or plain == escape.path) and operations & set(escape.operations):
                return
        raise PathEscape(f"{path!r} leads outside the workspace")

    def _open(self, path: str, flags: int, operations: frozenset[Operation]) -> int:
        where = self.relative(path)
        if where.startswith("/"):
            self._permit(where, operations)
        return self._open_at(where, flags, path)

    def _open_at(self, where: str, flags: int, path: str) -> int:
        """Open what `relative` returned, or a folder on the way to it."""
        assert self._fd >= 0, "the workspace is closed"
        try:
            if not where.startswith("/"):
                return self._open_beneath(self._fd, where, flags, 0)
            top = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return self._open_beneath(top, where.lstrip("/") or ".", flags, 0)
            finally:
                os.close(top)
        except OSError as error:
            raise domain_error(error, path) from error

    # --- reading ----------------------------------------------------------------

    def open_read(self, path: str) -> int:
        """Return a descriptor of a regular file, for reading; the caller closes it."""
        fd = self._open(path, _READ_FLAGS, _READS)
        mode = os.fstat(fd).st_mode
        if stat.S_ISREG(mode):
            return fd
        os.close(fd)
        if stat.S_ISDIR(mode):
            raise InvalidInput(f"{path!r} is a directory")
        raise Denied(f"{path!r} is not a regular file")

    def read_bytes(self, path: str, limit: int = FILE_BYTES_MAX) -> bytes:
        """Return a file's content; more than `limit` bytes raise `TooLarge`."""
        with os.fdopen(self.open_read(path), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise TooLarge(f"{path!r} is larger than {limit} bytes")
        return data

    def stat(self, path: str) -> os.stat_result:
        """Return what a path (links inside followed) is."""
        fd = self._open(path, os.O_PATH, _ANY)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def list(self, path: str = ".", limit: int = 10_000) -> Listing:
        """Return the names in a directory, sorted; links are not followed."""
        fd = self._open(path, _DIR_FLAGS, _LISTS)
        base = self.relative(path)
        try:
            with os.scandir(fd) as found:
                entries = [
                    _entry(base, item) for _, item in zip(range(limit + 1), found, strict=False)
                ]
        finally:
            os.close(fd)
        entries.sort(key=lambda entry: entry.path)
        return Listing(tuple(entries[:limit]), cut=len(entries) > limit)

    def walk(
        self,
        path: str = ".",
        *,
        skip: frozenset[str] = frozenset(),
        depth_max: int = 64,
        entries_max: int = 200_000,
    ) -> Iterator[Entry]:
        """Yield everything below a directory, parents first, sorted by name.

        Links are yielded and never followed; directories named in `skip` are
        yielded and not entered. Directories that vanish or may not be read are
        passed over, and so is what is forbidden for good (`core.places`).

        Raises:
            TooLarge: when there are more than `entries_max` entries.
        """
        waiting = [(self.relative(path), 0)]
        seen = 0
        while waiting:
            here, depth = waiting.pop()
            try:
                listing = self.list(here, entries_max)
            except (NotFound, Denied):
                if depth == 0:
                    raise
                continue
            seen += len(listing.entries)
            if listing.cut or seen > entries_max:
                raise TooLarge(f"{path!r} holds more than {entries_max} entries")
            deeper = []
            for entry in listing.entries:
                if forbidden(self._real(entry.path), Operation.READ, self._private):
                    continue
                yield entry
                if entry.kind == "dir" and depth < depth_max and _name(entry.path) not in skip:
                    deeper.append((entry.path, depth + 1))
            waiting.extend(reversed(deeper))

    # --- writing ----------------------------------------------------------------

    def write_bytes(self, path: str, data: bytes, *, effect_id: str = "") -> None:
        """Replace or create a file, atomically and durably; parents are created.

        Args:
            effect_id: remembered with the file where the file system can, so
                that `written_by` can tell afterwards; it also names the
                temporary file, so a repeated attempt cleans up the earlier one.
        """
        with self._place(path, create=True) as (directory, name):
            before = _check_target(directory, name, path)
            temporary = _temporary_name(effect_id)
            try:
                _write_new(directory, temporary, data, before, effect_id)
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                os.fsync(directory)
            except BaseException as error:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=directory)
                if isinstance(error, OSError):
                    raise domain_error(error, path) from error
                raise

    def written_by(self, path: str, effect_id: str) -> bool | None:
        """Say whether an attempt of this effect wrote this file.

        Returns:
            True when one did, False when it was cut off before it took effect,
            None when nothing proves either.
        """
        with self._place(path) as (directory, name):
            temporary = _temporary_name(effect_id)
            with suppress(OSError):
                os.stat(temporary, dir_fd=directory, follow_symlinks=False)
                return False
            try:
                fd = os.open(name, _READ_FLAGS | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except OSError:
                return None
            try:
                mark = os.getxattr(fd, _XATTR)
            except OSError:
                return None
            finally:
                os.close(fd)
            return True if mark == effect_id.encode() else None

    def remove(self, path: str) -> None:
        """Delete a file or a link (never what the link names)."""
        parent, name = self._split(path, _DELETES)
        directory = self._open_at(parent, _DIR_FLAGS, path)
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise InvalidInput(f"{path!r} is a directory")
            os.unlink(name, dir_fd=directory)
        except OSError as error:
            raise domain_error(error, path) from error
        finally:
            os.close(directory)

    def _real(self, where: str) -> str:
        return where if where.startswith("/") else f"{self.root.rstrip('/')}/{where}"

    def _split(self, path: str, operations: frozenset[Operation]) -> tuple[str, str]:
        """Return (parent, last name); what cannot be a file's name is refused."""
        relative = self.relative(path)
        if relative.startswith("/"):
            self._permit(relative, operations)
        parent, slash, name = relative.rpartition("/")
        if name in {"", ".", ".."}:
            # Climbing out is an escape, whatever else is wrong with the path.
            os.close(self._open_at(relative, os.O_PATH, path))
            raise InvalidInput(f"{path!r} is a directory")
        return parent or slash or ".", name

    @contextmanager
    def _place(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """Find the directory and name that a path stands for, links followed inside."""
        wanted = path
        for _ in range(LINKS_MAX):
            parent, name = self._split(wanted, _WRITES)
            directory = self._parent(parent, create=create)
            try:
                target = _link_target(directory, name)
                if target is None:
                    yield directory, name
                    return
            finally:
                os.close(directory)
            if target.startswith("/") or self._open_beneath is not open_kernel:
                break
            wanted = f"{parent}/{target}"
        raise PathEscape(f"{path!r} leads outside the workspace, or through a link")

    def _parent(self, parent: str, *, create: bool) -> int:
        """Open a directory, creating what is missing where asked."""
        missing: list[str] = []
        where = parent
        while True:
            try:
                found = self._open_at(where, _DIR_FLAGS, parent)
                break
            except NotFound:
                above, slash, name = where.rstrip("/").rpartition("/")
                if not create or name in {"", ".", ".."}:
                    raise
            missing.append(name)
            where = above or slash or "."
        while missing:
            above_fd = found
            try:
                found = _made(above_fd, missing.pop(), parent)
            finally:
                os.close(above_fd)
        return found


@functools.cache
def _has_openat2() -> bool:
    return kernel_has_openat2()


def _made(directory: int, name: str, path: str) -> int:
    """Create a directory and open it; it may have been made by somebody else."""
    try:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
            os.fsync(directory)
        return os.open(name, _DIR_FLAGS | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except NotADirectoryError:  # a file, or a link
        raise Denied(f"{path!r} is not a directory") from None
    except OSError as error:
        raise domain_error(error, path) from error


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _entry(base: str, item: os.DirEntry[str]) -> Entry:
    path = item.name if base in {"", "."} else f"{base.rstrip('/')}/{item.name}"
    if item.is_symlink():
        return Entry(path, "link", 0)
    if item.is_dir(follow_symlinks=False):
        return Entry(path, "dir", 0)
    if not item.is_file(follow_symlinks=False):
        return Entry(path, "other", 0)
    try:
        return Entry(path, "file", item.stat(follow_symlinks=False).st_size)
    except OSError:  # it vanished, or may not be looked at
        return Entry(path, "file", 0)


def _link_target(directory: int, name: str) -> str | None:
    """Return where a link points, or None for what is no link."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOENT}:
            return None
        raise domain_error(error, name) from error


def _check_target(directory: int, name: str, path: str) -> os.stat_result | None:
    """Return what would be replaced (None: nothing), or refuse to."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise domain_error(error, path) from error
    if stat.S_ISDIR(found.st_mode):
        raise InvalidInput(f"{path!r} is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise Denied(f"{path!r} is not a regular file")
    if found.st_nlink > 1:
        raise Denied(f"{path!r} has {found.st_nlink} hard links and is not written to")
    if not os.access(name, os.W_OK, dir_fd=directory):
        raise Denied(f"{path!r} is read-only")
    return found


def _temporary_name(effect_id: str) -> str:
    if not effect_id:
        return f".holdfast-{secrets.token_hex(8)}.tmp"
    return f".holdfast-{hashlib.sha256(effect_id.encode()).hexdigest()[:16]}.tmp"


def _write_new(
    directory: int, name: str, data: bytes, before: os.stat_result | None, effect_id: str
) -> None:
    """Write a new file with the mode (and, if allowed, the owner) of the old one."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = 0o666 if before is None else 0o600
    with os.fdopen(os.open(name, flags, mode, dir_fd=directory), "wb") as file:
        file.write(data)
        file.flush()
        if before is not None:
            with suppress(PermissionError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            # Without set-user-id: the kernel drops it on a write as well.
            os.fchmod(file.fileno(), before.st_mode & 0o777)
        if effect_id:
            with suppress(OSError):  # not every file system keeps attributes
                os.setxattr(file.fileno(), _XATTR, effect_id.encode())
        os.fsync(file.fileno())
