"""Readers of a server that is killed, of one beside it, and readers that do not read."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from serverkit import listening, served
from sessionhelp import on_file
from streamkit import (
    EVENTS,
    KILLS,
    MESSAGES,
    STREAM,
    Heard,
    Nursery,
    Stream,
    durable,
    killable,
    reading,
    spoken,
    words,
)

SLOW = 200


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """What servers are forked off."""
    made = Nursery()
    yield made
    made.close()


def patiently(work: Coroutine[Any, Any, None]) -> None:
    """Run a test of many processes or connections on a busy machine."""

    async def limited() -> None:
        async with asyncio.timeout(120):
            await work

    asyncio.run(limited())


async def token(folder: Path) -> Mapping[str, str]:
    """The header of an operator of the store in a folder, who has the session `one`."""
    async with on_file(folder) as sessions:
        issued = await sessions.tokens.create(
            "user:ann", "operator", session="", workspace="default"
        )
        await sessions.create_session("one", user_id="user:ann")
        return {"Authorization": f"Bearer {issued.guard_token}"}


async def send(url: str, ann: Mapping[str, str], content: str) -> None:
    """Send a message and leave at once."""
    async with (
        httpx2.AsyncClient(timeout=10) as http,
        http.stream("POST", url + MESSAGES, headers={**ann, **STREAM}, json={"content": content}),
    ):
        pass


async def next_durable(stream: Stream) -> Heard:
    """The next event that is in the log."""
    while True:
        found = await stream.next()
        assert found is not None
        if found.durable:
            return found


def test_readers_of_a_server_that_is_killed_lose_nothing(nursery: Nursery, tmp_path: Path) -> None:
    """Killed after each of the first events, in the middle of an answer: each comes once."""

    async def work() -> None:
        heard: list[Heard] = []
        ann = await token(tmp_path)
        async with killable(nursery, tmp_path) as server:
            await send(server.url, ann, "hang")
            last_id = ""
            for _ in range(KILLS):
                async with reading(server.url, ann, last_id=last_id) as stream:
                    heard.append(await next_durable(stream))
                    last_id = stream.last_id
                    server.kill()
                await server.start()
            async with reading(server.url, ann, last_id=last_id) as stream:
                last = await stream.rest("agent_end")
            async with reading(server.url, ann) as stream:
                whole = await stream.rest("agent_end")
        assert durable(whole) == durable(heard + last)
        assert "restarted" in [one.type for one in whole]
        answer = "".join(f"hang-{piece} " for piece in range(6))
        assert answer == whole[-1].data["text"] == spoken(last)

    patiently(work())


def test_two_processes_on_one_store_stream_the_same(nursery: Nursery, tmp_path: Path) -> None:
    """Whichever of them leads; readers of both have one transcript, and both end at the wipe."""

    async def work() -> None:
        ann = await token(tmp_path)
        async with killable(nursery, tmp_path) as server:
            mine = on_file(tmp_path, ScriptedModel(itertools.repeat(words)))
            async with served(sessions=mine) as made, listening(made.app) as url:
                async with (
                    reading(url, ann) as here,
                    reading(server.url, ann) as there,
                ):
                    heard: dict[str, list[Heard]] = {url: [], server.url: []}
                    for turn, at in enumerate((url, server.url, url)):
                        await send(at, ann, f"q{turn}")
                        heard[url] += await here.rest("agent_end")
                        heard[server.url] += await there.rest("agent_end")
                    assert durable(heard[url]) == durable(heard[server.url])
                    await made.sessions.terminate_session("one")
                    for stream in (here, there):
                        types = [one.type for one in await stream.rest()]
                        assert ["session_wiped", "session_ended"] == types[-2:]
                async with httpx2.AsyncClient() as http:
                    found = await http.get(server.url + EVENTS, headers=ann)
                assert 410 == found.status_code

    patiently(work())


async def not_reading(url: str, ann: Mapping[str, str]) -> socket.socket:
    """A connection that asks for the events and takes only what the kernel takes."""
    at, loop = urlsplit(url), asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await loop.sock_connect(sock, (at.hostname, at.port))
    asked = f"GET {EVENTS} HTTP/1.1\r\nHost: {at.netloc}\r\n"
    told = f"Authorization: {ann['Authorization']}\r\n\r\n"
    await loop.sock_sendall(sock, (asked + told).encode())
    return sock


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def taken(sock: socket.socket, last: bytes, loop: asyncio.AbstractEventLoop) -> list[bytes]:
    """The ids that come, up to the event of a text."""
    got = b""
    while last not in got[-200_000:]:
        more = await loop.sock_recv(sock, 1 << 20)
        assert more, "the stream ended"
        got += more
    return [line[4:].rstrip() for line in got.split(b"\n") if line.startswith(b"id: ")][1:]


def test_readers_that_do_not_read_cost_bounded_memory() -> None:
    """200 of them, of a session of 3 MB: a fraction of it each; then they get all of it."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        long = "x" * 60_000
        model = ScriptedModel(itertools.repeat(say(long)))
        async with served(model) as made, listening(made.app) as url:
            config = {"security_config": {"enabled": False}}
            await made.ok("POST", "/api/v1/sessions", {"id": "one", "config": config})
            session = await made.sessions.get_session("one")
            socks = [await not_reading(url, made.ann) for _ in range(SLOW)]
            async with reading(url, made.ann) as quick:
                ids, before = [], resident()
                for _ in range(12):
                    await session.generate(long)
                    ids += [one.id for one in await quick.rest("agent_end") if one.durable]
                held = resident() - before
            assert held < SLOW * 400_000, held
            for sock in socks[:5]:
                got = await taken(sock, f"id: {ids[-1]}\n".encode(), loop)
                assert ids == [one.decode() for one in got]
            for sock in socks:
                sock.close()

    patiently(work())
