"""What the matcher's two processes say to each other.

A frame is its length (four bytes, big-endian) and that many bytes. A request begins
with the byte of an `Ask` and the session's name; an answer with the byte of a `Told`.
Strings and buffers are a length and their bytes; places are JSON. Values are only ever
in buffers that can be overwritten.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from enum import IntEnum

from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint

HEADER = struct.Struct(">I")
FRAME_BYTES_MAX = 64 * 1024 * 1024
_SIZE = struct.Struct(">I")


class Ask(IntEnum):
    """What is asked of the worker."""

    LOAD = 1
    SCAN = 2
    REACH = 3
    KNOWN = 4
    TOO_SHORT = 5


class Told(IntEnum):
    """What an answer is."""

    DONE = 1
    TOO_LARGE = 2
    FAILED = 3


def _put(frame: bytearray, data: bytes | bytearray) -> None:
    frame += _SIZE.pack(len(data))
    frame += data


class Reader:
    """Takes a frame apart."""

    def __init__(self, frame: bytearray) -> None:
        self._frame = memoryview(frame)
        self._at = 1

    def take(self) -> memoryview:
        """The next string or buffer."""
        (size,) = _SIZE.unpack_from(self._frame, self._at)
        first = self._at + _SIZE.size
        self._at = first + size
        return self._frame[first : self._at]

    def text(self) -> str:
        """The next string."""
        return str(self.take(), "utf-8", "surrogatepass")

    @property
    def more(self) -> bool:
        """Whether there is anything left."""
        return self._at < len(self._frame)

    def release(self) -> None:
        """Let go of the frame, so that it can be overwritten and freed."""
        self._frame.release()


def request(ask: Ask, session: str, text: str = "") -> bytearray:
    """Make a request that holds no values."""
    frame = bytearray((ask,))
    _put(frame, session.encode("utf-8", "surrogatepass"))
    _put(frame, text.encode("utf-8", "surrogatepass"))
    return frame


def load_request(session: str, taints: Sequence[Taint]) -> bytearray:
    """Make a request with values; it is made once, at its full size, for it is wiped later."""
    name = session.encode("utf-8", "surrogatepass")
    size = 1 + _SIZE.size + len(name)
    heads = []
    for taint in taints:
        heads.append(json.dumps([taint.id, taint.kind, int(taint.level)]).encode())
        size += 2 * _SIZE.size + len(heads[-1]) + len(taint.value)
    frame = bytearray(size)
    frame[0] = Ask.LOAD
    at = _fill(frame, 1, name)
    for head, taint in zip(heads, taints, strict=True):
        at = _fill(frame, _fill(frame, at, head), taint.value)
    return frame


def _fill(frame: bytearray, at: int, data: bytes | bytearray) -> int:
    _SIZE.pack_into(frame, at, len(data))
    at += _SIZE.size
    frame[at : at + len(data)] = data
    return at + len(data)


def read_taints(reader: Reader) -> list[Taint]:
    """Read the values of a request."""
    taints = []
    while reader.more:
        id_, kind, level = json.loads(reader.text())
        value = bytearray(reader.take())
        taints.append(Taint(id=id_, kind=kind, level=Sensitivity(level), value=value))
    return taints


def answer(told: Told, content: object = None) -> bytes:
    """Make an answer."""
    return bytes((told,)) + json.dumps(content).encode()


def read_answer(frame: bytes | bytearray) -> tuple[Told, object]:
    """Read an answer; `ValueError` for what is none."""
    return Told(frame[0] if frame else 0), json.loads(frame[1:])


def from_matches(matches: Sequence[TaintMatch]) -> list[list[str | int]]:
    """Write matches as JSON can."""
    return [[m.id, m.kind, int(m.level), m.start, m.end, m.view] for m in matches]


def to_matches(content: object) -> tuple[TaintMatch, ...]:
    """Read matches; `ValueError` or `TypeError` for what is none."""
    if not isinstance(content, list):
        raise TypeError("matches are a list")
    return tuple(
        TaintMatch(
            id=str(id_),
            kind=str(kind),
            level=Sensitivity(level),
            start=int(start),
            end=int(end),
            view=str(view),
        )
        for id_, kind, level, start, end, view in content
    )
