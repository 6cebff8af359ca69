"""Opening files beneath a directory, whatever the path and the links in it say.

Rules
- The kernel decides where it can (`openat2` with RESOLVE_BENEATH and
  RESOLVE_NO_MAGICLINKS): a check before an open always loses a rename race.
- Where the kernel has no `openat2`, the path is walked one component at a time
  from the directory's descriptor and *every* symbolic link is refused.
- A path that was judged is opened as it was resolved then: any link is refused.
- NUL is refused before any system call sees the path.
- What leads outside raises `PathEscape`; nothing else does.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable

from holdfast.core.errors import Denied, HoldfastError, InvalidInput, NotFound, PathEscape

OpenBeneath = Callable[[int, str, int, int], int]
"""Takes (root descriptor, relative path, flags, mode), returns a descriptor."""

_SYS_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_RESOLVE = _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS
_EAGAIN_RETRIES_MAX = 1_000
PATH_CHARS_MAX = 4_096
_DIR_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _OpenHow(ctypes.Structure):
    """`struct open_how` of the kernel."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def check_path(path: str) -> str:
    """Return the path, or raise `InvalidInput` for what no system call may see."""
    if "\0" in path:
        raise InvalidInput("a path cannot contain a NUL character")
    if not path:
        raise InvalidInput("a path cannot be empty")
    if len(path) > PATH_CHARS_MAX:
        raise InvalidInput(f"a path cannot be longer than {PATH_CHARS_MAX} characters")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidInput("a path must be valid Unicode text") from None
    return path


def domain_error(error: OSError, path: str) -> HoldfastError | OSError:
    """Return the domain error for what the system said, or the error itself."""
    if error.errno in {errno.EXDEV, errno.ELOOP}:
        return PathEscape(f"{path!r} leads outside the workspace, or through a link")
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return NotFound(f"there is no {path!r}")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Denied(f"{path!r}: {os.strerror(error.errno)}")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidInput(f"{path[:80]!r}… is too long")
    if error.errno == errno.ENXIO:  # a socket, or a pipe nobody reads
        return Denied(f"{path!r} is not a regular file")
    return error


def open_kernel(root: int, path: str, flags: int, mode: int) -> int:
    """Open beneath `root` with `openat2`; raises `OSError` (EXDEV: it escapes)."""
    return _openat2(root, path, flags, mode, _RESOLVE)


def open_linkless(root: int, path: str, flags: int, mode: int) -> int:
    """Open beneath `root` with `openat2`; any link in the path is ELOOP."""
    return _openat2(root, path, flags, mode, _RESOLVE | _RESOLVE_NO_SYMLINKS)


def _openat2(root: int, path: str, flags: int, mode: int, resolve: int) -> int:
    name = os.fsencode(path)
    asked = flags | os.O_CLOEXEC
    # The kernel refuses a mode where nothing can be created.
    how = _OpenHow(asked, mode if flags & os.O_CREAT else 0, resolve)
    for _ in range(_EAGAIN_RETRIES_MAX):
        found: int = _libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(name),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if found >= 0:
            return found
        code = ctypes.get_errno()
        # A rename or mount elsewhere raced with ".." and the kernel could not be sure.
        if code not in {errno.EAGAIN, errno.EINTR}:
            raise OSError(code, os.strerror(code), path)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)


def open_walking(root: int, path: str, flags: int, mode: int) -> int:
    """Open beneath `root` component by component; symbolic links are ELOOP."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    trail = [os.dup(root)]
    try:
        for part in parts[:-1]:
            _step(trail, part, path)
        last = parts[-1] if parts else "."
        if last == "..":
            _step(trail, last, path)
            last = "."
        if path.endswith("/") and last != ".":
            flags |= os.O_DIRECTORY
        return _open_last(trail[-1], last, flags, mode)
    finally:
        for fd in trail:
            os.close(fd)


def _open_last(fd: int, name: str, flags: int, mode: int) -> int:
    """Open the last component; a link is refused unless O_NOFOLLOW asks for it."""
    try:
        found = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=fd)
    except NotADirectoryError:
        _refuse_link(fd, name)
        raise
    # O_PATH hands out the link itself.
    if flags & os.O_PATH and not flags & os.O_NOFOLLOW and stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
    return found


def _step(trail: list[int], part: str, path: str) -> None:
    """Go one directory down, or back up to one that was really walked through."""
    if part == "..":
        if len(trail) == 1:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        os.close(trail.pop())
        return
    try:
        trail.append(os.open(part, _DIR_FLAGS, dir_fd=trail[-1]))
    except NotADirectoryError:
        _refuse_link(trail[-1], part)
        raise


def _refuse_link(fd: int, name: str) -> None:
    """Raise ELOOP when a name that is no directory is a link."""
    if stat.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from None


def kernel_has_openat2() -> bool:
    """Say whether this kernel (and any filter above us) offers `openat2`."""
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_kernel(here, ".", os.O_PATH | os.O_DIRECTORY, 0))
    except OSError as error:
        # Container filters of older runtimes answer EPERM to calls they do not know.
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            return False
        raise
    finally:
        os.close(here)
    return True
