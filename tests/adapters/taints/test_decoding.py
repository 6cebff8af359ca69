"""What is hidden in runs, escapes and packed streams comes out, and where it was is known."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.taints.decoding import (
    UNPACKED_BYTES_MAX,
    Least,
    Segment,
    base32_segments,
    base64_segments,
    escape_segments,
    hex_segments,
)
from holdfast.adapters.taints.folding import fold
from holdfast.adapters.taints.levels import Level

LEAST = Least()
SECRET = b"it is secret123"


def place_of(segments: Iterable[Segment], value: bytes, data: bytes) -> list[tuple[str, bytes]]:
    """Each segment that holds a value: its name and what the value stood as."""
    found = []
    for segment in segments:
        at = segment.data.find(value)
        if at >= 0:
            start, end = segment.locate(at, at + len(value))
            found.append((segment.name, data[start:end]))
    return found


def hexed(data: bytes) -> Iterable[Segment]:
    """The segments of hex in a level."""
    return hex_segments(fold(data), Level(data).unfold, LEAST)


@pytest.mark.parametrize("skipped", range(6))
def test_base64_at_every_alignment(skipped: int) -> None:
    """The characters that have a bit of the value are its place."""
    text = base64.b64encode(b"#" * skipped + b"secret123" + b"##")
    first, last = skipped * 8 // 6, -(-(skipped + 9) * 8 // 6)
    data = b"see " + text + b" and extraordinary things"
    assert ("base64", text[first:last]) in place_of(
        base64_segments(data, LEAST), b"secret123", data
    )


@pytest.mark.parametrize("letters", range(8))
def test_runs_may_begin_with_other_letters(letters: int) -> None:
    """Whatever stands right before the code, it is found at its own place."""
    for encode, segments in (
        (base64.b64encode, base64_segments),
        (base64.b32encode, base32_segments),
    ):
        text = encode(b"secret123")
        data = b"A" * letters + text
        ((_, stood),) = place_of(segments(data, LEAST), b"secret123", data)
        assert text == stood


def test_padding_belongs_to_its_run() -> None:
    """A value at the very end takes the padding along."""
    data = b"key=" + base64.b64encode(b"secret1234") + b"."
    assert [("base64", data[4:-1])] == place_of(base64_segments(data, LEAST), b"secret1234", data)


def test_base64_in_lines_is_one() -> None:
    """A value across a line break is found, with the break."""
    text = base64.encodebytes(b"x" * 53 + b"secret123" + b"x" * 30).replace(b"\n", b"\r\n  ")
    ((name, stood),) = place_of(base64_segments(text, LEAST), b"secret123", text)
    assert ("base64", True) == (name, b"\r\n" in stood)


@pytest.mark.parametrize("skipped", range(8))
@pytest.mark.parametrize("small", [False, True])
def test_base32_at_every_alignment(skipped: int, small: bool) -> None:
    """As base64, in capitals or small."""
    text = base64.b32encode(b"#" * skipped + b"secret123" + b"##")
    data = b"see " + (text.lower() if small else text)
    first, last = 4 + skipped * 8 // 5, 4 - (-(skipped + 9) * 8 // 5)
    assert ("base32", data[first:last]) in place_of(
        base32_segments(data, LEAST), b"secret123", data
    )


@pytest.mark.parametrize("between", ["", " ", ":", ", ", "\n"])
@pytest.mark.parametrize("before", ["", "a", "a1 "])
def test_hex_with_anything_between(between: str, before: str) -> None:
    """The whole stretch is the place, with what stands between."""
    stood = between.join(f"{code:02X}" for code in b"secret123").encode()
    data = before.encode() + stood + b" zz"
    assert [("hex", stood)] == place_of(hexed(data), b"secret123", data)


@pytest.mark.parametrize(
    "stood",
    [
        "%73%65%63%72et",
        "&#115;ecre&#x74;",
        "&#115ecret",
        "\\u0073ecret",
        "%u0073ecret",
        "\\u{73}ecret",
        "\\U00000073ecret",
        "\\x73\\x65cret",
        "0x73, 0x65, 0x63, 0x72, 0x65, 0x74",
        "\\163ecret",
    ],
)
def test_escapes(stood: str) -> None:
    """Each form is resolved; what it was written as is the place."""
    data = f"ä {stood} 100% &c".encode()
    assert [("escaped", stood.encode())] == place_of(escape_segments(data), b"secret", data)


@pytest.mark.parametrize(
    ("stood", "means"),
    [
        ("&amp;&eacute;&nosuch;", "&é&nosuch;"),
        ("\\ud83d\\ude42", "🙂"),
        ('\\"\\\\\\n\\/', '"\\\n/'),
        ("&#99999999;\\u{ffffff}%C3%A9", "é"),
    ],
)
def test_more_escapes(stood: str, means: str) -> None:
    """Names, pairs of surrogates, plain ones; what is no character is nothing."""
    (segment,) = escape_segments(stood.encode())
    assert means.encode() == segment.data


def test_nothing_to_resolve_is_no_level() -> None:
    """Text without escapes, or with signs that are none, makes no copy of itself."""
    for data in (b"plain text", b"100% & \\ more", b"&nosuch;"):
        assert [] == list(escape_segments(data))


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_streams(pack: object) -> None:
    """What is packed in base64 comes out; its whole run is the place."""
    assert callable(pack)
    text = base64.b64encode(pack(SECRET))
    data = b"see " + text + b" ok"
    assert [("base64>gzip", text)] == place_of(base64_segments(data, LEAST), SECRET, data)


def test_a_packed_stream_may_be_cut_off_or_huge() -> None:
    """What can be unpacked of it is, up to a limit."""
    cut = base64.b64encode(gzip.compress(SECRET)[:-8])
    assert place_of(base64_segments(cut, LEAST), SECRET, cut)
    bomb = base64.b64encode(gzip.compress(bytes(10**7)) * 3)
    sizes = [len(one.data) for one in base64_segments(bomb, LEAST) if one.name.endswith("gzip")]
    assert sum(sizes) <= UNPACKED_BYTES_MAX
    percent = "".join(f"%{code:02x}" for code in gzip.compress(SECRET)).encode()
    assert place_of(escape_segments(percent), SECRET, percent)


def test_rubbish_is_dropped() -> None:
    """Ordinary words make nothing to look through."""
    words = b"extraordinary characterisation of international circumstances, internationalisation"
    assert [] == list(base64_segments(words, LEAST))
    assert [] == list(base32_segments(words, LEAST))
    assert [] == LEAST.stretches(b"\xff\x00" * 40)
    assert [(4, 12)] == LEAST.stretches(b"\xff\xfe\xfd\xfcsecret12\xff\xff")
    assert [(0, 16)] == LEAST.stretches(b"s\0e\0c\0r\0e\0t\x001\x002\0")


def test_least_runs() -> None:
    """The shortest runs follow from the fewest characters."""
    least = Least(6)
    assert (8, 10, 12) == (least.base64, least.base32, least.hex)
    assert (11, 13, 16) == (LEAST.base64, LEAST.base32, LEAST.hex)


@settings(max_examples=80)
@given(st.binary(max_size=60) | st.text("A2ab=+/_-%\\u&#x;0 \n", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, places lie within it and in order."""
    segments = [
        *escape_segments(data),
        *base64_segments(data, LEAST),
        *base32_segments(data, LEAST),
        *hexed(data),
    ]
    for segment in segments:
        size = len(segment.data)
        for start, end in ((0, 1), (size - 1, size), (0, size)):
            first, last = segment.locate(start, end)
            assert 0 <= first < last <= len(data)
