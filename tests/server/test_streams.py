"""Streams that end: with the session, with the token, with the server, by the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from contenthelp import CARD, leaked, names_in, quick
from holdfast.core.principals import Principal
from holdfast.runtime.readers import Reading
from holdfast.runtime.reel import Reel
from holdfast.runtime.stream import StreamEvent
from holdfast.server import streams as limits
from holdfast.server.channels import Channel
from holdfast.server.settings import ServerSettings
from holdfast.server.sse import START
from serverkit import Served, listening, served
from sessionhelp import echo, memory, on_file, run, until
from streamkit import EVENTS, MESSAGES, Heard, durable, reading


def secret(headers: Mapping[str, str]) -> str:
    """The token in a header."""
    return headers["Authorization"].removeprefix("Bearer ")


async def opened(made: Served) -> None:
    """Make the session `one` and say something in it."""
    await made.ok("POST", "/api/v1/sessions", {"id": "one"})
    await made.ok("POST", MESSAGES, {"content": "a secret word"})


def test_a_wipe_ends_the_stream_and_nothing_of_before_is_given() -> None:
    """Who reads is told; who comes later gets 410, with or without an id."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            async with reading(url, made.ann) as stream, reading(url, made.ann) as late:
                await stream.rest("agent_end")
                await made.ok("DELETE", "/api/v1/gateway/sessions/one")
                rest = [one.type for one in await stream.rest()]
                assert ["session_wiped", "session_ended"] == rest[-2:]
                assert ["session_wiped", "session_ended"] == [
                    one.type for one in await late.rest()
                ][-2:]
            for headers in ({}, {"Last-Event-ID": "2"}):
                found = await made.call("GET", EVENTS, headers=headers)
                assert (410, "key_destroyed") == (found.status_code, found.json()["reason"])
            other = await made.call("GET", EVENTS, by=made.bob)
            assert 404 == other.status_code

    run(work())


def test_who_is_behind_when_the_session_is_wiped_gets_its_end_and_no_more() -> None:
    """Neither kept frames nor the log give anything of a session that was wiped."""

    async def work() -> None:
        async with served() as made:
            await opened(made)
            token = secret(made.ann)
            who = await made.sessions.tokens.validate(token)
            session = await made.sessions.acting_as(who).get_session("one")
            streams = made.app.api.state.streams
            stream = await streams.events(session, (0, 1), token, who, "messages:read")
            assert b"id: 0" in await anext(stream.pieces)
            await made.ok("DELETE", "/api/v1/gateway/sessions/one")
            await until(lambda: stream.channel.ended)
            rest = b"".join([piece async for piece in stream.pieces])
            stream.close()
            assert b"secret" not in rest
            assert [b"session_wiped", b"session_ended"] == [
                line[7:] for line in rest.splitlines() if line.startswith(b"event: ")
            ]

    run(work())


@pytest.mark.parametrize("behind", [False, True])
def test_a_wipe_in_the_middle_of_what_is_sent_ends_it(behind: bool) -> None:
    """Of an event that is sent piece by piece nothing comes after the wipe.

    `behind` is who reads it from the log, since it is kept no more.
    """

    async def work() -> None:
        async with served() as made:
            await opened(made)
            await made.ok("POST", MESSAGES, {"content": "w" * 200_000})
            for count in range(100 * behind):
                await (await made.sessions.get_session("one")).set_tags([f"{count}"])
            token = secret(made.ann)
            who = await made.sessions.tokens.validate(token)
            session = await made.sessions.acting_as(who).get_session("one")
            streams = made.app.api.state.streams
            stream = await streams.events(session, START, token, who, "messages:read")
            while b"www" not in await anext(stream.pieces):
                pass
            await made.ok("DELETE", "/api/v1/gateway/sessions/one")
            await until(lambda: stream.channel.ended)
            rest = b"".join([piece async for piece in stream.pieces])
            stream.close()
            assert b"www" not in rest and b"answer" not in rest

    run(work())


def test_a_revoked_token_ends_its_streams_within_a_second() -> None:
    """Those of other tokens go on; the last event is the problem."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            eve = await made.token("user:eve")
            id = (await made.sessions.tokens.validate(secret(eve))).token
            async with reading(url, eve) as stream, reading(url, made.ann) as other:
                await stream.rest("agent_end")
                await other.rest("agent_end")
                await made.sessions.tokens.revoke(id)
                started = time.monotonic()
                end = await stream.next()
                took_s = time.monotonic() - started
                assert end is not None
                assert ("problem", 401) == (end.type, end.data["status"])
                assert await stream.next() is None
                assert took_s < 1.0
                await made.ok("POST", MESSAGES, {"content": "more"})
                assert "agent_start" == (await other.rest("agent_end"))[0].type

    run(work())


def test_what_happens_after_a_revocation_is_given_to_nobody_it_concerns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though tokens are asked about by themselves once an hour only: who is behind as well."""
    monkeypatch.setattr("holdfast.server.streams.CHECK_S", 3600.0)
    monkeypatch.setattr("holdfast.server.channels.AT_START", 1)
    monkeypatch.setattr("holdfast.server.reading.CATCH_UP_EVENTS", 1)

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            for behind in (False, True):
                eve = await made.token("user:eve")
                id = (await made.sessions.tokens.validate(secret(eve))).token
                async with reading(url, eve) as stream, reading(url, made.ann) as other:
                    if not behind:
                        await stream.rest("agent_end")
                    await other.rest("agent_end")
                    await made.sessions.tokens.revoke(id)
                    said = f"said-{behind}"
                    await made.ok("POST", MESSAGES, {"content": said})
                    heard = await stream.rest()
                    assert "problem" == heard[-1].type
                    assert said not in str([one.data for one in heard])
                    while said not in str([one.data for one in await other.rest("agent_end")]):
                        pass

    run(work())


def test_what_was_read_of_the_log_when_a_token_died_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that is behind is asked about as well, after the log was read for it."""
    monkeypatch.setattr("holdfast.server.streams.CHECK_S", 3600.0)
    monkeypatch.setattr("holdfast.server.channels.AT_START", 1)
    read = Reel.read

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            eve = await made.token("user:eve")
            id = (await made.sessions.tokens.validate(secret(eve))).token

            async def meanwhile(reel: Reel, last: int, **more: int) -> list[StreamEvent]:
                found = await read(reel, last, **more)
                if more:  # a reader's, not the channel's own
                    await made.sessions.tokens.revoke(id)
                return found

            monkeypatch.setattr(Reel, "read", meanwhile)
            async with reading(url, eve) as stream:
                assert ["problem"] == [one.type for one in await stream.rest()]

    run(work())


def test_a_token_that_died_before_its_stream_counted_opens_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It let the request in, and was revoked before the session was followed."""

    async def work() -> None:
        async with served() as made:
            await opened(made)
            eve = await made.token("user:eve")
            id = (await made.sessions.tokens.validate(secret(eve))).token
            ready = Channel.ready

            async def late(channel: Channel) -> None:
                await ready(channel)
                await made.sessions.tokens.revoke(id)

            monkeypatch.setattr(Channel, "ready", late)
            assert 401 == (await made.call("GET", EVENTS, by=eve)).status_code
            assert not len(made.app.api.state.streams)

    run(work())


@pytest.mark.parametrize("change", ["role", "workspace", "session", "bug", "stuck"])
def test_a_token_that_is_not_what_it_was_ends_the_stream(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer scopes, another workspace, another session, no answer: nothing more is read."""
    monkeypatch.setattr("holdfast.server.passes.ANSWER_S", 0.1)

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            who = await made.sessions.tokens.validate(secret(made.ann))
            now: Principal | None = {
                "role": replace(who, scopes=frozenset({"metrics:read"})),
                "workspace": replace(who, workspace="other"),
                "session": replace(who, session="two"),
            }.get(change)

            async def changed(token: str) -> Principal:
                await asyncio.sleep(60 if change == "stuck" else 0)
                if now is None:
                    raise RuntimeError
                return now

            async with reading(url, made.ann) as stream:
                await stream.rest("agent_end")
                monkeypatch.setattr(made.app.api.state.streams._passes, "_validate", changed)
                end = await stream.next()
                assert end is not None
                assert "problem" == end.type
                assert await stream.next() is None

    run(work())


def test_a_silent_stream_says_that_it_is_alive() -> None:
    """A comment every heartbeat, and no event."""

    async def work() -> None:
        settings = ServerSettings(heartbeat_s=0.05)
        async with served(settings=settings) as made, listening(made.app) as url:
            await opened(made)
            async with reading(url, made.ann) as stream:
                await stream.rest("agent_end")
                waiting = asyncio.ensure_future(stream.next())
                await until(lambda: stream.beats >= 3)
                assert not waiting.done()
                waiting.cancel()

    run(work())


def test_a_server_that_is_to_stop_ends_its_streams_and_opens_none() -> None:
    """The reader comes again with its last id, to whoever serves then."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            async with reading(url, made.ann) as stream:
                await stream.rest("agent_end")
                made.app.drain()
                assert [] == await stream.rest()
            assert 503 == (await made.call("GET", EVENTS)).status_code

    run(work())


def test_streams_are_limited_and_what_they_hold_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One principal's are, with those of names below; a stream that is left makes room."""
    monkeypatch.setattr(limits, "STREAMS_OF_ONE_MAX", 2)

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            streams = made.app.api.state.streams
            below = await made.token("user:ann/helper")
            async with reading(url, made.ann) as one, reading(url, below):
                assert 503 == (await made.call("GET", EVENTS)).status_code
                assert 503 == (await made.call("GET", EVENTS, by=below)).status_code
                async with reading(url, await made.token("user:eve")):
                    assert 3 == len(streams)
                await one.rest("agent_end")
                assert made.sessions.at_work()[1] == 1
            await until(lambda: not len(streams))
            assert ({}, {}) == (streams._channels, streams._passes._held)
            await until(lambda: not streams._leaving)
            assert made.sessions.at_work()[1] == 0
            async with reading(url, made.ann):
                pass

    run(work())


def test_only_readers_who_can_answer_count_as_attending() -> None:
    """Questions wait for a person only while one is there who may answer."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            await opened(made)
            viewer = await made.token("user:viewer", "viewer")
            approver = await made.token("user:approver", "approver")
            where = (await made.sessions.get_session("one")).where
            async with reading(url, viewer) as stream:
                await stream.next()
                assert not made.sessions.hub(where.stream).attended
                async with reading(url, approver) as other:
                    await other.next()
                    assert made.sessions.hub(where.stream).attended
                await until(lambda: not made.sessions.hub(where.stream).attended)

    run(work())


def test_a_session_that_is_led_by_another_node_is_streamed_from_its_log(tmp_path: Path) -> None:
    """What another node on the same store does, its wipe too, comes here once and in order."""

    async def work() -> None:
        async with on_file(tmp_path, echo()) as leader:
            session = await leader.create_session("one")
            await session.generate("a")
            async with (
                served(sessions=on_file(tmp_path, echo())) as made,
                listening(made.app) as url,
                reading(url, made.ann) as stream,
            ):
                heard = await stream.rest("agent_end")
                for number in range(5):
                    await session.generate(f"q{number}")
                    heard += await stream.rest("agent_end")
                async with reading(url, made.ann) as late:
                    again: list[Heard] = []
                    while len(durable(again)) < len(durable(heard)):
                        again += await late.rest("agent_end")
                assert durable(heard) == durable(again)
                eve = await made.token("user:eve")
                async with reading(url, eve) as revoked:
                    await revoked.rest("agent_end")
                    async with asyncio.timeout(2):
                        await leader.tokens.revoke_all_for_agent("user:eve")
                        assert "problem" == (await revoked.rest())[-1].type
                await leader.terminate_session("one")
                end = [one.type for one in await stream.rest()]
                assert ["session_wiped", "session_ended"] == end[-2:]
                assert 410 == (await made.call("GET", EVENTS)).status_code

    run(work())


@pytest.mark.parametrize("before", [0, 80])
def test_a_viewer_is_shown_of_the_authors_words_what_the_level_permits(before: int) -> None:
    """By streams, live, kept and from the log, by the list, the history and its records.

    `before` is how many events the log has before anybody reads.
    """

    async def work() -> None:
        manager = memory(echo(), detectors=quick())
        async with served(sessions=manager) as made, listening(made.app) as url:
            eve = await made.token("user:eve", "viewer")
            await made.ok("POST", "/api/v1/sessions", {"id": "one"})
            session = await manager.get_session("one")
            await session.set_title(f"Of {CARD}")
            await made.ok("POST", MESSAGES, {"content": f"Charge {CARD}."})
            for count in range(before):
                await session.set_tags([f"{count}"])
            async with (
                reading(url, eve, after="0") as other,
                reading(url, made.ann, after="0") as own,
            ):
                await made.ok("POST", MESSAGES, {"content": f"Again {CARD}."})
                seen = [*await other.rest("agent_end"), *await other.rest("agent_end")]
                mine = [*await own.rest("agent_end"), *await own.rest("agent_end")]
            assert [] == leaked(seen, (CARD,))
            for events in (seen, mine):
                asked = [one for one in events if one.type == "agent_start"]
                assert 2 == len(asked)
            ids, others = ([e.id for e in all if e.durable] for all in (seen, mine))
            assert ids == others
            assert f"Charge {CARD}." in repr(mine)
            assert names_in(repr(seen))
            for path in ("/api/v1/sessions", "/api/v1/sessions/one", MESSAGES):
                found = await made.call("GET", path, by=eve)
                assert (200, []) == (found.status_code, leaked(found.text, (CARD,))), path
                assert CARD in (await made.call("GET", path)).text, path

    run(work())


def test_who_cannot_be_told_to_be_the_author_shares_what_others_are_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key that could not be read for a moment opens the author's words to nobody else."""

    async def work() -> None:
        manager = memory(echo(), detectors=quick())
        async with served(sessions=manager) as made, listening(made.app) as url:
            eve = await made.token("user:eve", "viewer")
            await made.ok("POST", "/api/v1/sessions", {"id": "one"})
            await made.ok("POST", MESSAGES, {"content": f"Charge {CARD}."})
            with monkeypatch.context() as busy:
                busy.setattr(Reading, "authored", lambda self: False)
                async with reading(url, made.ann, after="0") as own:
                    busy.undo()
                    async with reading(url, eve, after="0") as other:
                        seen = await other.rest("agent_end")
                    mine = await own.rest("agent_end")
            assert [] == leaked(seen, (CARD,)) == leaked(mine, (CARD,))
            assert names_in(repr(seen)) and [one.id for one in seen] == [one.id for one in mine]

    run(work())


def test_tokens_are_asked_about_once_for_all_sessions() -> None:
    """However many sessions have an event at once after a token died."""

    async def work() -> None:
        async with served() as made, listening(made.app) as url:
            streams = made.app.api.state.streams
            paths = []
            for number in range(10):
                await made.ok("POST", "/api/v1/sessions", {"id": f"s{number}"})
                paths.append(f"/api/v1/sessions/s{number}/events")
            async with AsyncExitStack() as stack:
                opened = [
                    await stack.enter_async_context(reading(url, made.ann, path=path))
                    for path in paths
                ]
                for stream in opened:
                    await stream.next()
                asked, ask = [], streams._passes.check

                async def counted() -> None:
                    asked.append(1)
                    await asyncio.sleep(0.05)
                    await ask()

                streams._ticking.cancel()
                streams._passes.check = counted
                eve = await made.token("user:eve")
                await made.sessions.tokens.refresh(secret(eve))
                for number in range(10):
                    session = await made.sessions.acting_as(
                        await made.sessions.tokens.validate(secret(made.ann))
                    ).get_session(f"s{number}")
                    made.sessions.emit(session.where, session.id, "noise", {})
                for stream in opened:
                    found = await stream.next()
                    assert found is not None
                    assert "host.noise" == found.type
                assert 1 == len(asked)

    run(work())
