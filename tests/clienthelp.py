"""What tests of the client share: a server in a thread, one that answers as told, a bad line."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from holdfast.bootstrap import SessionManager
from holdfast.client import Client, ClientSettings
from holdfast.ports.model import ModelClient
from serverkit import Served, listening, served

T = TypeVar("T")
LIMIT_S = 20.0
TOKEN = "hf_st_of_a_test"
QUICK = ClientSettings(
    connect_s=5.0, silence_s=5.0, patience_s=5.0, wait_s_min=0.001, wait_s_max=0.01, tries_max=50
)
IMPATIENT = ClientSettings(
    connect_s=0.2, silence_s=0.2, patience_s=0.3, wait_s_min=0.001, wait_s_max=0.01, tries_max=4
)


@dataclass
class Pair:
    """A server on a socket of this machine, and a client of it."""

    served: Served
    url: str
    client: Client

    @property
    def token(self) -> str:
        """Ann's token."""
        return token_of(self.served)

    def other(self, url: str, settings: ClientSettings = QUICK) -> Client:
        """Another client of hers, that goes another way."""
        return Client(url, token=self.token, settings=settings)


def token_of(served: Served) -> str:
    """Ann's token, an operator of the workspace `default`."""
    return served.ann["Authorization"].removeprefix("Bearer ")


@asynccontextmanager
async def pair(
    model: ModelClient | None = None,
    *,
    sessions: SessionManager | None = None,
    settings: ClientSettings = QUICK,
) -> AsyncIterator[Pair]:
    """A server over sessions in memory, and ann's client of it."""
    async with (
        served(model, sessions=sessions) as found,
        listening(found.app) as url,
        Client(url, token=token_of(found), settings=settings) as client,
    ):
        yield Pair(found, url, client)


# --- a server that says what it is told to ------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = bytes | None | Callable[[asyncio.StreamWriter], Awaitable[None]]


class Canned:
    """Gives one reply after the other, one a connection; None closes it without one."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, target, _ = first.split(" ")
        self.requests.append(Request(method, target, headers, body))
        reply = self.replies.pop(0) if self.replies else None
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
        elif reply is not None:
            await reply(writer)


@asynccontextmanager
async def canned(*replies: Reply) -> AsyncIterator[Canned]:
    """A server that gives these replies."""
    found = Canned(replies)
    server = await asyncio.start_server(found._serve, "127.0.0.1", 0)
    try:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found
    finally:
        server.close()
        await server.wait_closed()


def http(status: int, body: bytes = b"", kind: str = "application/json", *more: str) -> bytes:
    """A reply after which the connection is closed."""
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def told(value: object, status: int = 200) -> bytes:
    """A reply with JSON."""
    return http(status, json.dumps(value).encode())


def problem(status: int, reason: str, detail: str = "It is so.", *more: str) -> bytes:
    """A reply that says what went wrong."""
    found = {"type": f"urn:holdfast:problem:{reason}", "reason": reason, "status": status}
    body = json.dumps({**found, "title": "Title", "detail": detail}).encode()
    return http(status, body, "application/problem+json", *more)


def streaming(*frames: str, kind: str = "text/event-stream") -> bytes:
    """A reply that is a stream of events and ends after them."""
    text = "".join(f"{frame}\n\n" for frame in frames)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
    return (head + text).encode()


# --- a bad line ----------------------------------------------------------------------------


class Line:
    """Leads connections to a server, and cuts each after as many bytes as planned.

    Attributes:
        cuts: for each connection, how many bytes of answers pass; none left: all pass.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (str(parts.hostname), int(parts.port or 0))
        self.cuts: list[int] = []
        self.connections = 0
        self.url = ""

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.cuts.pop(0) if self.cuts else None
        there, out = await asyncio.open_connection(*self._to)
        asking = asyncio.create_task(self._pass(reader, out, None))
        answering = asyncio.create_task(self._pass(there, writer, left))
        await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        for task in (asking, answering):
            task.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)
        for end in (out, writer):
            end.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None
    ) -> None:
        while data := await reader.read(65536):
            if left is not None and len(data) >= left:
                writer.write(data[:left])
                await writer.drain()
                return
            left = None if left is None else left - len(data)
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def line(url: str) -> AsyncIterator[Line]:
    """A line to a server."""
    found = Line(url)
    server = await asyncio.start_server(found._lead, "127.0.0.1", 0)
    try:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found
    finally:
        server.close()
        await server.wait_closed()


# --- a server beside a test that has no loop -------------------------------------------------


class Beside:
    """A server on a thread of its own, for programs that run in this one."""

    def __init__(self) -> None:
        self.url = ""
        self.served: Served | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._model: ModelClient | None = None
        self._sessions: SessionManager | None = None

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with (
            served(self._model, sessions=self._sessions) as self.served,
            listening(self.served.app) as self.url,
        ):
            self._ready.set()
            await self._over.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the server is."""
        assert self._loop is not None, "the server runs"
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LIMIT_S)

    @property
    def sessions(self) -> SessionManager:
        """The manager behind the server."""
        assert self.served is not None, "the server runs"
        return self.served.sessions


@contextmanager
def beside(
    model: ModelClient | None = None, sessions: SessionManager | None = None
) -> Iterator[Beside]:
    """A server on a thread of its own."""
    found = Beside()
    found._model, found._sessions = model, sessions
    found._thread.start()
    try:
        assert found._ready.wait(LIMIT_S)
        yield found
    finally:
        assert found._loop is not None and found._over is not None
        found._loop.call_soon_threadsafe(found._over.set)
        found._thread.join(LIMIT_S)
