"""Readers of the real `holdfast serve`, which is killed, and whose tokens die elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.settings import ModelSettings
from holdfast.core.tokens import IssuedToken
from holdfast.ports.model import ModelRequest
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.reel import Reel
from holdfast.server.sse import id_of
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import Turn, hang, say
from sessionhelp import last_user, on_file
from streamkit import Follower, Heard, Stream, reading, spoken

CLIENTS, SESSIONS = 200, 20
REVOKED = 4
SAID = 3
PIECES = [f"piece-{number} of an answer " for number in range(6)]
LIMIT_S = 120.0


class Serving:
    """`holdfast serve` on the store of `on_file`, in a process of its own, at one port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        store = ["--store", str(self._folder / "store" / "s.db")]
        key = ["--installation-key", str(self._folder / "installation.key")]
        homes = {name: str(self._folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast", *store, *key, "serve", "--port", str(self.port)),
            env={**os.environ, **homes, "OPENAI_API_KEY": "sk-of-the-test"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with httpx2.AsyncClient() as http:
            while True:
                assert self._process.returncode is None, "it ended"
                try:
                    if (await http.get(f"{self.url}/ready")).is_success:
                        return
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9; it is dead then."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()


async def prepared(folder: Path, provider: str) -> Mapping[str, str]:
    """Make a store with sessions of ann's; returns what shows her token."""
    async with on_file(folder) as sessions:
        await sessions.tokens.bootstrap()
        model = ModelSettings(provider="openai", model="m", base_url=provider)
        for number in range(SESSIONS):
            await sessions.create_session(
                f"s{number}", SessionConfig(model=model), user_id="user:ann"
            )
        return shown(await issued(sessions))


async def issued(sessions: SessionManager) -> IssuedToken:
    """A token of ann, an operator."""
    return await sessions.tokens.create("user:ann", "operator", session="", workspace="default")


def shown(token: IssuedToken) -> Mapping[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token.guard_token}"}


async def send(url: str, ann: Mapping[str, str], number: int) -> None:
    """Send a message to a session and leave at once."""
    told = {**ann, "Accept": "text/event-stream"}
    path = f"{url}/api/v1/sessions/s{number}/messages"
    async with (
        httpx2.AsyncClient(timeout=30) as http,
        http.stream("POST", path, headers=told, json={"content": f"question {number}"}) as got,
    ):
        assert 200 == got.status_code


class Answers:
    """What the provider says: to the first call of a session a piece of it, and no end."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def __call__(self, request: ModelRequest) -> Turn:
        """Answer a call."""
        asked = last_user(request.messages)
        if asked in self._asked:
            return say(*PIECES)
        self._asked.add(asked)
        return hang(*PIECES[:SAID])


def transcript(one: Follower) -> list[tuple[str, str, Mapping[str, Any]]]:
    """What a reader has of the log."""
    return [(event.id, event.type, event.data) for event in one.heard if event.durable]


async def logged(sessions: SessionManager, id: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    """What the log says, with the ids that streams give."""
    session = await sessions.get_session(id)
    reel = await Reel.open(session.where, 0)
    found, seen = [], {}
    for event in await reel.read(await session.version()):
        seen[event.version] = seen.get(event.version, 0) + 1
        found.append((id_of((event.version, seen[event.version])), event.type, event.to_json()))
    return found


@pytest.mark.slow
def test_two_hundred_readers_of_a_server_that_is_killed(tmp_path: Path) -> None:
    """In the middle of twenty answers: all go on where they were, and have the log, once."""

    async def work() -> None:
        async with ProviderServer(itertools.repeat(Answers())) as provider:
            ann = await prepared(tmp_path, provider.base_url)
            server = Serving(tmp_path)
            await server.start()
            paths = [f"/api/v1/sessions/s{n % SESSIONS}/events" for n in range(CLIENTS)]
            readers = [Follower(server.port, path, ann) for path in paths]
            following = [asyncio.create_task(one.follow("agent_end")) for one in readers]
            try:
                await asyncio.gather(*(send(server.url, ann, n) for n in range(SESSIONS)))
                said = "".join(PIECES[:SAID])
                while not all(said == spoken(one.heard) for one in readers):
                    await asyncio.sleep(0.05)
                await server.kill()
                await server.start()
                await asyncio.gather(*following)
            finally:
                await server.kill()
        assert all(one.cuts for one in readers)
        assert all("".join(PIECES).startswith(spoken(one.heard)) for one in readers)
        async with on_file(tmp_path) as sessions:
            for number in range(SESSIONS):
                whole = await logged(sessions, f"s{number}")
                theirs = [transcript(one) for one in readers[number::SESSIONS]]
                assert [whole] * (CLIENTS // SESSIONS) == theirs
                assert "".join(PIECES) == whole[-1][2]["text"]

    limited(work())


@pytest.mark.slow
def test_a_token_that_is_revoked_in_another_process_ends_before_the_next_event(
    tmp_path: Path,
) -> None:
    """Revoked here, read there, again and again: what happens next is given to nobody."""

    async def work() -> None:
        async with ProviderServer(itertools.repeat(say("an answer"))) as provider:
            await prepared(tmp_path, provider.base_url)
            server = Serving(tmp_path)
            async with on_file(tmp_path) as beside:
                bob = shown(await issued(beside))
                await server.start()
                try:
                    for number in range(REVOKED):
                        token = await issued(beside)
                        path = f"/api/v1/sessions/s{number}/events"
                        async with (
                            reading(server.url, shown(token), path=path) as stream,
                            reading(server.url, bob, path=path) as other,
                        ):
                            assert "session_created" == (await heard(stream)).type
                            assert "session_created" == (await heard(other)).type
                            await beside.tokens.revoke(token.id)
                            await send(server.url, bob, number)
                            assert "agent_start" == (await heard(other)).type
                            end = await heard(stream)
                            assert ("problem", 401) == (end.type, end.data["status"])
                            assert await stream.next() is None
                finally:
                    await server.kill()

    limited(work())


async def heard(stream: Stream) -> Heard:
    """The next event."""
    found = await stream.next()
    assert found is not None, "the stream ended"
    return found


def limited(work: Coroutine[Any, Any, None]) -> None:
    """Run a test of other processes on a busy machine."""

    async def within() -> None:
        async with asyncio.timeout(LIMIT_S):
            await work

    asyncio.run(within())
