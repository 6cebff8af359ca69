"""The hub: fan-out, bounded queues, explicit gaps, text so far."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.runtime.hub import Hub, Subscription
from holdfast.runtime.stream import StreamEvent


def event(
    version: int, type: str = "tool_end", *, live: bool = False, **data: object
) -> StreamEvent:
    """An event."""
    return StreamEvent(
        type=type, session="s", version=version, time_ms=0, run=2, data=data, live=live
    )


def test_all_subscribers_get_all_events_in_order() -> None:
    """Each subscriber has its own queue; who left gets nothing more."""
    hub = Hub()
    assert not hub.watched
    one, two = hub.subscribe(), hub.subscribe()
    hub.publish(event(1))
    hub.unsubscribe(two)
    hub.publish(event(2))
    assert hub.watched
    assert [1, 2] == [e.version for e in one.drain()]
    assert [1] == [e.version for e in two.drain()]


def test_an_overflow_becomes_one_gap_that_names_what_is_missing() -> None:
    """The gap stands where events are missing and names the first and last of them."""

    async def work() -> None:
        subscription = Subscription(3)
        for version in range(1, 8):
            subscription.put(event(version))
        got = [await subscription.get() for _ in range(4)]
        assert [1, 2, 3] == [e.version for e in got[:3] if e]
        gap = got[3]
        assert gap is not None and gap.live
        assert ("gap", 4, 7) == (gap.type, gap.data["from_version"], gap.data["to_version"])
        subscription.put(event(8))
        after = await subscription.get()
        assert after is not None and 8 == after.version

    asyncio.run(work())


def test_a_gap_comes_before_what_follows_it() -> None:
    """A reader that catches up a little sees gap, then the new event, in that order."""

    async def work() -> None:
        subscription = Subscription(2)
        for version in (1, 2, 3):
            subscription.put(event(version))
        await subscription.get()
        subscription.put(event(4))
        kinds = [(e.type, e.version) for e in subscription.drain()]
        assert [("tool_end", 2), ("gap", 3), ("tool_end", 4)] == kinds

    asyncio.run(work())


def test_draining_does_not_lose_a_gap() -> None:
    """What a drain takes includes the gap behind the queued events."""
    subscription = Subscription(2)
    for version in (1, 2, 3, 4):
        subscription.put(event(version))
    assert ["tool_end", "tool_end", "gap"] == [e.type for e in subscription.drain()]
    assert [] == subscription.drain()


def test_a_newcomer_gets_the_text_so_far_once() -> None:
    """One cumulative delta of the unfinished answer; none after it has ended."""
    hub = Hub()
    for offset, text in enumerate(("a", "b")):
        hub.publish(event(3, "text_delta", live=True, text=text, offset=offset))
    delta = hub.subscribe().drain()
    assert [("ab", 0)] == [(e.data["text"], e.data["offset"]) for e in delta]
    hub.publish(event(4, "turn_end"))
    assert [] == hub.subscribe().drain()


def test_only_text_is_of_use_to_nobody() -> None:
    """What was said is kept for newcomers; all else is for those who listen now."""
    hub = Hub()
    assert hub.wants("text_delta")
    assert not hub.wants("thinking_delta")
    hub.subscribe()
    assert hub.wants("thinking_delta")


def test_the_text_kept_for_newcomers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beginning is kept, whatever the size of the pieces."""
    monkeypatch.setattr("holdfast.runtime.hub.PARTIAL_CHARS_MAX", 5)
    hub = Hub()
    for offset, text in ((0, "abc"), (3, "def"), (6, "ghi")):
        hub.publish(event(1, "text_delta", live=True, text=text, offset=offset))
    assert ["abcde"] == [e.data["text"] for e in hub.subscribe().drain()]


def test_text_that_is_in_the_log_is_forgotten() -> None:
    """A run that nobody watched leaves nothing behind for newcomers."""
    hub = Hub()
    hub.publish(event(1, "text_delta", live=True, text="hel", offset=0))
    hub.said()
    assert [] == hub.subscribe().drain()


def test_closing_ends_subscriptions_behind_what_is_queued() -> None:
    """A closed subscription gives what it has and then None."""

    async def work() -> None:
        hub = Hub()
        subscription = hub.subscribe()
        hub.publish(event(1))
        hub.close()
        first = await subscription.get()
        assert first is not None and 1 == first.version
        assert await subscription.get() is None
        assert not hub.watched

    asyncio.run(work())


def test_who_waits_for_news_is_told_of_events_ends_and_nudges() -> None:
    """A wait that was given up loses nothing."""

    async def work() -> None:
        subscription = Hub().subscribe()
        for tell in (subscription.nudge, lambda: subscription.put(event(1)), subscription.close):
            subscription.news().cancel()
            waiting = subscription.news()
            assert not waiting.done()
            tell()
            await waiting
        assert subscription.queued

    asyncio.run(work())
