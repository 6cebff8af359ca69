"""Live streams: many subscribers of many sessions, against a bare StreamingResponse.

The server is a process of its own, on sessions in memory; this one holds the
connections. Beside the sessions' streams it serves a bare application whose streams
write bytes that were made before, from a queue each.

- At full speed every session has a number of events at once; counted is how soon all
  subscribers have all of them. Ours and the bare ones take turns.
- At ten events a second and session, each piece of an answer says when it is due,
  whether or not the server comes to say it then; what a subscriber waits for a piece is
  counted from there, for any other event from the time in it. Sessions begin their
  answers one after the other. The bare application has the same events to write, in the
  same way. Each subscriber's durable events are compared with the log.
- What comes is looked at when it is over, so that to receive costs next to nothing.
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
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from common import median, pick, report

SUBSCRIBERS, SESSIONS = pick(1000, 200), pick(100, 20)
BURST, ROUNDS = pick(50, 25), pick(5, 3)
ANSWERS = pick(5, 2)
PIECES, PIECE_S = 20, 0.1
ANSWER_S = 2.4
"""Of an answer 20 pieces and four durable events: ten events a second."""
TESTS = Path(__file__).parents[1] / "tests"
_TIME = re.compile(rb'"time_ms":(\d+),"run":\d+(?:,"text":"due=(\d{13}))?')
"""When an event was made, and of a piece (not of the whole answer) when it was due."""
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

    async def paced(self) -> None:
        """Ten events a second for each number, each due as it says."""
        start_ms = time.time() * 1000 + 500

        async def write(number: int) -> None:
            first_ms = start_ms + number * ANSWER_S * 1000 / SESSIONS
            for step in range(round(ANSWERS * ANSWER_S / PIECE_S)):
                due_ms = round(first_ms + step * PIECE_S * 1000)
                await due(due_ms)
                made = self.payload.replace(b'"text":"', b'"text":"due=%013d ' % due_ms)
                for queue in self.queues[number]:
                    queue.put_nowait(made)

        await asyncio.gather(*(write(number) for number in range(SESSIONS)))


async def due(due_ms: int) -> None:
    """Wait until a time, in milliseconds since 1970."""
    await asyncio.sleep(max(0.0, due_ms / 1000 - time.time()))


def noise(number: int) -> dict[str, object]:
    """What an event of the burst says."""
    return {"text": "a sentence of ordinary length, as a model writes it.", "offset": number}


async def nothing() -> None:
    """An order whose answer says what was spent."""


async def serve() -> None:
    """Serve until the input ends; orders are lines of it."""
    from holdfast.ports.model import ModelEvent, ModelRequest, TextDelta
    from holdfast.runtime.stream import StreamEvent
    from holdfast.server.app import create_app
    from holdfast.server.serving import settle
    from holdfast.server.settings import ServerSettings
    from holdfast.server.sse import START, frame_of
    from holdfast.testing.script import Turn, say
    from holdfast.testing.scripted import ScriptedModel
    from serverkit import Uvicorn, uvicorn_config
    from sessionhelp import last_user, memory

    class Model(ScriptedModel):
        """Says each piece when it is due."""

        async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
            """Play the next turn."""
            async for event in super().stream(request):
                if isinstance(event, TextDelta):
                    await due(int(event.text[4:17]))
                yield event

    def answer(request: ModelRequest) -> Turn:
        first_ms = int(last_user(request.messages).split()[-1])
        dues = [round(first_ms + number * PIECE_S * 1000) for number in range(1, PIECES + 1)]
        return say(*(f"due={one:013d} a few words more " for one in dues))

    model = Model(itertools.repeat(answer))
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
            start_ms = time.time() * 1000 + 500

            async def talk(number: int) -> None:
                first_ms = start_ms + number * ANSWER_S * 1000 / SESSIONS
                for turn in range(ANSWERS):
                    at_ms = round(first_ms + turn * ANSWER_S * 1000)
                    await due(at_ms)
                    await opened[number].generate(f"go on from {at_ms}")

            await asyncio.gather(*(talk(number) for number in range(SESSIONS)))

        # As `holdfast serve` begins: what is built when it is first used is built before.
        ours.prepare()
        settle()
        orders = {
            "bare": bare.burst,
            "ours": burst,
            "paced": paced,
            "bare_paced": bare.paced,
            "look": nothing,
        }
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

    def __init__(self, request: bytes, *, keeps: bool) -> None:
        self._request = request
        self.started = False
        self.events = 0
        self.kept: list[tuple[float, bytes]] | None = [] if keeps else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(self._request)  # type: ignore[attr-defined]  # a socket's has it

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.started = True
        self.events += data.count(b"\ndata: ") + data.startswith(b"data: ")
        if self.kept is not None:
            self.kept.append((time.time() * 1000, data))

    def waits(self) -> Iterator[float]:
        """How long it waited for each event, in ms."""
        for now_ms, data in self.kept or ():
            for made, due in _TIME.findall(data):
                yield now_ms - int(due or made)


async def subscribe(
    server: Server, path: str, *, keeps: bool = False
) -> list[tuple[asyncio.Transport, Subscriber]]:
    """Open all connections, and wait until each has begun."""
    loop = asyncio.get_running_loop()
    found = []
    for number in range(SUBSCRIBERS):
        request = (
            f"GET {path.format(number % SESSIONS)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {server.token}\r\n\r\n"
        ).encode()
        made = Subscriber(request, keeps=keeps)
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


async def paced(
    server: Server, word: str, path: str
) -> tuple[list[float], list[Subscriber], list[int], float, float]:
    """Ten events a second and session.

    Returns:
        waits in ms, the subscribers, where sessions stand, deliveries a second, and the
        server's processor time for each in us, with all that makes the events.
    """
    subscribed = await subscribe(server, path, keeps=True)
    begun = sum(one.events for _, one in subscribed)
    spent_s, _ = await server.order("look")
    started = time.perf_counter()
    now_s, versions = await server.order(word)
    took_s = time.perf_counter() - started
    before = -1
    while (got := sum(one.events for _, one in subscribed) - begun) > before:
        before = got
        await asyncio.sleep(2)
    for transport, _ in subscribed:
        transport.abort()
    readers = [one for _, one in subscribed]
    waited = [wait for one in readers for wait in one.waits()]
    return waited, readers, versions, got / took_s, (now_s - spent_s) / got * 1e6


def not_the_log(readers: list[Subscriber], versions: list[int]) -> int:
    """How many readers' durable events are not the log's, each once and in order."""
    wrong = 0
    by_session: dict[int, Counter[tuple[bytes, ...]]] = {}
    for number, one in enumerate(readers):
        ids = tuple(_ID.findall(b"".join(data for _, data in one.kept or ())))[1:]
        by_session.setdefault(number % SESSIONS, Counter())[ids] += 1
        numbers = [tuple(map(int, (id + b".1").split(b".")[:2])) for id in ids]
        whole = [a for a, _ in numbers]
        ordered = numbers == sorted(set(numbers))
        gapless = sorted(set(whole)) == list(range(whole[0], versions[number % SESSIONS] + 1))
        wrong += not (ordered and gapless)
    return wrong + sum(len(different) - 1 for different in by_session.values())


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
    bare_waited, *_, bare_us = await paced(server, "bare_paced", "/bare/{}")
    path = "/api/v1/sessions/s{}/events?after=latest"
    waited, readers, versions, paced_rate, paced_us = await paced(server, "paced", path)
    wrong = not_the_log(readers, versions)
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
    report("streams.bare_paced_cpu", bare_us, "us/delivery", against="bytes made before")
    report("streams.durable_wrong", wrong, "subscribers", at_most=0, against="the log, once")
    report("streams.wait_p50", at(waited, 0.5), "ms", against=many)
    report("streams.wait_p99", at(waited, 0.99), "ms", at_most=150, against=many)
    bare_p99 = at(bare_waited, 0.99)
    report("streams.bare_wait_p99", bare_p99, "ms", against="a bare StreamingResponse")
    against = "the p99 of a bare StreamingResponse in the same run"
    report("streams.wait_ratio", at(waited, 0.99) / bare_p99, "x", against=against)


if __name__ == "__main__":
    asyncio.run(serve() if sys.argv[1:] == ["serve"] else measure())
