"""The lines of an export: each altered, missing, doubled or exchanged one is named."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ImportRefused
from holdfast.runtime import jsonl
from holdfast.runtime.jsonl import ExportedEvent, ExportHead, LineWriter, read_export
from holdfast.runtime.seedjson import JsonObject
from moving_kit import flips

HASHES = ("11" * 32, "22" * 32)


def event(version: int, payload: str = '{"a":1}') -> ExportedEvent:
    """Make an event line."""
    return ExportedEvent(
        version=version,
        kind=32769,
        name="Opened",
        time_ms=5,
        actor=3,
        key_id=1,
        epoch=1,
        hash=HASHES[version - 1],
        payload=payload,
    )


def head() -> ExportHead:
    """Make a first line."""
    return ExportHead(
        session_id="one", stream=4, installation="aa", commitment="bb", version=2, head=HASHES[1]
    )


def whole(*payloads: str) -> bytes:
    """Write a file of two events and a kept output in two parts."""
    out = io.BytesIO()
    writer = LineWriter(out)
    writer.write("holdfast", head().to_dict())
    first, second = payloads or ('{"a":1}', "{}")
    writer.write("event", event(1, first).to_dict())
    writer.write("event", event(2, second).to_dict())
    for part, data in enumerate(("YWI=", "Yw==")):
        writer.write("spill", {"id": "ab" * 16, "part": part, "parts": 2, "data": data})
    writer.write("end", {"events": 2, "spills": 2, "missing": 0, "version": 2, "head": HASHES[1]})
    return out.getvalue()


def refusal(data: bytes) -> str:
    """Return why a file is refused."""
    with pytest.raises(ImportRefused) as caught:
        read_export(io.BytesIO(data))
    return caught.value.message


@given(st.text(), st.text())
def test_any_text_comes_back(first: str, second: str) -> None:
    """A payload of any text comes back as it went, in one line of the file."""
    texts = [text.encode("utf-8", "replace").decode() for text in (first, second)]
    data = whole(*texts)
    file = read_export(io.BytesIO(data))
    assert texts == [line.payload for line in file.events]
    assert {bytes.fromhex("ab" * 16): b"abc"} == file.spills
    assert 6 == data.count(b"\n")


def test_every_flipped_byte_is_found_and_its_line_named() -> None:
    """A turned bit anywhere in the file refuses it, naming the line it is in."""
    data = whole()
    for at, altered in enumerate(flips(data)):
        line = data.count(b"\n", 0, at) + 1
        named = re.match(r"line (\d+): ", refusal(altered))
        assert named is not None, at
        # A line end that is gone joins two lines; a new one splits one.
        assert int(named[1]) in (line, line + 1), at


def test_a_cut_anywhere_is_found() -> None:
    """No beginning of a file passes for the whole."""
    data = whole()
    for length in range(len(data)):
        assert refusal(data[:length])


def test_lines_missing_doubled_or_exchanged_are_found() -> None:
    """Taking out, doubling or exchanging lines refuses the file at that place."""
    lines = whole().splitlines(keepends=True)
    for at in range(1, len(lines)):
        if at < len(lines) - 1:
            assert f"line {at + 1}:" in refusal(b"".join(lines[:at] + lines[at + 1 :]))
        assert f"line {at + 2}:" in refusal(b"".join(lines[: at + 1] + lines[at:]))
        swapped = lines[:at] + lines[at + 1 : at + 2] + [lines[at]] + lines[at + 2 :]
        if at < len(lines) - 1:
            assert f"line {at + 1}:" in refusal(b"".join(swapped))


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("event", {"version": 3}, "event 3 where 2 is due"),
        ("event", {"version": 1}, "event 1 where 2 is due"),
        ("event", {"hash": "zz"}, "event.hash: not a hash"),
        ("event", {"kind": "x"}, "event.kind: not a whole number"),
        ("end", {"events": 5}, "not as many lines"),
        ("end", {"head": "33" * 32}, "not the last event's hash"),
        ("spill", {"id": "x"}, "spill.id"),
        ("spill", {"part": 1}, "out of place"),
        ("spill", {"data": "?"}, "not base64"),
        ("other", {}, "unknown kind of line"),
        ("holdfast", {}, "the first line, and only it"),
    ],
)
def test_a_line_that_proves_but_is_wrong_is_named(kind: str, change: JsonObject, said: str) -> None:
    """A well-made file that contradicts itself is refused at the line that does."""
    out = io.BytesIO()
    writer = LineWriter(out)
    writer.write("holdfast", head().to_dict())
    writer.write("event", event(1).to_dict())
    lines: dict[str, JsonObject] = {
        "event": event(2).to_dict(),
        "spill": {"id": "ab" * 16, "part": 0, "parts": 1, "data": "YQ=="},
        "end": {"events": 2, "spills": 0, "missing": 0, "version": 2, "head": HASHES[1]},
        "other": {},
        "holdfast": head().to_dict(),
    }
    if kind in ("spill", "end"):
        writer.write("event", lines["event"])
    writer.write(kind, {**lines[kind], **change})
    message = refusal(out.getvalue())
    assert said in message and message.startswith("line ")


def test_a_huge_line_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit is refused by its number, whatever follows."""
    monkeypatch.setattr(jsonl, "LINE_BYTES_MAX", 1000)
    assert "line 2: longer than 1000 bytes" == refusal(whole("x" * 2000, "y"))


def test_an_empty_file_and_another_format_are_refused() -> None:
    """An empty file is said to be empty, a later format names what this program knows."""
    assert "line 1: the file is empty" == refusal(b"")
    out = io.BytesIO()
    LineWriter(out).write("holdfast", {**head().to_dict(), "format": 2})
    assert "line 1: format 2; this program knows 1" == refusal(out.getvalue())
