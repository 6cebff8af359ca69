"""A reader's events: the log, then live, whoever leads."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.runtime import feed as feeds
from holdfast.runtime.feed import Feed
from holdfast.runtime.stream import StreamEvent
from sessionhelp import HandClock, echo, memory, on_file, one_session, run


def test_a_feed_without_a_leader_reads_the_log_as_it_grows(tmp_path: Path) -> None:
    """An idle session's engine is evicted; its subscriber still sees the next turn once."""

    async def work() -> None:
        async with on_file(tmp_path, echo(), idle_s=0.05) as sessions:
            session = await sessions.create_session("one")
            feed = Feed(sessions, session.where)
            await feed.start(None)
            stream = feed.events()
            for number in range(3):
                await session.generate(f"q{number}")
                seen = []
                async for event in stream:
                    if not event.live:
                        seen.append((event.version, event.type))
                    if event.type == "agent_end":
                        break
                assert "agent_start" == seen[0][1]
                assert len(seen) == len(set(seen)) == 4
                feed._hub.unsubscribe(feed._subscription)  # let the engine be idle
                while sessions.live(session.where.stream) is not None:
                    await asyncio.sleep(0.01)
                feed._hub._subscribers[feed._subscription] = None
            feed.close()

    run(work())


def test_a_turn_that_begins_here_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for others' commits hears of the first event here without looking again."""
    monkeypatch.setattr(feeds, "POLL_S", 1000.0)

    async def work() -> None:
        clock = HandClock()
        async with memory(echo(), clock=clock) as sessions, asyncio.timeout(10):
            session = await sessions.create_session("one")
            while sessions.live(session.where.stream) is not None:
                clock.advance(1)
                await asyncio.sleep(0)
            feed = Feed(sessions, session.where)
            await feed.start(None)
            stream = feed.events()
            first = asyncio.ensure_future(anext(stream))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not first.done()
            await session.generate("hello")
            assert "agent_start" == (await first).type
            feed.close()

    run(work())


def test_what_was_missed_is_the_tail_of_the_log() -> None:
    """`start(v)` returns exactly the events behind v."""

    async def work() -> None:
        async with one_session(echo()) as session:
            await session.generate("a")
            head = await session.version()
            for version in range(head + 1):
                feed = Feed(session._core, session.where)
                missed = await feed.start(version)
                feed.close()
                found = {e.version for e in missed}
                assert set(range(version + 1, head + 1)) == found

    run(work())


def test_a_subscriber_of_a_wiped_session_is_told_the_end() -> None:
    """The wipe and the end are events; then the stream is over."""

    async def work() -> None:
        async with one_session(echo()) as session:
            seen: list[str] = []

            async def watch() -> None:
                seen.extend([event.type async for event in session.subscribe_events()])

            watcher = asyncio.create_task(watch())
            while not session._core.hub(session.where.stream).watched:
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)
            await session._core.terminate_session("one")
            await asyncio.wait_for(watcher, 5)
            assert ["session_wiped", "session_ended"] == seen[-2:]

    run(work())


def test_a_stream_whose_feed_starts_slowly_still_has_the_whole_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the feed takes to read the log, the run's start is not behind it."""
    start = Feed.start

    async def slowly(feed: Feed, from_version: int | None) -> list[StreamEvent]:
        for _ in range(500):  # long enough for a whole turn in memory
            await asyncio.sleep(0)
        return await start(feed, from_version)

    monkeypatch.setattr(Feed, "start", slowly)

    async def work() -> None:
        async with one_session(echo()) as session, asyncio.timeout(10):
            kinds = [event.type async for event in session.stream("hello")]
            assert ("agent_start", "agent_end") == (kinds[0], kinds[-1])

    run(work())
