"""Live streams: many subscribers of many sessions, against a bare StreamingResponse.

The server is a process of its own, on sessions in memory; this one holds the
connections. Beside the sessions' streams it serves a bare application whose streams
write bytes that were made before, from a queue each.

- At full speed every session has a number of events at once; counted is how soon all
  subscribers have all of them. Ours and the bare ones take turns.
- At ten events a second and session, what a subscriber waits for an event is taken
  from the time in it, and each subscriber's durable events are compared with the log.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from common import median, pick, report

SUBSCRIBERS, SESSIONS = pick(1000, 200), pick(100, 20)
BURST, ROUNDS = pick(50, 25), pick(5, 3)
PACED_S = pick(10, 4)
PIECES, PIECE_S = 20, 0.1
TESTS = Path(__file__).parents[1] / "tests"
_TIME = re.compile(rb'"time_ms":(\d+)')
_ID = re.compile(rb"^id: (\S+)$", re.MULTILINE)


# --- the server ---------------------------------------------------------------------------


class Bare:
    """An application that only streams: a queue for each subscriber, bytes made before."""

    def __init__(self, payload: bytes) -> None:
        from fastapi import FastAPI
        from starlette.responses import StreamingResponse

        self.payload = payload
        self.queues: dict[int, list[asyncio.Queue[bytes]]] = {}
        self.app = FastAPI()

        async def stream(number: int) -> AsyncIterator[bytes]:
            queue: asyncio.Queue[bytes] = asyncio.Queue()
            self.queues.setdefault(number, []).append(queue)
            yield b": here\n\n"
            while True:
                yield await queue.get()

        @self.app.get("/bare/{number}")
        async def bare(number: int) -> StreamingResponse:
            return StreamingResponse(stream(number), media_type="text/event-stream")

    async def burst(self) -> None:
        """Events for all."""
        for _ in range(BURST):
            for queues in self.queues.values():
                for queue in queues:
                    queue.put_nowait(self.payload)
            await asyncio.sleep(0)


def noise(number: int) -> dict[str, object]:
    """What an event of the burst says."""
    return {"text": "a sentence of ordinary length, as a model writes it.", "offset": number}


async def serve() -> None:
    """Serve until the input ends; orders are lines of it."""
    from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
    from holdfast.runtime.stream import StreamEvent
    from holdfast.server.app import create_app
    from holdfast.server.settings import ServerSettings
    from holdfast.server.sse import START, frame_of
    from holdfast.testing.script import say
    from holdfast.testing.scripted import ScriptedModel
    from serverkit import Uvicorn, uvicorn_config
    from sessionhelp import memory

    class Model(ScriptedModel):
        """Says a piece every tenth of a second."""

        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            """Play the next turn."""
            async for event in super().stream(request):
                if isinstance(event, TextDelta):
                    await asyncio.sleep(PIECE_S)
                yield event

    pieces = [f"{number:02} a few words more " for number in range(PIECES)]
    model = Model(itertools.repeat(say(*pieces)))
    async with memory(model) as sessions:
        opened = [await sessions.create_session(f"s{n}") for n in range(SESSIONS)]
        issued = await sessions.tokens.create(
            "user:ann", "operator", session="", workspace="default"
        )
        settings = ServerSettings(requests_per_minute=1_000_000)
        ours = create_app(sessions, settings)
        like = StreamEvent(
            type="host.noise",
            session="s0",
            version=1,
            time_ms=sessions.clock.now_ms(),
            data=noise(10),
            live=True,
        )
        bare = Bare(frame_of(like, START).text)

        async def both(scope: Any, receive: Any, send: Any) -> None:
            chosen = bare.app if scope.get("path", "").startswith("/bare/") else ours
            await chosen(scope, receive, send)

        async def burst() -> None:
            for number in range(BURST):
                for session in opened:
                    sessions.emit(session.where, session.id, "noise", noise(number))
                await asyncio.sleep(0)

        async def paced() -> None:
            end = time.monotonic() + PACED_S

            async def talk(number: int) -> None:
                await asyncio.sleep(number * PIECE_S / SESSIONS)
                while time.monotonic() < end:
                    await opened[number].generate("go on")

            await asyncio.gather(*(talk(number) for number in range(SESSIONS)))

        async def look() -> None:
            """Nothing but the answer, which says what was spent."""

        orders = {"bare": bare.burst, "ours": burst, "paced": paced, "look": look}
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as sock:
            serving = asyncio.create_task(Uvicorn(uvicorn_config(both)).serve(sockets=[sock]))
            print(sock.getsockname()[1], issued.guard_token, flush=True)
            loop = asyncio.get_running_loop()
            while word := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
                await orders[word]()
                versions = [await one.version() for one in opened]
                print(json.dumps([time.process_time(), versions]), flush=True)
            serving.cancel()
            await asyncio.wait({serving})


# --- the subscribers ------------------------------------------------------------------------


class Subscriber(asyncio.Protocol):
    """One connection; counts events as they come."""

    def __init__(self, request: bytes, waited: list[float] | None) -> None:
        self._request = request
        self._waited = waited
        self.started = False
        self.events = 0
        self.kept: list[bytes] | None = None if waited is None else []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(self._request)  # type: ignore[attr-defined]  # a socket's has it

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.started = True
        self.events += data.count(b"\ndata: ") + data.startswith(b"data: ")
        if self.kept is not None and self._waited is not None:
            now = time.time() * 1000
            self._waited.extend(now - int(found) for found in _TIME.findall(data))
            self.kept.append(data)


async def subscribe(
    server: Server, path: str, waited: list[float] | None = None
) -> list[tuple[asyncio.Transport, Subscriber]]:
    """Open all connections, and wait until each has begun."""
    loop = asyncio.get_running_loop()
    found = []
    for number in range(SUBSCRIBERS):
        request = (
            f"GET {path.format(number % SESSIONS)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n"
        ).encode()
        made = Subscriber(request, waited)
        transport, _ = await loop.create_connection(
            lambda made=made: made, "127.0.0.1", server.port
        )
        found.append((transport, made))
    async with asyncio.timeout(120):
        while not all(one.started for _, one in found):  # noqa: ASYNC110 - it waits for what it sees
            await asyncio.sleep(0.01)
    return found


class Server:
    """The process that serves."""

    def __init__(self) -> None:
        known = [str(TESTS), os.environ.get("PYTHONPATH", "")]
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, known))}
        self.port, self.token = 0, ""

    async def start(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            "serve",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._env,
        )
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        port, token = (await self._out.readline()).split()
        self.port, self.token = int(port), token.decode()

    async def order(self, word: str) -> tuple[float, list[int]]:
        """Have something done; returns its processor time so far, and where sessions stand."""
        self._in.write(f"{word}\n".encode())
        spent_s, versions = json.loads(await self._out.readline())
        return spent_s, versions

    async def stop(self) -> None:
        """End it."""
        self._in.close()
        await self._process.wait()


async def burst(server: Server, word: str, path: str) -> tuple[float, float, int]:
    """Deliveries a second at full speed, processor time of one in us, how many are missing."""
    subscribed = await subscribe(server, path)
    before = sum(one.events for _, one in subscribed)
    wanted = before + BURST * SUBSCRIBERS
    spent_s, _ = await server.order("look")
    started = time.perf_counter()
    ordered = asyncio.create_task(server.order(word))
    while (got := sum(one.events for _, one in subscribed)) < wanted:
        if time.perf_counter() - started > 120:
            break
        await asyncio.sleep(0.002)
    took_s = time.perf_counter() - started
    await ordered
    now_s, _ = await server.order("look")
    for transport, _ in subscribed:
        transport.abort()
    return (got - before) / took_s, (now_s - spent_s) / (got - before) * 1e6, wanted - got


async def paced(server: Server) -> tuple[list[float], int, float, float]:
    """Ten events a second and session.

    Returns:
        waits in ms, how many readers' events are not the log's, deliveries a second, and
        the server's processor time for each in us, with all that makes the events.
    """
    waited: list[float] = []
    subscribed = await subscribe(server, "/api/v1/sessions/s{}/events?after=latest", waited)
    waited.clear()
    spent_s, _ = await server.order("look")
    started = time.perf_counter()
    now_s, versions = await server.order("paced")
    took_s = time.perf_counter() - started
    before = -1
    while (got := sum(one.events for _, one in subscribed)) > before:
        before = got
        await asyncio.sleep(2)
    wrong, rate = 0, sum(one.events for _, one in subscribed) / took_s
    by_session: dict[int, Counter[tuple[bytes, ...]]] = {}
    for number, (transport, one) in enumerate(subscribed):
        ids = tuple(_ID.findall(b"".join(one.kept or ())))[1:]
        by_session.setdefault(number % SESSIONS, Counter())[ids] += 1
        numbers = [tuple(map(int, (id + b".1").split(b".")[:2])) for id in ids]
        whole = [a for a, _ in numbers]
        ordered = numbers == sorted(set(numbers))
        gapless = sorted(set(whole)) == list(range(whole[0], versions[number % SESSIONS] + 1))
        wrong += not (ordered and gapless)
        transport.abort()
    wrong += sum(len(different) - 1 for different in by_session.values())
    return waited, wrong, rate, (now_s - spent_s) / got * 1e6


def at(values: list[float], share: float) -> float:
    """A quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def measure() -> None:
    """Take all figures."""
    server = Server()
    await server.start()
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    spent: dict[str, list[float]] = {"ours": [], "bare": []}
    missing = 0
    for _ in range(ROUNDS):
        for word, path in (("bare", "/bare/{}"), ("ours", "/api/v1/sessions/s{}/events")):
            rate, spent_us, lost = await burst(server, word, path)
            rates[word].append(rate)
            spent[word].append(spent_us)
            missing += lost
    waited, wrong, paced_rate, paced_us = await paced(server)
    await server.stop()
    bare, ours = median(rates["bare"]), median(rates["ours"])
    many = f"{SUBSCRIBERS} subscribers of {SESSIONS} sessions"
    report("streams.bare", bare, "deliveries/s", against=many)
    report("streams.ours", ours, "deliveries/s", against=many)
    report("streams.ratio", ours / bare, "x", at_least=0.7, against="a bare StreamingResponse")
    report("streams.bare_cpu", median(spent["bare"]), "us/delivery", against=many)
    report("streams.ours_cpu", median(spent["ours"]), "us/delivery", against=many)
    report("streams.missing", missing, "events", at_most=0, against="every event, every subscriber")
    report("streams.paced", paced_rate, "deliveries/s", against="10 events/s each session")
    report("streams.paced_cpu", paced_us, "us/delivery", against="with what makes the events")
    report("streams.durable_wrong", wrong, "subscribers", at_most=0, against="the log, once")
    report("streams.wait_p50", at(waited, 0.5), "ms", against=many)
    report("streams.wait_p99", at(waited, 0.99), "ms", at_most=150, against=many)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1:] == ["serve"] else measure())
