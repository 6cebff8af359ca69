"""Holdfast's own export file: one JSON object a line, each proved by the next.

    {"holdfast": {format, session_id, stream, installation, commitment, version, head}, "check": …}
    {"event": {version, kind, name, time_ms, actor, key_id, epoch, hash, payload}, "check": …}
    {"spill": {id, part, parts, data}, "check": …}
    {"end": {events, spills, missing, version, head}, "check": …}

- `payload` is the stored text of the event as it was written, never serialised
  again (contract 2.4); what had been moved to a blob stands in its place.
- `spill` lines carry large outputs of tools, base64, a part a line, after the events.
- `hash` is the stored hash of the source's chain. It is over ciphertext, so that
  a reader without the key cannot recompute it; it ties the file to the source's log.
- `check` = SHA-256(the check before ‖ the line's bytes up to the check). So an
  altered, missing, doubled or exchanged line is found, and which one it is; the
  last line shows that nothing is cut off. It proves no author.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from holdfast.core.errors import ImportRefused
from holdfast.runtime.seedfiles import JSONL_MARK
from holdfast.runtime.seedjson import Fields, Json, JsonObject, as_object, parse, write

FORMAT = 1
LINE_BYTES_MAX = 256 * 1024 * 1024
SPILL_BYTES_MAX = 256 * 1024 * 1024
_FIRST_CHECK = hashlib.sha256(b"holdfast/export/1").digest()
_TAIL = re.compile(rb',"check":"([0-9a-f]{64})"\}\n\Z')
_HEX_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportHead:
    """What the first line says."""

    session_id: str
    stream: int
    installation: str
    commitment: str
    version: int
    head: str

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        return {
            "format": FORMAT,
            "session_id": self.session_id,
            "stream": self.stream,
            "installation": self.installation,
            "commitment": self.commitment,
            "version": self.version,
            "head": self.head,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEvent:
    """One event line; `line` is its number in the file, 0 while it is written."""

    version: int
    kind: int
    name: str
    time_ms: int
    actor: int
    key_id: int
    epoch: int
    hash: str
    payload: str
    line: int = 0

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        return {
            "version": self.version,
            "kind": self.kind,
            "name": self.name,
            "time_ms": self.time_ms,
            "actor": self.actor,
            "key_id": self.key_id,
            "epoch": self.epoch,
            "hash": self.hash,
            "payload": self.payload,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """A whole file that has proved complete and unaltered.

    Args:
        spills: outputs of tools by blob id.
        missing: outputs that were not there any more when it was written.
    """

    head: ExportHead
    events: tuple[ExportedEvent, ...]
    spills: dict[bytes, bytes] = field(default_factory=dict)
    missing: int = 0


class LineWriter:
    """Writes lines, each with its check."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._check = _FIRST_CHECK

    def write(self, kind: str, value: JsonObject) -> None:
        """Write one line."""
        text = write({kind: value})
        # Only these two end a line for somebody who reads lines of text.
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        body = text[:-1].encode()
        self._check = hashlib.sha256(self._check + body).digest()
        self._out.write(body + b',"check":"' + self._check.hex().encode() + b'"}\n')


def read_export(source: IO[bytes]) -> ExportFile:
    """Read a whole export file.

    Raises:
        ImportRefused: a line is malformed, altered, missing, doubled or too
            long, or the file is cut off; the line is named.
    """
    reader = _Reader()
    for number, kind, value in _lines(source):
        try:
            reader.take(number, kind, Fields(value, kind))
        except ImportRefused as error:
            raise at_line(number, error.message) from None
    return reader.result()


def at_line(number: int, what: str) -> ImportRefused:
    """Make the refusal of a line."""
    return ImportRefused(what if what.startswith("line ") else f"line {number}: {what}")


def _lines(source: IO[bytes]) -> Iterator[tuple[int, str, JsonObject]]:
    check, number = _FIRST_CHECK, 0
    while line := source.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > LINE_BYTES_MAX:
            raise at_line(number, f"longer than {LINE_BYTES_MAX} bytes")
        if not line.endswith(b"\n"):
            raise at_line(number, "the file is cut off in the middle of it")
        tail = _TAIL.search(line)
        if tail is None:
            raise at_line(number, "not a line of an export: it has no check at its end")
        body = line[: tail.start()]
        check = hashlib.sha256(check + body).digest()
        if check.hex().encode() != tail[1]:
            raise at_line(number, "altered, or a line before it is missing or out of place")
        yield number, *_parsed(number, body + b"}")


def _parsed(number: int, text: bytes) -> tuple[str, JsonObject]:
    try:
        value = parse(text.decode())
    except ValueError as error:
        raise at_line(number, f"not strict JSON: {error}") from None
    if not isinstance(value, dict) or len(value) != 1:
        raise at_line(number, "not an object of one kind of line")
    kind, inner = next(iter(value.items()))
    if not isinstance(inner, dict):
        raise at_line(number, f"{kind[:32]!r} holds no object")
    return kind, inner


class _Reader:
    """Takes line after line and says what is wrong with one."""

    def __init__(self) -> None:
        self._head: ExportHead | None = None
        self._events: list[ExportedEvent] = []
        self._parts: dict[bytes, list[bytes]] = {}
        self._wanted: dict[bytes, int] = {}
        self._spilled = 0
        self._spill_lines = 0
        self._missing = 0
        self._ended = False
        self._last = 0

    def take(self, number: int, kind: str, fields: Fields) -> None:
        """Take one line."""
        self._last = number
        if self._ended:
            raise ImportRefused("it stands behind the end")
        if (number == 1) != (kind == JSONL_MARK):
            raise ImportRefused("the first line, and only it, says what the file is")
        match kind:
            case "holdfast":
                self._head = _head(fields)
            case "event":
                self._event(number, fields)
            case "spill":
                self._spill(fields)
            case "end":
                self._end(fields)
            case _:
                raise ImportRefused(f"unknown kind of line {kind[:32]!r}")

    def _event(self, number: int, fields: Fields) -> None:
        version = fields.count("version")
        if version != len(self._events) + 1:
            raise ImportRefused(f"event {version} where {len(self._events) + 1} is due")
        if self._parts:
            raise ImportRefused("events stand before kept outputs")
        self._events.append(
            ExportedEvent(
                version=version,
                kind=fields.count("kind"),
                name=fields.text("name"),
                time_ms=fields.count("time_ms"),
                actor=fields.count("actor"),
                key_id=fields.count("key_id"),
                epoch=fields.count("epoch"),
                hash=_hash(fields, "hash"),
                payload=fields.text("payload"),
                line=number,
            )
        )

    def _spill(self, fields: Fields) -> None:
        text = fields.text("id")
        if not _HEX_ID.fullmatch(text):
            raise ImportRefused("spill.id: not sixteen bytes in hex")
        id, parts = bytes.fromhex(text), fields.count("parts")
        pieces = self._parts.setdefault(id, [])
        if fields.count("part") != len(pieces) or self._wanted.setdefault(id, parts) != parts:
            raise ImportRefused("a part of a kept output is doubled or out of place")
        try:
            data = base64.b64decode(fields.text("data"), validate=True)
        except (binascii.Error, ValueError):
            raise ImportRefused("spill.data: not base64") from None
        self._spilled += len(data)
        if self._spilled > SPILL_BYTES_MAX:
            raise ImportRefused(f"more than {SPILL_BYTES_MAX} bytes of kept outputs")
        self._spill_lines += 1
        pieces.append(data)

    def _end(self, fields: Fields) -> None:
        assert self._head is not None, "the first line came first"
        found = len(self._events)
        last = self._events[-1].hash if self._events else ""
        self._missing = fields.count("missing")
        said = (fields.count("events"), fields.count("spills"), fields.count("version"))
        if said != (found, self._spill_lines, found) or found != self._head.version or not found:
            raise ImportRefused("the file has not as many lines as its end says")
        if not fields.text("head") == last == self._head.head:
            raise ImportRefused("the chain's head is not the last event's hash")
        if any(len(self._parts[id]) != parts for id, parts in self._wanted.items()):
            raise ImportRefused("a kept output is not complete")
        self._ended = True

    def result(self) -> ExportFile:
        """What the lines came to.

        Raises:
            ImportRefused: the file is empty or cut off.
        """
        if self._head is None:
            raise ImportRefused("line 1: the file is empty")
        if not self._ended:
            raise at_line(self._last, "the file is cut off behind it")
        return ExportFile(
            head=self._head,
            events=tuple(self._events),
            spills={id: b"".join(pieces) for id, pieces in self._parts.items()},
            missing=self._missing,
        )


def _head(fields: Fields) -> ExportHead:
    if fields.count("format") != FORMAT:
        raise ImportRefused(f"format {fields.count('format')}; this program knows {FORMAT}")
    return ExportHead(
        session_id=fields.text("session_id"),
        stream=fields.count("stream"),
        installation=fields.text("installation"),
        commitment=fields.text("commitment"),
        version=fields.count("version"),
        head=_hash(fields, "head"),
    )


def _hash(fields: Fields, name: str) -> str:
    text = fields.text(name)
    if not _HASH.fullmatch(text):
        raise ImportRefused(f"{fields.at(name)}: not a hash")
    return text


def object_of(text: str, where: str) -> JsonObject:
    """Read a payload's text as an object.

    Raises:
        ImportRefused: it is none.
    """
    try:
        value: Json = parse(text)
    except ValueError as error:
        raise ImportRefused(f"{where}: not strict JSON: {error}") from None
    return as_object(value, where)
