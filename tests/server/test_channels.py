"""A channel: what it keeps, what it lets go, and what it makes of a gap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import KeyDestroyed
from holdfast.runtime.handle import Session
from holdfast.runtime.stream import StreamEvent
from holdfast.server import channels
from holdfast.server.channels import Channel
from holdfast.server.sse import ALL, START
from sessionhelp import echo, memory, run, until
from streamkit import Stepwise


@asynccontextmanager
async def followed(sessions: SessionManager, session: Session) -> AsyncIterator[Channel]:
    """A channel of a session."""
    channel = Channel(sessions, session.where)
    try:
        await channel.ready()
        yield channel
    finally:
        await asyncio.wait({channel.close()})


def kept(channel: Channel) -> list[str]:
    """The types of the kept frames."""
    return [one.event.type for one in channel.since(channel.first, 10**9)]


def said_so_far(channel: Channel) -> str:
    """What somebody who joins now is told of an unfinished message."""
    frames = channel.behind(channel.place)[0]
    return "".join(str(one.event.data["text"]) for one in frames)


def test_an_event_is_written_once_for_all() -> None:
    """Two readers get the very same bytes; a delta of what was said is made once too."""

    async def work() -> None:
        model = Stepwise("a", "b", steps=1)
        async with memory(model) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                answering = asyncio.create_task(session.generate("q"))
                await until(lambda: "text_delta" in kept(channel))
                (first, number), (second, _) = channel.behind(START), channel.behind(START)
                assert all(a is b for a, b in zip(first, second, strict=True))
                assert "text_delta" == first[-1].event.type
                assert 1 == sum(one.event.live for one in first)
                model.let(1)
                await answering
                await until(lambda: "agent_end" in kept(channel))
                assert not [one for one in channel.behind(START)[0] if one.event.live]
                assert channel.since(number, 10**9)[0] is channel.since(number, 1)[0]

    run(work())


def test_what_is_kept_is_bounded_and_says_from_where_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames and bytes both are; whatever is durable behind the floor is there."""
    monkeypatch.setattr(channels, "FRAMES_MAX", 5)

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                for number in range(4):
                    await session.generate(f"q{number}")
                head = await session.version()
                await until(lambda: channel.place[0] == head)
                assert 5 == len(kept(channel))
                assert START < channel.floor < channel.place
                places = [one.place for one in channel.behind(channel.floor)[0]]
                assert all(place > channel.floor for place in places)
                assert channel.place == places[-1]
                assert [] == channel.behind(channel.place)[0]
                monkeypatch.setattr(channels, "BYTES_MAX", 10)
                await session.generate("more")
                await until(lambda: channel.place[0] == head + 3)
                assert 1 == len(kept(channel))

    run(work())


def test_a_gap_is_read_from_the_log_and_no_reader_sees_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than the hub holds in one breath: what is durable comes all the same, once."""
    monkeypatch.setattr(channels, "FRAMES_MAX", 10_000)

    async def work() -> None:
        model = Stepwise("abc", "def", "ghi", steps=1)
        async with memory(model) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                answering = asyncio.create_task(session.generate("q"))
                await until(lambda: "text_delta" in kept(channel))
                for number in range(1500):
                    sessions.emit(session.where, "one", "noise", {"n": number})
                    if number == 1100:
                        model.let(1)
                        for _ in range(20):
                            await asyncio.sleep(0)
                # Who joins now has what was said, also what went by in the gap, and once.
                await until(lambda: "abcdef" == said_so_far(channel))
                model.let(1)
                await answering
                await until(lambda: "agent_end" in kept(channel))
                assert "gap" not in kept(channel)
                frames = channel.since(channel.first, 10**9)
                durable = [one.place for one in frames if not one.event.live]
                assert durable == sorted(set(durable))
                assert (await session.version(), 2) == durable[-1]
                screen = ""
                for one in frames:
                    if one.event.type == "text_delta":
                        data = one.event.data
                        screen = screen[: int(str(data["offset"]))] + str(data["text"])
                assert "abcdefghi" == screen

    run(work())


def test_after_a_wipe_nothing_of_before_is_kept() -> None:
    """Only its end is; the channel is over."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                await session.generate("q")
                await sessions.terminate_session("one")
                await until(lambda: channel.ended)
                assert ["session_wiped", "session_ended"] == kept(channel)
                assert channel.wiped
                assert [] == [one for one in channel.behind((0, ALL))[0] if one.event.live]
            with pytest.raises(KeyDestroyed):
                async with followed(sessions, session):
                    pass

    run(work())


def test_a_run_that_nobody_leads_goes_on_while_somebody_reads() -> None:
    """Its engine stopped in the middle; the next reader has it finished."""

    async def work() -> None:
        model = Stepwise("a", "b")
        async with memory(model) as sessions:
            session = await sessions.create_session("one")
            await session.send("q")
            engine = sessions.live(session.where.stream)
            assert engine is not None
            await engine.stop()
            sessions._engines.clear()
            model.let(2)
            async with followed(sessions, session) as channel:
                await until(lambda: "agent_end" in kept(channel))
                assert "restarted" in kept(channel)

    run(work())


def test_what_comes_next_is_joined_once_for_all_who_stand_there() -> None:
    """Up to a size, with the places before and behind it; new frames make it anew."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                await session.generate("q")
                await until(lambda: "agent_end" in kept(channel))
                frames = channel.since(channel.first, 10**9)
                whole = channel.batch(channel.first, 10**9)
                assert b"".join(one.text for one in frames) == whole.text
                assert (channel.floor, channel.place) == (whole.before, whole.place)
                assert (channel.end, "agent_end") == (whole.end, whole.last)
                assert whole is channel.batch(channel.first, 10**9)
                second = channel.batch(channel.first + 1, 1)
                assert (frames[1].text, frames[0].place) == (second.text, second.before)
                assert second is channel.batch(channel.first + 1, 1)
                both = len(frames[0].text) + len(frames[1].text)
                assert channel.first + 2 == channel.batch(channel.first, both).end
                before = channel.batch(channel.first + 1, 10**9)
                sessions.emit(session.where, "one", "noise", {})
                await until(lambda: "host.noise" in kept(channel))
                after = channel.batch(channel.first + 1, 10**9)
                assert after.text == before.text + channel.since(channel.end - 1, 1)[0].text
                await sessions.terminate_session("one")
                await until(lambda: channel.ended)
                assert channel._batch is None  # of before nothing is left
                assert b"session_created" not in channel.batch(channel.first, 10**9).text

    run(work())


def test_readers_wait_for_news_each_for_themselves() -> None:
    """One that leaves takes none of the others along."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                one, other = channel.news(), channel.news()
                one.cancel()
                channel.wake()
                await other
                assert not channel.news().done()

    run(work())


def test_readers_that_left_are_not_kept() -> None:
    """However many of a silent session come and go."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                for _ in range(10_000):
                    channel.news().cancel()
                assert len(channel._waiting) <= channels.WAITING_MIN + 1

    run(work())


def test_what_happens_within_a_moment_wakes_readers_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of it at once, all the rest of it together, and the last is not left out."""
    woken: list[int] = []
    wake = Channel.wake

    def counted(channel: Channel) -> None:
        woken.append(channel.end)
        wake(channel)

    monkeypatch.setattr(Channel, "wake", counted)

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                await asyncio.sleep(2 * channels.TOGETHER_S)
                first, started = channel.end, time.monotonic()
                woken.clear()
                for number in range(1000):
                    sessions.emit(session.where, "one", "noise", {"number": number})
                    await asyncio.sleep(0)
                await until(lambda: bool(woken) and woken[-1] == first + 1000)
                took_s = time.monotonic() - started
                assert len(woken) <= took_s / channels.TOGETHER_S + 2
                assert first + 1 == woken[0]

    run(work())


def test_the_busier_the_server_the_more_goes_together() -> None:
    """Within bounds, and only as long as it is."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            async with followed(sessions, session) as channel:
                asyncio.get_running_loop().call_soon(time.sleep, 0.2)
                channel._tell_all()
                await until(lambda: channel._pause_s == channels.TOGETHER_S_MAX)
                for _ in range(50):  # of which one is quick, whatever else the machine does
                    channel._tell_all()
                    await asyncio.sleep(0.002)
                    if channel._pause_s == channels.TOGETHER_S:
                        return
                raise AssertionError(channel._pause_s)

    run(work())


def test_what_went_by_is_asked_about_as_well() -> None:
    """After a gap the log is read again; who died meanwhile is not given that either."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            session = await sessions.create_session("one")
            told: list[str] = []

            async def guard() -> None:
                told.append("asked")

            channel = Channel(sessions, session.where, guard=guard)
            await channel.ready()
            inner = channel._take

            def take(event: StreamEvent) -> None:
                told.append(event.type)
                inner(event)

            channel._take = take  # type: ignore[method-assign]  # to see when
            told.clear()
            assert channel._feed is not None
            channel._feed._subscription._size = 1
            await session.generate("hi")
            head = await session.version()
            await until(lambda: channel.place[0] == head)
            at = told.index("turn_start")
            assert "asked" in told[told.index("agent_start") + 1 : at]
            await asyncio.wait({channel.close()})

    run(work())
