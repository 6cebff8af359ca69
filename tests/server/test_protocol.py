"""Heads of requests are bounded in size and time; bodies and further requests are not cut."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from holdfast.server import protocol
from serverkit import listening, served
from sessionhelp import run

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


def test_a_head_that_does_not_end() -> None:
    """One long line, many lines, a long path: refused long before they fill the memory."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            port = int(url.rpartition(":")[2])
            for piece in (b"a" * 65_536, b"X-Y: z\r\n" * 8192):
                for start in (GET + b"X: ", b"GET /"):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(start)
                    sent = 0
                    try:
                        while sent < 64_000_000 and not reader.at_eof():
                            writer.write(piece)
                            sent += len(piece)
                            await writer.drain()
                            await asyncio.sleep(0)
                    except ConnectionError:
                        pass
                    assert sent < 8_000_000
                    writer.close()

    run(work())


def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """At once after connecting, or in the middle of a head, the first or the next."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            port = int(url.rpartition(":")[2])
            for first, then in ((b"", b""), (GET, b""), (GET + b"\r\n", GET)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(first)
                answer = await reader.readuntil(b"}") if then else b""
                writer.write(then)
                rest = await asyncio.wait_for(reader.read(), 5)
                assert (b"200 OK" in answer, b"") == (bool(then), rest)
                writer.close()

    run(work())


def test_what_is_usual_goes_through() -> None:
    """Two requests in one piece, and a body that is larger than a head may be."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            port = int(url.rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            last = GET + b"Connection: close\r\n\r\n"
            writer.write(GET + b"\r\n" + last)
            assert 2 == (await asyncio.wait_for(reader.read(), 5)).count(b"200 OK")
            writer.close()
            async with httpx2.AsyncClient(base_url=url, headers=made.ann) as http:
                for size in (300_000, 900_000, 70_000):
                    text = {"text": "x" * size}
                    found = await http.post("/api/v1/privacy/classify", json=text)
                    assert 200 == found.status_code

    run(work())
