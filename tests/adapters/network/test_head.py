"""Heads of requests."""

from __future__ import annotations

import pytest

from holdfast.adapters.network.head import (
    BadRequest,
    address_of,
    body_bytes,
    read_head,
    sent_on,
    tunnel_of,
)


def _head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_request_is_sent_on_as_one_for_its_host_alone() -> None:
    """Path and query go on, with the address's own host, and nothing between the two of us."""
    head = read_head(
        _head(
            "POST http://Outside.test:81/a?b=c HTTP/1.1",
            "Host: outside.test:81",
            "X-Own:  kept ",
            "Proxy-Authorization: Basic c2VjcmV0",
            "Connection: X-Hop, Content-Length, keep-alive",
            "X-Hop: 1",
            "Upgrade: websocket",
            "Content-Length: 3",
        )
    )
    address = address_of(head)
    assert ("outside.test", 81, 3) == (address.host, address.port, body_bytes(head))
    assert _head(
        "POST /a?b=c HTTP/1.1",
        "Host: outside.test:81",
        "Connection: close",
        "x-own: kept",
        "content-length: 3",
    ) == sent_on(head, address)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\n\n",
        _head("GET http://a.test/ HTTP/2.0"),
        _head("GET http://a.test/"),
        _head("get http://a.test/ HTTP/1.1"),
        _head("GET  http://a.test/ HTTP/1.1"),
        _head("GET http://a.test/ x HTTP/1.1"),
        _head("GET http://\u00e4.test/ HTTP/1.1"),
        _head("GET http://a.test/ HTTP/1.1", "Host : a.test"),
        _head("GET http://a.test/ HTTP/1.1", " folded"),
        _head("GET http://a.test/ HTTP/1.1", "X: a\nHost: b.test"),
        _head("GET http://a.test/ HTTP/1.1", "X: a\rHost: b.test"),
        _head("GET http://a.test/ HTTP/1.1", "X: a\0b"),
        _head("GET http://a.test/ HTTP/1.1", "Host: a.test", "host: b.test"),
        _head("GET http://a.test/ HTTP/1.1", "Content-Length: 1", "Content-Length: 2"),
        _head("GET http://a.test/ HTTP/1.1", "no header"),
        _head("GET http://a.test/ HTTP/1.1", *["X: y"] * 101),
    ],
)
def test_heads_that_are_not_read(data: bytes) -> None:
    """Whatever two servers could read in two ways."""
    with pytest.raises(BadRequest):
        read_head(data)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/path", ()),
        ("a.test", ()),
        ("http://user@a.test/", ()),
        ("http://a.test\\@b.test/", ()),
        ("http://a.test/", ("Host: b.test",)),
        ("http://a.test/", ("Host: a.test/x",)),
        ("http://a.test/", ("Host: b.test#a.test",)),
        ("http://a.test/", ("Host: user@a.test",)),
        ("http://a.test/", ("Host:",)),
        ("http://127.1/", ()),
    ],
)
def test_addresses_that_are_not_certain(target: str, headers: tuple[str, ...]) -> None:
    """Another form, or a header that says otherwise."""
    with pytest.raises(BadRequest):
        address_of(read_head(_head(f"GET {target} HTTP/1.1", *headers)))


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("a.test", ()),
        ("http://a.test:443", ()),
        ("u@a.test:443", ()),
        ("a.test:443", ("Host: b.test:443",)),
        ("a.test:443", ("Content-Length: 5",)),
        ("a.test:443", ("Transfer-Encoding: chunked",)),
    ],
)
def test_tunnels_that_are_not_certain(target: str, headers: tuple[str, ...]) -> None:
    """No port, a user, another host, or a body in which a request could hide."""
    with pytest.raises(BadRequest):
        tunnel_of(read_head(_head(f"CONNECT {target} HTTP/1.1", *headers)))
    assert ("a.test", 443) == tunnel_of(read_head(_head("CONNECT a.test:443 HTTP/1.1")))


@pytest.mark.parametrize(
    "header", ["Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: 0x10"]
)
def test_bodies_of_no_certain_length(header: str) -> None:
    """They are not sent on."""
    with pytest.raises(BadRequest):
        body_bytes(read_head(_head("POST http://a.test/ HTTP/1.1", header)))
