"""Readers of every speed, who come and go: each has the whole log once, and the answers."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest
from pydantic_core import from_json

from holdfast.core.principals import ROLES, Principal
from holdfast.runtime.handle import Session
from holdfast.runtime.reel import Reel
from holdfast.runtime.stream import StreamEvent
from holdfast.server import channels, reading
from holdfast.server.reading import Reader
from holdfast.server.sse import START, place_of_id
from holdfast.server.streams import Streams
from holdfast.testing.script import say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, run, until
from streamkit import Heard, durable, spoken

WHO = Principal(
    id="user:ann", workspace="default", session="", role="agent", scopes=ROLES["agent"], token="0"
)
SCOPE = "messages:read"


async def valid(token: str) -> Principal:
    """Every token is."""
    return WHO


class Wanderer:
    """Reads at a speed of its own, leaves and comes again with the last id it had."""

    def __init__(self, streams: Streams, session: Session, seed: int) -> None:
        self._streams = streams
        self._session = session
        self._random = random.Random(seed)
        self._last_id = ""
        self.heard: list[Heard] = []
        self.screens: list[str] = []

    async def read(self, until_version: int) -> None:
        """Read until everything up to a version was heard."""
        while not (self.heard and self._place() >= (until_version, 2)):
            place = place_of_id(self._last_id) if self._last_id else START
            stream = await self._streams.events(self._session, place, "t", WHO, SCOPE)
            patience = self._random.choice([1, 3, 10, 1000])
            screen: list[Heard] = []
            try:
                async for piece in stream.pieces:
                    self._hear(piece, screen)
                    patience -= 1
                    if not patience or (self.heard and self._place() >= (until_version, 2)):
                        break
                    for _ in range(self._random.choice([0, 0, 1, 40])):
                        await asyncio.sleep(0)
            finally:
                stream.close()
                await stream.pieces.aclose()

    def _place(self) -> tuple[int, float]:
        return place_of_id(self._last_id)

    def _hear(self, piece: bytes, screen: list[Heard]) -> None:
        for block in piece.decode().split("\n\n"):
            fields = dict(line.partition(": ")[::2] for line in block.splitlines())
            self._last_id = fields.get("id", self._last_id)
            if "data" not in fields:
                continue
            one = Heard(fields.get("id", ""), fields["event"], from_json(fields["data"]))
            screen.append(one)
            if one.durable:
                self.heard.append(one)
            if one.type == "turn_end" and any(x.type == "text_delta" for x in screen):
                self.screens.append(spoken(screen))


@pytest.mark.parametrize("frames_max", [1, 7, 1024])
def test_every_reader_has_everything_once(frames_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty of them, whatever is kept for them; text that was shown is what was said."""
    monkeypatch.setattr(channels, "FRAMES_MAX", frames_max)
    monkeypatch.setattr(channels, "AT_START", 3)
    monkeypatch.setattr(reading, "CATCH_UP_EVENTS", 2)
    pieces = [f"{number} " for number in range(12)]

    async def work() -> None:
        async with memory(ScriptedModel(itertools.repeat(say(*pieces)))) as sessions:
            session = await sessions.create_session("one")
            await session.generate("first")
            streams = Streams(sessions, valid, 5.0)
            last = await session.version() + 3 * 6
            readers = [Wanderer(streams, session, seed) for seed in range(30)]
            reads = [asyncio.create_task(one.read(last)) for one in readers]
            for number in range(6):
                await session.generate(f"q{number}")
            assert last == await session.version()
            await asyncio.gather(*reads)
            whole = Wanderer(streams, session, 0)
            await whole.read(last)
            for one in readers:
                assert durable(whole.heard) == durable(one.heard)
            shown = [screen for one in readers for screen in one.screens]
            # Whoever falls behind in an answer may miss its end, and never sees a wrong text.
            assert all("".join(pieces).startswith(screen) for screen in shown)
            if frames_max > 100:
                assert {"".join(pieces)} == set(shown)
            await until(lambda: not len(streams))

    run(work())


def test_a_reader_that_saw_more_than_the_channel_gets_nothing_twice() -> None:
    """It comes with an id that another process gave it, of an event that is yet to come here."""

    async def work() -> None:
        async with memory(ScriptedModel(itertools.repeat(say("a")))) as sessions:
            session = await sessions.create_session("one")
            streams = Streams(sessions, valid, 5.0)
            other = await streams.events(session, START, "t", WHO, SCOPE)
            channel, feed = other.channel, other.channel._feed
            assert feed is not None
            await session.generate("q")
            head = await session.version()
            while channel.place < (head, 1):
                await asyncio.sleep(0)
            end = channel._frames.pop()  # the end of the run is known, but not here yet
            assert (head, 2) == end.place
            channel.place = (head, 1)
            ahead = Reader(channel, (head, 2), other.allowed, lambda: False)
            assert [] == ahead._due()
            channel._frames.append(end)
            channel.place = end.place
            assert ahead._shared() is None  # what the others get next it has a part of
            assert [] == ahead._due()
            await session.generate("more")
            await until(lambda: channel.place[0] == head + 3)
            assert (head + 1, 1) == (ahead._due() or [])[0].place
            other.close()

    run(work())


def test_what_was_read_of_a_log_that_is_wiped_meanwhile_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that is behind reads the log just as the session is wiped: it gets the end only."""
    monkeypatch.setattr(channels, "AT_START", 1)
    read = Reel.read

    async def work() -> None:
        async with memory(ScriptedModel(itertools.repeat(say("a secret")))) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            streams = Streams(sessions, valid, 5.0)
            stream = await streams.events(session, START, "t", WHO, SCOPE)

            async def slowly(reel: Reel, last: int, *, events_max: int) -> list[StreamEvent]:
                found = await read(reel, last, events_max=events_max)
                assert found
                await sessions.terminate_session("one")
                await until(lambda: stream.channel.ended)
                return found

            monkeypatch.setattr(Reel, "read", slowly)
            got = b"".join([piece async for piece in stream.pieces])
            stream.close()
            assert [b"session_wiped", b"session_ended"] == [
                line[7:] for line in got.splitlines() if line.startswith(b"event: ")
            ]

    run(work())


def test_a_large_event_is_cut_into_pieces() -> None:
    """At most 64 KiB are handed over at a time, and together they are the event."""

    async def work() -> None:
        async with memory(ScriptedModel(itertools.repeat(say("é" * 150_000)))) as sessions:
            session = await sessions.create_session("one")
            await session.generate("q")
            streams = Streams(sessions, valid, 5.0)
            stream = await streams.events(session, START, "t", WHO, SCOPE)
            sizes, got = [], b""
            async for piece in stream.pieces:
                sizes.append(len(piece))
                got += piece
                if b"event: agent_end" in got and got.endswith(b"\n\n"):
                    break
            assert max(sizes) <= reading.CHUNK_BYTES < len(got)
            assert 2 == got.count(b"\xc3\xa9" * 150_000)
            sessions.emit(session.where, session.id, "noise", {"text": "é" * 150_000})
            sizes, got = [], b""
            while not got.endswith(b"\n\n"):  # as it happens, too
                got += (piece := await anext(stream.pieces))
                sizes.append(len(piece))
            assert max(sizes) <= reading.CHUNK_BYTES < len(got)
            stream.close()
            await stream.pieces.aclose()

    run(work())
