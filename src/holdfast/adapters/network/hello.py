"""Reading the beginning of a TLS connection: which host it says it is for.

A tunnel that was allowed for one host must not be used to speak to another one that
is served at the same address, nor to speak anything but TLS. The first message says
which host is meant, in clear (RFC 8446 4.1.2, RFC 6066 3). Nothing is decrypted.
"""

from __future__ import annotations

import asyncio

HELLO_BYTES_MAX = 65_536
_RECORD, _HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 5, 22, 1, 0
_RECORD_BYTES_MAX = 2**14


class NotTls(ValueError):
    """What was sent does not begin a TLS connection."""


async def read_hello(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read the first message; return all that was read, and the message itself.

    Raises:
        NotTls: it is something else, or too long.
        asyncio.IncompleteReadError: it ended early.
    """
    raw = message = b""
    while True:
        head = await reader.readexactly(_RECORD)
        size = int.from_bytes(head[3:5], "big")
        if head[0] != _HANDSHAKE or head[1] != 3 or not 0 < size <= _RECORD_BYTES_MAX:
            raise NotTls("it is not TLS")
        part = await reader.readexactly(size)
        raw, message = raw + head + part, message + part
        if message[0] != _CLIENT_HELLO:
            raise NotTls("it does not begin with a ClientHello")
        if len(message) >= 4:
            wanted = 4 + int.from_bytes(message[1:4], "big")
            if wanted > HELLO_BYTES_MAX or len(message) > wanted:
                raise NotTls("its ClientHello has an unusual length")
            if len(message) == wanted:
                return raw, message[4:]


def server_name(hello: bytes) -> str:
    """The host that a ClientHello names, or "" if it names none.

    Raises:
        NotTls: it is malformed, or names several.
    """
    cursor = _Cursor(hello)
    cursor.take(2 + 32)  # version and random
    cursor.vector(1)  # session id
    cursor.vector(2)  # cipher suites
    cursor.vector(1)  # compression methods
    if not cursor.left:
        return ""
    names: list[str] = []
    extensions = _Cursor(cursor.vector(2))
    if cursor.left:
        raise NotTls("its ClientHello goes on after its end")
    while extensions.left:
        kind, body = int.from_bytes(extensions.take(2), "big"), extensions.vector(2)
        if kind == _SERVER_NAME:
            names.append(_only_name(body))
    if len(names) > 1:
        raise NotTls("it names several hosts")
    return names[0] if names else ""


def _only_name(body: bytes) -> str:
    cursor = _Cursor(body)
    listed = _Cursor(cursor.vector(2))
    kind, name = listed.take(1), listed.vector(2)
    if kind != b"\0" or listed.left or cursor.left:
        raise NotTls("it names several hosts")
    try:
        return name.decode("ascii")
    except UnicodeDecodeError:
        raise NotTls("it names a host that is not certain") from None


class _Cursor:
    """Reads a message piece by piece; reading beyond its end is an error."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise NotTls("its ClientHello is cut")
        self._at += size
        return found

    def vector(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width), "big"))
