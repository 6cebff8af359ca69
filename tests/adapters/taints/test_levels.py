"""Levels lead from what was decoded back to the text."""

from __future__ import annotations

import base64
import gzip

from holdfast.adapters.taints.decoding import Least
from holdfast.adapters.taints.levels import DEPTH_MAX, LEVEL_BYTES_MIN, Level, levels


def found(text: str, value: bytes) -> list[tuple[int, str, tuple[str, ...]]]:
    """For each level that holds a value: its depth, what it stood as, through what."""
    data = text.encode()
    made = []
    for level in levels(data, Least()):
        at = level.data.find(value)
        if at >= 0:
            root = level.root(at, at + len(value))
            assert root is not None
            made.append((level.depth, data[root[0] : root[1]].decode(), root[2]))
    return made


def b64(text: str) -> str:
    """Base64 of a text."""
    return base64.b64encode(text.encode()).decode()


def test_levels_below_levels() -> None:
    """A value is found through several encodings and its place is in the text."""
    assert [(0, "secret123", ())] == found("a secret123", b"secret123")
    twice = b64(b64("secret123"))
    assert [(2, twice, ("base64", "base64"))] == found(f"see {twice}.", b"secret123")
    mixed = "".join(f"%{ord(char):02x}" for char in b64("secret123"))
    assert [(2, mixed, ("escaped", "base64"))] == found(f"é {mixed} é", b"secret123")


def test_depth_is_bounded() -> None:
    """Below the deepest level nothing is looked for."""
    text = "secret123"
    for _ in range(DEPTH_MAX):
        text = b64(text)
    assert [DEPTH_MAX] == [depth for depth, _, _ in found(text, b"secret123")]
    assert [] == found(b64(text), b"secret123")


def test_plain_text_has_one_level() -> None:
    """There is nothing below ordinary words."""
    assert 1 == len(list(levels(b"ordinary words and extraordinary ones", Least())))


def test_a_place_across_segments_is_none() -> None:
    """Two decoded parts are not one."""
    _, below, *_ = levels(f"{b64('secret one')}\\x41".encode(), Least())
    assert below.root(0, len(below.data)) is None


def test_unfolding() -> None:
    """A place in a fold leads to the characters it was made of."""
    level = Level("x S-é密".encode())
    assert b"xse\xe5\xaf\x86" == level.folded
    assert (2, 6) == level.unfold(1, 3)
    assert (6, 9) == level.unfold(3, 6)


def test_exact_places() -> None:
    """The text and its resolved escapes are exact, decoded runs are not."""
    text, below = list(levels(f"\\x41 {b64('secret one')}".encode(), Least()))[:2]
    assert text.exact_at(0)
    assert below.exact_at(below.data.index(b"A "))
    assert not below.exact_at(below.data.index(b"secret one"))


def test_levels_are_bounded() -> None:
    """A level is at most some times as large as the text."""
    bomb = base64.b64encode(gzip.compress(b"a" * 10**6)).rstrip(b"=")
    data = b" ".join(b"x" * letters + bomb for letters in range(4))
    assert all(len(level.data) <= LEVEL_BYTES_MIN for level in levels(data, Least()))
