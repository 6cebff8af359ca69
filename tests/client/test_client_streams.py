"""Streams that break and go on: each durable event once, in order."""

from __future__ import annotations

import asyncio
import itertools
import json
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clienthelp import IMPATIENT, QUICK, TOKEN, canned, http, line, pair, problem, streaming
from holdfast.client import Client, ClientSettings
from holdfast.client.streams import Place, event_of, events_of
from holdfast.client.values import StreamEvent
from holdfast.client.wire import Ask, Wire
from holdfast.core.errors import (
    BadAnswer,
    HoldfastError,
    KeyDestroyed,
    ServerUnreachable,
    TokenInvalid,
)
from holdfast.runtime.stream import EVENT_TYPES
from holdfast.testing.script import Call, Say, Turn, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, memory, run, tool


def event(version: int, type: str = "turn_start", **more: object) -> StreamEvent:
    """An event of a session."""
    live = {"live": True} if type.endswith("_delta") else {}
    data = {"data": more} if more else {}
    return StreamEvent(type=type, session="s", version=version, time_ms=1, **live, **data)


def frame(version: int, type: str = "turn_start", **more: object) -> str:
    """An event as it is written."""
    head = {"type": type, "session": "s", "version": version, "time_ms": 1, "run": 0}
    return f"id: {version}\nevent: {type}\ndata: {json.dumps({**head, **more})}"


END = frame(9, "session_ended")


async def read(client: Client, from_version: int | None = 0) -> list[StreamEvent]:
    """All events of a session, to its end."""
    handle = client._named("s")
    return [one async for one in handle.subscribe_events(from_version)]


# --- the place ---------------------------------------------------------------------------


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    breaks=st.lists(st.integers(0, 12), max_size=12),
    after=st.integers(0, 5),
)
def test_every_event_is_given_once_whatever_breaks(
    sizes: list[int], breaks: list[int], after: int
) -> None:
    """A server that sends again all behind the last whole version makes no gap and no double."""
    log = [event(version, n=n) for version, size in enumerate(sizes, 1) for n in range(size)]
    wanted = [one for one in log if one.version > after]
    place, got = Place(after), []
    for length in [*breaks, len(log)]:
        place.connected()
        coming = [one for one in log if one.version > (place.whole or 0)]
        got += [one for one in coming[:length] if place.takes(one)]
    assert wanted == got


@given(pieces=st.lists(st.text(max_size=5), max_size=8), breaks=st.lists(st.integers(0, 9)))
def test_pieces_of_an_answer_join_to_the_answer(pieces: list[str], breaks: list[int]) -> None:
    """After a break the text so far comes as one piece; what is known of it is cut off."""
    place, said = Place(0), ""
    offsets = list(itertools.accumulate(map(len, pieces), initial=0))
    for stop in sorted(breaks):
        done = offsets[min(stop, len(pieces))]
        found = place.takes(event(1, "text_delta", text="".join(pieces)[:done], offset=0))
        said += str(found.data["text"]) if found else ""
    for piece, offset in zip(pieces, offsets, strict=False):
        found = place.takes(event(1, "text_delta", text=piece, offset=offset))
        if found:
            assert len(said) == found.data["offset"]
            said += str(found.data["text"])
    assert "".join(pieces) == said


def test_another_answer_begins_anew() -> None:
    """The next model call's text, and that of a call that is repeated, is a new one."""
    for between in ("turn_start", "restarted", "turn_end"):
        place = Place(0)
        assert place.takes(event(1, "text_delta", text="abc", offset=0))
        assert place.takes(event(2, between))
        again = place.takes(event(2, "text_delta", text="xyz", offset=0))
        assert again
        assert "xyz" == again.data["text"]


def test_live_events_are_told_by_their_type() -> None:
    """Every type that the library calls live is live here, and no other."""
    for name, meaning in {**EVENT_TYPES, "host.mine": "live: the program's"}.items():
        data = {"type": name, "session": "s", "version": 1, "time_ms": 1, "run": 0}
        assert meaning.startswith("live: ") is event_of(json.dumps(data)).live, name


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"type": "x", "session": "s", "version": "1", "time_ms": 1, "run": 0}',
        '{"type": "x", "session": "s", "version": true, "time_ms": 1, "run": 0}',
        '{"type": 1, "session": "s", "version": 1, "time_ms": 1, "run": 0}',
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_refused(data: str) -> None:
    """Nothing is made up for what is missing."""
    with pytest.raises(BadAnswer):
        event_of(data)


# --- connections -----------------------------------------------------------------------------


def test_a_stream_goes_on_where_it_broke() -> None:
    """The next connection names the last version that was given whole."""

    async def main() -> None:
        async with (
            canned(
                streaming("retry: 1\nid: 3", frame(4), frame(5)),
                None,
                problem(503, "draining", "Soon.", "Retry-After: 0"),
                streaming("id: 4", frame(5), frame(5, "turn_end"), frame(6), ": alive"),
                streaming(frame(6), frame(7), "event: problem\ndata: " + _problem(503)),
                streaming(frame(7), END),
            ) as server,
            Client(server.url, token=TOKEN, settings=QUICK) as client,
        ):
            found = await read(client, None)
            shown = [(one.version, one.type) for one in found]
            assert [
                (4, "turn_start"),
                (5, "turn_start"),
                (5, "turn_end"),
                (6, "turn_start"),
                (7, "turn_start"),
                (9, "session_ended"),
            ] == shown
            ids = [one.headers.get("last-event-id") for one in server.requests]
            assert [None, "4", "4", "4", "5", "6"] == ids
            assert "/api/v1/sessions/s/events?after=latest" == server.requests[0].target
            assert "/api/v1/sessions/s/events" == server.requests[1].target

    run(main())


def _problem(status: int, reason: str = "unavailable") -> str:
    return json.dumps({"reason": reason, "status": status, "title": "T", "detail": "D"})


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem(401, "token_invalid"), TokenInvalid),
        (problem(410, "key_destroyed"), KeyDestroyed),
        (streaming("event: problem\ndata: " + _problem(401, "token_invalid")), TokenInvalid),
        (streaming("event: problem\ndata: " + _problem(410, "key_destroyed")), KeyDestroyed),
        (streaming("event: problem\ndata: {}"), BadAnswer),
        (streaming("data: {}"), BadAnswer),
        (streaming("data: x"), BadAnswer),
        (streaming("id: nowhere", frame(1)), BadAnswer),
        (streaming("data: " + "x" * 40_000), BadAnswer),
        (streaming(frame(2, "text_delta", text=3, offset=0)), BadAnswer),
        (streaming(frame(1), kind="text/html"), BadAnswer),
        (http(200, b"{}"), BadAnswer),
    ],
)
def test_what_ends_a_stream_for_good_is_an_error(reply: bytes, kind: type[HoldfastError]) -> None:
    """Nothing is tried again that the next try would not change."""

    async def main() -> None:
        small = ClientSettings(event_bytes_max=10_000, patience_s=1.0, wait_s_min=0.001)
        async with (
            canned(reply, reply) as server,
            Client(server.url, token=TOKEN, settings=small) as client,
        ):
            with pytest.raises(kind):
                await read(client, None)
            assert 1 == server.connections

    run(main())


def test_a_silent_stream_is_left() -> None:
    """One that says nothing at all, not even that it is alive, counts as broken."""

    async def silent(writer: asyncio.StreamWriter) -> None:
        writer.write(streaming("id: 1"))
        await writer.drain()
        await asyncio.sleep(2)

    async def main() -> None:
        async with (
            canned(silent, streaming(END)) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            assert [9] == [one.version for one in await read(client)]
            assert 2 == server.connections

    run(main())


def test_beats_keep_a_quiet_stream() -> None:
    """As long as the server says that it is alive, nothing is broken."""

    async def beating(writer: asyncio.StreamWriter) -> None:
        writer.write(streaming("id: 1"))
        for _ in range(6):
            writer.write(b": alive\n\n")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(f"{END}\n\n".encode())

    async def main() -> None:
        async with (
            canned(beating) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            assert [9] == [one.version for one in await read(client)]
            assert 1 == server.connections

    run(main())


def test_a_server_that_only_breaks_is_given_up() -> None:
    """Without an event between, breaks are counted; with one, they begin anew."""

    async def main() -> None:
        async with (
            canned(*[streaming(frame(n)) for n in range(1, 8)]) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            got = []
            with pytest.raises(ServerUnreachable):
                async for one in client._named("s").subscribe_events(0):
                    got += [one.version]
            assert list(range(1, 8)) == got
            assert 7 + 3 == server.connections

    run(main())


def test_what_was_given_already_is_no_progress() -> None:
    """A server that sends the same again and breaks is given up too."""

    async def main() -> None:
        async with (
            canned(*[streaming(frame(5))] * 9) as server,
            Client(server.url, token=TOKEN, settings=IMPATIENT) as client,
        ):
            with pytest.raises(ServerUnreachable):
                await read(client, 4)
            assert 4 == server.connections

    run(main())


def test_streams_make_way_for_a_new_token() -> None:
    """All are closed before, read or not, and go on after; the old one is not shown again."""

    async def main() -> None:
        async with pair() as found:
            session = await found.client.create_session("s")
            streams = found.served.app.api.state.streams
            read_on = asyncio.create_task(read(found.client))
            async with aclosing(session.subscribe_events(0)) as unread:
                first = await anext(unread)
                while len(streams) < 2:
                    await asyncio.sleep(0.01)
                async with asyncio.TaskGroup() as group:
                    told = group.create_task(found.client.tokens.refresh())
                    states = [group.create_task(session.info()) for _ in range(20)]
                assert 2 == told.result().generation
                assert {"Active"} == {one.result().state for one in states}

                async def rest() -> list[StreamEvent]:
                    return [one async for one in unread]

                others = asyncio.create_task(rest())
                while len(streams) < 2:
                    await asyncio.sleep(0.01)
                await session.generate("hi")
                await found.client.terminate_session("s")
                whole = [first, *await others]
            shown = [(one.version, one.type) for one in whole if not one.live]
            other = [(one.version, one.type) for one in await read_on if not one.live]
            assert shown == other
            assert ["session_created", "session_ended"] == [shown[0][1], shown[-1][1]]
            async with found.other(found.url) as old:
                with pytest.raises(TokenInvalid):
                    await old.get_session("s")

    run(main())


def look() -> str:
    """Look."""
    return "seen"


def test_a_line_that_breaks_everywhere_changes_nothing() -> None:
    """Cut after any number of bytes, a reader and a talker get what they get unbroken."""
    turn = Turn(steps=(Say(("Let me ", "look.")), Call("look"), Call("look")))

    async def main() -> None:
        model = ScriptedModel(itertools.cycle([turn, say("It was seen.")]))
        manager = memory(model, tool(look))
        async with pair(sessions=manager) as found, line(found.url) as bad:
            await manager.create_session("s", UNSAFE)
            await found.client.generate("s", "go")
            wire = Wire(bad.url, found.token, settings=QUICK)
            ask = Ask(method="GET", path="/api/v1/sessions/s/events")

            async def to(version: int) -> list[StreamEvent]:
                got = []
                async with aclosing(events_of(wire, ask, Place(0))) as events:
                    async for one in events:
                        got.append(one)
                        if one.version >= version and one.type == "agent_end":
                            return got
                return got

            last = await found.client._named("s").version()
            whole = await to(last)
            assert 11 == len(whole)
            for cut in range(400, 6000, 401):
                bad.cuts = [cut, cut + 97]
                assert whole == await to(last), cut
            async with found.other(bad.url) as client:
                for cut in range(100, 4000, 487):
                    bad.cuts = [cut, cut + 300]
                    spoken = [one async for one in client._named("s").stream("go") if not one.live]
                    kinds = [one.type for one in spoken]
                    assert [one.type for one in whole if not one.live][1:] == kinds, cut
                    assert len(kinds) == len(
                        {(one.version, one.type, str(one.data)) for one in spoken}
                    )
            await wire.aclose()

    run(main())
