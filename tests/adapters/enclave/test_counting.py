"""A counter in a file goes forward, and nothing but its key writes it."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

import pytest

from holdfast.adapters.enclave.counting import NAMES_MAX, FileCounter, write_private
from holdfast.core.errors import HoldfastError, InvalidInput, SealRefused, Unavailable
from holdfast.ports.counting import Count

KEY = bytes(range(32))
ONE, TWO = (Count(version=number, digest=f"{number:02x}" * 32) for number in (1, 2))


def counter(folder: Path, **options: object) -> FileCounter:
    """The counter of the tests' key."""
    return FileCounter(folder / "counts", KEY, **options)  # type: ignore[arg-type] - options by name


def code_of(counts: FileCounter) -> str:
    """Why it refuses to be read."""
    with pytest.raises(SealRefused) as caught:
        counts.read("a")
    return caught.value.code


def test_it_goes_forward_and_is_kept(tmp_path: Path) -> None:
    """Each name by itself; a file that only its owner can open."""
    counts = counter(tmp_path)
    assert Count() == counts.read("a")
    counts.advance("a", ONE)
    counts.advance("b", TWO)
    counts.advance("a", Count(version=9, digest=ONE.digest))
    again = counter(tmp_path)
    assert [9, 2, 0] == [again.read(name).version for name in "abc"]
    assert 0o600 == stat.S_IMODE((tmp_path / "counts").stat().st_mode)


@pytest.mark.parametrize("version", [1, 2])
def test_it_neither_stands_still_nor_goes_back(version: int, tmp_path: Path) -> None:
    """Not even with another digest."""
    counts = counter(tmp_path)
    counts.advance("a", TWO)
    with pytest.raises(SealRefused) as caught:
        counts.advance("a", Count(version=version, digest="cc" * 32))
    assert ("rollback", TWO) == (caught.value.code, counts.read("a"))


@pytest.mark.parametrize(
    ("name", "count"),
    [("", ONE), ("x" * 65, ONE), ("a", Count()), ("a", Count(version=3, digest="zz"))],
)
def test_what_is_no_count_is_not_counted(name: str, count: Count, tmp_path: Path) -> None:
    """And nothing is written."""
    with pytest.raises(InvalidInput):
        counter(tmp_path).advance(name, count)
    assert [] == os.listdir(tmp_path)


def test_a_file_counts_so_many_names(tmp_path: Path) -> None:
    """One more is refused; those that are there go on."""
    counts = counter(tmp_path)
    for number in range(NAMES_MAX):
        counts.advance(f"n{number}", ONE)
    with pytest.raises(InvalidInput):
        counts.advance("more", ONE)
    counts.advance("n0", TWO)


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    """So are a cut, an added byte, and another's key."""
    path = tmp_path / "counts"
    counts = counter(tmp_path)
    counts.advance("a", ONE)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert "counter" == code_of(counts)
    for wrong in (b"", whole[:-1], whole + b"\n", b"x" + whole, bytes(100_000)):
        path.write_bytes(wrong)
        assert "counter" == code_of(counts)
        with pytest.raises(SealRefused):
            counts.advance("a", TWO)
    path.write_bytes(whole)
    assert ONE == counts.read("a")
    assert "counter" == code_of(FileCounter(path, b"another"))


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"1", b'{"counts":[],"format":1}', b'{"counts":{},"format":2}',
     b'{"counts":{"a":[1]},"format":1}', b'{"counts":{"a":[1,"x"]},"format":1}',
     b'{"counts":{"a":["1","' + b"0" * 64 + b'"]},"format":1}', b"[" * 10_000],
)  # fmt: skip
def test_what_is_authentic_and_no_counts_is_refused(body: bytes, tmp_path: Path) -> None:
    """An anchor has no key, so that anybody's hand may have written it."""
    mac = hmac.digest(b"", body, "sha256").hex().encode()
    write_private(tmp_path / "anchor", body + b"\n" + mac + b"\n")
    assert "counter" == code_of(FileCounter(tmp_path / "anchor"))


def test_what_is_not_private_is_not_read(tmp_path: Path) -> None:
    """A link, a file that others may open, a directory."""
    counts = counter(tmp_path)
    counts.advance("a", ONE)
    path = tmp_path / "counts"
    path.chmod(0o640)
    with pytest.raises(Unavailable):
        counts.read("a")
    path.chmod(0o600)
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    assert "counter" == code_of(counts)
    path.unlink()
    path.mkdir(mode=0o700)
    with pytest.raises(HoldfastError):
        counts.read("a")


def test_what_cannot_be_believed_is_given_up_when_that_is_said(tmp_path: Path) -> None:
    """Until it was written once: then it counts again."""
    counter(tmp_path).advance("a", TWO)
    path = tmp_path / "counts"
    path.write_bytes(path.read_bytes()[1:])
    counts = counter(tmp_path, renew=True)
    assert Count() == counts.read("a")
    counts.advance("a", ONE)
    assert ONE == counter(tmp_path).read("a")
    path.write_bytes(b"damaged again")
    assert "counter" == code_of(counts)


def test_a_leftover_of_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    """It was never the file."""
    counts = counter(tmp_path)
    (tmp_path / "counts.new").write_bytes(b"half")
    assert Count() == counts.read("a")
    counts.advance("a", ONE)
    assert ["counts", "counts.lock"] == sorted(os.listdir(tmp_path))
