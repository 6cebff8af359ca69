"""Opening beneath a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.adapters.tools import beneath
from holdfast.core.errors import Denied, InvalidInput, NotFound, PathEscape, TooLarge


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a directory with a file, a directory and links."""
    inside = tmp_path / "root"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").write_text("x")
    (inside / "inward").symlink_to("a/b/file")
    (inside / "outward").symlink_to("../secret")
    (inside / "up").symlink_to("..")
    (tmp_path / "secret").write_text("secret")
    fd = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def _opened(root: int, path: str, *, walking: bool, flags: int = os.O_RDONLY) -> bytes:
    opener = beneath.open_walking if walking else beneath.open_kernel
    fd = opener(root, path, flags, 0)
    try:
        return os.read(fd, 10)
    finally:
        os.close(fd)


@pytest.mark.parametrize("path", ["a/b/file", "./a//b/./file", "a/../a/b/file", "a/b/../b/file"])
def test_paths_inside_open(root: int, walking: bool, path: str) -> None:
    """Dots that stay inside are followed."""
    assert b"x" == _opened(root, path, walking=walking)


@pytest.mark.parametrize("path", ["..", "../secret", "a/../../secret", "outward", "up/secret"])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_paths_outside_are_refused(root: int, walking: bool, path: str, flags: int) -> None:
    """Whatever leads out is EXDEV or ELOOP, never an open file."""
    with pytest.raises(OSError) as caught:
        _opened(root, path, walking=walking, flags=flags)
    assert caught.value.errno in {errno.EXDEV, errno.ELOOP}


def test_a_link_inside_works_only_with_openat2(root: int, walking: bool) -> None:
    """The walking fallback refuses every link, as documented."""
    if walking:
        with pytest.raises(OSError) as caught:
            _opened(root, "inward", walking=True)
        assert errno.ELOOP == caught.value.errno
    else:
        assert b"x" == _opened(root, "inward", walking=False)


def test_a_slash_after_a_file_is_no_file(root: int, walking: bool) -> None:
    """`file/` names a directory that is not there."""
    with pytest.raises(NotADirectoryError):
        _opened(root, "a/b/file/", walking=walking)


def test_no_descriptor_leaks(root: int, walking: bool) -> None:
    """Refused and failed opens give every descriptor back."""
    before = len(os.listdir("/proc/self/fd"))
    for path in ("../x", "a/b/none", "outward", "up/x", "a/b/file/x"):
        with pytest.raises(OSError):
            _opened(root, path, walking=walking, flags=os.O_PATH)
    assert before == len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5_000, "\ud800"])
def test_malformed_paths_never_reach_the_system(path: str) -> None:
    """NUL, nothing, too much and half a character are invalid input."""
    with pytest.raises(InvalidInput):
        beneath.check_path(path)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.EXDEV, PathEscape),
        (errno.ELOOP, PathEscape),
        (errno.ENOENT, NotFound),
        (errno.EACCES, Denied),
        (errno.ENXIO, Denied),
        (errno.ENAMETOOLONG, InvalidInput),
        (errno.EIO, OSError),
    ],
)
def test_errors_of_the_system_are_translated(code: int, expected: type[Exception]) -> None:
    """Each refusal has its domain error; a broken disk stays what it is."""
    found = beneath.domain_error(OSError(code, "x"), "path")
    assert isinstance(found, expected)
    assert not isinstance(found, TooLarge)
