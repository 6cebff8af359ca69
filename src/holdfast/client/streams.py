"""A session's events over a connection that may break: each durable one once, in order.

- An event of the log has its version; several may have the same one. How many of the
  last version were given is counted, so that a stream goes on in the middle of one.
- After a break the stream is asked for what follows the last version that was given
  whole (`Last-Event-ID`); what comes again is left out.
- Live events (deltas) are given as they come. After a break the server sends the text so
  far of an unfinished message as one delta; what was given of it already is cut off.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import httpx2

from holdfast.client.decode import member, read, read_json
from holdfast.client.problems import MEDIA_TYPE as PROBLEM_TYPE
from holdfast.client.problems import error_of
from holdfast.client.values import StreamEvent
from holdfast.client.wire import Ask, Tries, Trouble, Wire
from holdfast.core.errors import BadAnswer, ServerUnreachable

MEDIA_TYPE = "text/event-stream"
PROBLEM = "problem"
LATEST = "latest"
_HEAD = ("type", "session", "version", "time_ms", "run")
_LIVE = ("gap",)


def event_of(data: str) -> StreamEvent:
    """An event out of its JSON.

    Raises:
        BadAnswer: it is none.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None  # and the error is raised outside of the handler, as in `decode`
    if not isinstance(found, dict) or not _has_head(found):
        raise BadAnswer("an event of the stream is not as it should be")
    name = found["type"]
    live = name.endswith("_delta") or name in _LIVE or name.startswith("host.")
    rest = {key: value for key, value in found.items() if key not in _HEAD}
    return StreamEvent(**{key: found[key] for key in _HEAD}, data=rest, live=live)


def _has_head(found: dict[str, object]) -> bool:
    texts = all(isinstance(found.get(name), str) for name in ("type", "session"))
    numbers = all(type(found.get(name)) is int for name in ("version", "time_ms", "run"))
    return texts and numbers


class Place:
    """How far a reader has come.

    Args:
        after: the version that it has already seen; None is where the session is when
            the first connection is made.
    """

    def __init__(self, after: int | None) -> None:
        self.whole = after
        self._version = after or 0
        self._given = 0
        self._again = 0
        self._said: dict[int, int] = {}

    def connected(self) -> None:
        """A connection begins: what follows `whole` will come, perhaps again."""
        self._again = 0

    def opened(self, id: str) -> None:
        """Take over where the server says that the stream begins, if nobody has said it.

        Raises:
            BadAnswer: it is no event's id.
        """
        version = id.partition(".")[0]
        if self.whole is not None or not id:
            return
        if not version.isascii() or not version.isdecimal() or len(version) > 18:
            raise BadAnswer("the stream begins nowhere")
        self.whole = self._version = int(version)

    def takes(self, event: StreamEvent) -> StreamEvent | None:
        """The event, or what is new of it; None if it was given already."""
        if event.live:
            return self._delta(event) if event.type == "text_delta" else event
        if self.whole is None:
            self.whole = self._version = event.version - 1
        if event.version < self._version or event.version <= self.whole:
            return None
        if event.version == self._version:
            self._again += 1
            if self._again <= self._given:
                return None
            self._given += 1
        else:
            self.whole, self._version = self._version, event.version
            self._given = self._again = 1
        if event.type in ("turn_start", "turn_end", "restarted", "agent_end"):
            self._said.pop(event.run, None)
        return event

    def _delta(self, event: StreamEvent) -> StreamEvent | None:
        text, offset = event.data.get("text"), event.data.get("offset")
        if not isinstance(text, str) or type(offset) is not int or offset < 0:
            raise BadAnswer("an event of the stream is not as it should be")
        said = self._said.get(event.run, 0)
        self._said[event.run] = max(said, offset + len(text))
        if offset >= said:
            return event
        fresh = text[said - offset :]
        if not fresh:
            return None
        return replace(event, data={**event.data, "text": fresh, "offset": said})


@dataclass(frozen=True, slots=True)
class _Broken:
    """A connection that ended; the stream goes on over another."""

    trouble: Trouble


class Connection:
    """One connection of a stream, to a reader who stands at a place."""

    def __init__(self, wire: Wire, response: httpx2.Response, place: Place) -> None:
        self._wire = wire
        self._place = place
        self._response = response
        limit = wire.settings.event_bytes_max
        self._frames = aiter(httpx2.EventSource(response, max_event_size=limit))
        self._reading: asyncio.Timeout | None = None
        self._closed = asyncio.Event()
        self.left = False
        wire.gate.enter(self.leave)

    async def next(self) -> StreamEvent | _Broken:
        """The next event, or how the connection ended.

        Raises:
            BadAnswer: what came is no event.
        """
        frame, problem, malformed = None, "the server ended the stream", False
        while not self.left:
            frame = None
            try:
                # Nothing but `leave` ends this wait; silence is the connection's to notice.
                async with asyncio.timeout(None) as self._reading:
                    frame = await anext(self._frames, None)
            except TimeoutError:
                continue
            except httpx2.SSEError:
                malformed = True
            except (httpx2.HTTPError, httpx2.StreamError):
                problem = "the stream broke off"
            finally:
                self._reading = None
            if frame is None or frame.data:
                break
            self._place.opened(frame.id)
        if self.left:
            await self.aclose()
            gone = ServerUnreachable("the connection was closed")
            return _Broken(Trouble(gone, again=True, wait_s=0.0))
        if malformed:
            raise BadAnswer("an event of the stream is not as it should be")
        if frame is None:
            return _Broken(Trouble(ServerUnreachable(problem), again=True))
        return _ended_by(frame.data) if frame.event == PROBLEM else event_of(frame.data)

    async def leave(self) -> None:
        """Close the connection from outside; the reader learns it when it reads."""
        self.left = True
        if self._reading is None:
            await self.aclose()
            return
        self._reading.reschedule(asyncio.get_running_loop().time())
        await self._closed.wait()

    async def aclose(self) -> None:
        """Close the connection."""
        self._wire.gate.left(self.leave)
        await self._response.aclose()
        self._closed.set()


def _ended_by(data: str) -> _Broken:
    """How a problem in the stream ends it: 429 and 503 pass, all others are for good."""
    found = read_json(data.encode("utf-8", "replace"))
    status = read(int, member(found, "status"))
    error = error_of(status, PROBLEM_TYPE, data.encode("utf-8", "replace"))
    return _Broken(Trouble(error, again=status in (429, 503)))


async def events_of(wire: Wire, ask: Ask, place: Place) -> AsyncGenerator[StreamEvent, None]:
    """The events that a request is answered with, over as many connections as it takes.

    It ends with the event `session_ended` and not otherwise; whoever wants less leaves.

    Raises:
        HoldfastError: the server refused it, or could not be reached for too long.
    """
    tries = Tries(wire.settings)
    while True:
        opened = await _opened(wire, ask, place)
        if isinstance(opened, Trouble):
            await tries.wait(opened)
            continue
        try:
            while not isinstance(found := await opened.next(), _Broken):
                event = place.takes(found)
                if event is not None:
                    tries.progress()
                    yield event
                    if event.type == "session_ended":
                        return
        finally:
            await opened.aclose()
        await tries.wait(found.trouble)


async def _opened(wire: Wire, ask: Ask, place: Place) -> Connection | Trouble:
    headers = {"Accept": MEDIA_TYPE, "Cache-Control": "no-store", **ask.headers}
    query = dict(ask.query)
    if place.whole is not None:
        headers["Last-Event-ID"] = str(place.whole)
    elif ask.method == "GET":
        query["after"] = LATEST
    async with wire.gate.request():
        response = await wire.open(replace(ask, query=query, headers=headers))
        if isinstance(response, Trouble):
            return response
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != MEDIA_TYPE:
            await response.aclose()
            return Trouble(BadAnswer("the server's answer is no stream of events"), again=False)
        place.connected()
        return Connection(wire, response, place)
