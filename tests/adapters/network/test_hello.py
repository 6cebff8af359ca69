"""The beginning of TLS."""

from __future__ import annotations

import asyncio
import random
import ssl

import pytest

from holdfast.adapters.network.hello import NotTls, read_hello, server_name


def hello(host: str | None) -> bytes:
    """What a real client sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


async def _read(data: bytes) -> tuple[bytes, bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_hello(reader)


def _named(data: bytes) -> str:
    return server_name(asyncio.run(_read(data))[1])


def test_a_real_client_names_its_host() -> None:
    """The name is found, or that there is none, and all that was read is kept."""
    assert "outside.test" == _named(hello("outside.test"))
    assert "" == _named(hello(None))
    data = hello("outside.test")
    assert data == asyncio.run(_read(data + b"more"))[0]


def test_in_several_records() -> None:
    """A message that is cut over records is put together."""
    data = hello("outside.test")
    body = data[5:]
    records = b"".join(
        data[:3] + len(part).to_bytes(2, "big") + part for part in (body[:7], body[7:90], body[90:])
    )
    assert "outside.test" == _named(records)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: outside.test\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x17\x03\x03\x00\x05hello",
        b"\x16\x02\x00\x00\x05hello",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x01\x00\x06\x01\x00\x00\x01ab",
    ],
)
def test_what_is_not_tls(data: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(NotTls):
        asyncio.run(_read(data))


def test_cut_anywhere_it_is_not_complete() -> None:
    """No beginning of a message passes for one."""
    data = hello("outside.test")
    for size in range(len(data)):
        with pytest.raises(asyncio.IncompleteReadError):
            asyncio.run(_read(data[:size]))


def test_flipped_bytes_never_crash() -> None:
    """A damaged message names some host or is refused, and nothing else happens."""
    data = hello("outside.test")[9:]
    rng = random.Random(7)
    for _ in range(10_000):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            found = server_name(bytes(damaged))
        except NotTls:
            continue
        assert found.isascii()


def _with_names(*names: bytes, kind: bytes = b"\0", twice: bool = False) -> bytes:
    listed = b"".join(kind + len(name).to_bytes(2, "big") + name for name in names)
    body = len(listed).to_bytes(2, "big") + listed
    extension = b"\0\0" + len(body).to_bytes(2, "big") + body
    extensions = extension * (2 if twice else 1)
    start = bytes(34) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    return start + len(extensions).to_bytes(2, "big") + extensions


def test_several_names_are_refused() -> None:
    """Two servers might believe two of them."""
    assert "a.test" == server_name(_with_names(b"a.test"))
    for odd in (
        _with_names(b"a.test", b"b.test"),
        _with_names(b"a.test", twice=True),
        _with_names(b"a.test", kind=b"\1"),
        _with_names(b"\xff.test"),
        _with_names(b"a.test") + b"x",
    ):
        with pytest.raises(NotTls):
            server_name(odd)
