"""What tests of live streams share: a reader of server-sent events, and a server to kill."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from pydantic_core import from_json

from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
from holdfast.testing.script import Turn, hang, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import last_user, on_file

EVENTS = "/api/v1/sessions/one/events"
MESSAGES = "/api/v1/sessions/one/messages"
STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Heard:
    """One event as it came."""

    id: str
    type: str
    data: Mapping[str, Any]

    @property
    def durable(self) -> bool:
        """Whether it is in the log."""
        return bool(self.id)


@dataclass
class Stream:
    """A stream that is read; `last_id` is what its reader shows when it comes again."""

    response: httpx2.Response
    last_id: str = ""
    beats: int = 0
    lines: AsyncIterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.response.aiter_lines()

    async def next(self) -> Heard | None:
        """The next event; None at the end."""
        id, type, data = "", "", ""
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.beats += 1
            elif name == "id":
                id = self.last_id = value
            elif name == "event":
                type = value
            elif name == "data":
                data = value
            elif not line:
                if data:
                    return Heard(id, type, from_json(data))
                id = ""
        return None

    async def rest(self, last: str = "") -> list[Heard]:
        """All events to the end, or to the first of a type."""
        found = []
        while event := await self.next():
            found.append(event)
            if event.type == last:
                break
        return found


@asynccontextmanager
async def reading(
    url: str, headers: Mapping[str, str], *, last_id: str = "", after: str = "", path: str = EVENTS
) -> AsyncIterator[Stream]:
    """Read a session's events over a socket."""
    told = {**headers, **({"Last-Event-ID": last_id} if last_id else {})}
    params = {"after": after} if after else {}
    async with (
        httpx2.AsyncClient(timeout=15) as http,
        http.stream("GET", url + path, headers=told, params=params) as response,
    ):
        if response.status_code != 200:
            await response.aread()
            raise AssertionError((response.status_code, response.text))
        yield Stream(response)


def durable(heard: list[Heard]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """What of it is in the log, to compare."""
    return [(one.id, one.type, one.data) for one in heard if one.durable]


def spoken(heard: list[Heard]) -> str:
    """What a screen shows of the last answer that was streamed."""
    text = ""
    for one in heard:
        if one.type == "turn_start":
            text = ""
        elif one.type == "text_delta":
            text = text[: one.data["offset"]] + one.data["text"]
    return text


class Stepwise(ScriptedModel):
    """Says its pieces one at a time, each once it is let.

    Args:
        pieces: of every answer.
        steps: how many it may say at once.
    """

    def __init__(self, *pieces: str, steps: int = 0) -> None:
        super().__init__(itertools.repeat(say(*pieces)))
        self._let = asyncio.Semaphore(steps)

    def let(self, steps: int) -> None:
        """Let it say so many more."""
        for _ in range(steps):
            self._let.release()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Play the next turn."""
        async for event in super().stream(request):
            if isinstance(event, TextDelta):
                await self._let.acquire()
            yield event


class Follower:
    """A cheap reader over a socket of its own, which comes again wherever it was cut off.

    Args:
        path: of the stream; at: the server's port, on loopback.
        headers: what shows its token.
    """

    def __init__(self, at: int, path: str, headers: Mapping[str, str]) -> None:
        self.heard: list[Heard] = []
        self.cuts = 0
        self.last_id = ""
        self._at, self._path = at, path
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def follow(self, last: str) -> None:
        """Read to the first event of a type, coming again as often as need be."""
        while True:
            try:
                async for event in self._read():
                    self.heard.append(event)
                    if event.type == last:
                        return
            except (OSError, EOFError):
                pass
            self.cuts += 1
            await asyncio.sleep(0.05)

    async def _read(self) -> AsyncIterator[Heard]:
        """The events of one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._at)
        told = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        asked = f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1:{self._at}\r\n"
        try:
            writer.write(f"{asked}{self._headers}{told}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            text = b""
            while size := int(await reader.readline() or b"0", 16):
                text += (await reader.readexactly(size + 2))[:-2]
                *whole, text = text.split(b"\n\n")
                for block in whole:
                    if (event := self._event(block.decode())) is not None:
                        yield event
        finally:
            writer.close()

    def _event(self, block: str) -> Heard | None:
        found = dict(line.split(": ", 1) for line in block.split("\n") if line[:1] != ":")
        self.last_id = found.get("id", self.last_id)
        if "data" not in found:
            return None
        return Heard(found.get("id", ""), found.get("event", ""), from_json(found["data"]))


# --- a server in a process of its own ---------------------------------------------------


KILLS = 4


def words(request: ModelRequest, life: int = 0) -> Turn:
    """Answer; to "hang", never before the server was killed four times."""
    said = last_user(request.messages)
    if said == "hang" and life < KILLS:
        return hang(f"{said}-0 ")
    return say(*(f"{said}-{number} " for number in range(6)))


async def serve(folder: Path, port: int, life: int) -> None:
    """Serve the sessions of a folder until killed."""
    # lazy: what tests of the server share needs the server's extras.
    from holdfast.server.app import create_app
    from serverkit import Uvicorn, uvicorn_config

    model = ScriptedModel(itertools.repeat(partial(words, life=life)))
    async with on_file(folder, model) as sessions:
        app = create_app(sessions)
        with socket.create_server(("127.0.0.1", port), backlog=512) as sock:
            await Uvicorn(uvicorn_config(app)).serve(sockets=[sock])


class Nursery:
    """A process that has imported everything, and forks servers off and kills them."""

    def __init__(self) -> None:
        here = Path(__file__).parent
        path = os.pathsep.join([str(here.parent / "src"), str(here)])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )

    def order(self, line: str) -> None:
        """Have an order carried out: `start <port> <folder>`, or `kill`."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        assert f"{line}\n" == self._process.stdout.readline()

    def close(self) -> None:
        """End it and its server."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Killable:
    """A server that can be killed and started again at the same address."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self._nursery = nursery
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._nursery.order(f"start {self._port} {self._folder}")
        async with httpx2.AsyncClient() as http:
            while True:
                try:
                    if (await http.get(f"{self.url}/health")).is_success:
                        return
                except httpx2.TransportError:
                    await asyncio.sleep(0.02)

    def kill(self) -> None:
        """kill -9; it is dead then."""
        self._nursery.order("kill")


@asynccontextmanager
async def killable(nursery: Nursery, folder: Path) -> AsyncIterator[Killable]:
    """A server on the sessions of a folder, in a process of its own."""
    server = Killable(nursery, folder)
    await server.start()
    try:
        yield server
    finally:
        server.kill()


def main() -> None:
    """Fork servers and kill them, as the lines of the input say."""
    import serverkit  # noqa: F401  # lazy: imported once, before any fork

    child, lives = 0, Counter[str]()
    for line in sys.stdin:
        word, *rest = line.split(maxsplit=2)
        if word == "start":
            port, folder = int(rest[0]), rest[1].strip()
            life = lives[folder]
            lives[folder] += 1
            child = os.fork()
            if not child:
                os.closerange(0, 2)
                asyncio.run(serve(Path(folder), port, life))
                os._exit(0)
        elif child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            child = 0
        print(line, end="", flush=True)
    if child:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
