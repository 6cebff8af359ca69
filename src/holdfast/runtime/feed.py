"""A session's events for one reader: the log first, then live, without a seam.

Led in this process, live events come from the hub; led elsewhere, the log is
read as it grows. A reader may see the leader change and miss nothing durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from holdfast.core.errors import KeyDestroyed
from holdfast.runtime.backend import Follower
from holdfast.runtime.hub import Subscription
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.readers import Reading
from holdfast.runtime.reel import Reel
from holdfast.runtime.stream import StreamEvent, translate

LOOK_S = 1.0
POLL_S = 0.25


class Feed:
    """See the module. Use `events` once and close it.

    Args:
        answers: the reader can answer questions; then they wait for `attended_s`.
        by: the principal who reads; default: the manager's. What another than the
            author may not see is not in their events; see `readers`.
    """

    def __init__(
        self, core: Core, where: Located, *, answers: bool = True, by: str | None = None
    ) -> None:
        self._reading = Reading(core, where, by)
        self._core = core
        self._where = where
        self._hub = core.hub(where.stream)
        self._subscription = self._hub.subscribe(answers=answers)
        self._follower: Follower | None = None
        self._from_hub = 0
        self._ended: dict[object, int] = {}
        self._timer: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Leave."""
        if self._timer is not None:
            self._timer.cancel()
        self._hub.unsubscribe(self._subscription)

    @property
    def version(self) -> int:
        """How far the log has been given."""
        known = self._follower.view.version if self._follower else 0
        return max(known, self._from_hub)

    @property
    def unfinished(self) -> bool:
        """Whether the log, as far as it was read, ends in the middle of a run."""
        return self._follower is not None and self._follower.view.turn is not None

    def attend(self, answers: bool) -> None:
        """Say whether the reader can answer questions from now on."""
        self._subscription.answers = answers

    async def start(self, from_version: int | None) -> list[StreamEvent]:
        """Stand at the log's present end; returns what was missed since a version."""
        self._follower = await self._core.follow(self._where)
        if from_version is None or from_version >= self._follower.view.version:
            return []
        missed = await self._missed(from_version, self._follower.view.version)
        for event in missed:
            if event.type in ("turn_end", "tool_end"):
                self._ended[event.data.get("id", event.run)] = event.version
        return await self._shown(missed)

    async def _shown(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """What the reader may see of some events."""
        assert self._follower is not None, "a feed is started first"
        engine = self._core.live(self._where.stream)
        view = engine.view if engine is not None else self._follower.view
        return await self._reading.events(view, events)

    def _stale(self, event: StreamEvent) -> bool:
        """Whether the log has already given the whole of what a delta is a part of."""
        ended = self._ended.get(event.data.get("id", event.run), 0)
        return event.type.endswith("_delta") and event.version < ended

    async def missed(self, after: int) -> list[StreamEvent]:
        """The events behind a version, up to where the feed stands."""
        assert self._follower is not None, "a feed is started first"
        return await self._shown(await self._missed(after, self.version))

    async def _missed(self, after: int, until: int) -> list[StreamEvent]:
        reel = await Reel.open(self._where, after)
        found: list[StreamEvent] = []
        at = -1
        while at < reel.version < until:
            at = reel.version
            found += await reel.read(until)
        return found

    async def events(self) -> AsyncIterator[StreamEvent]:
        """Yield what happens from the start on."""
        while True:
            if self._core.live(self._where.stream) is not None:
                event = await self._next(self._subscription)
                batch = [] if event is None else [event]
            else:
                batch = await self._grown()
            for event in await self._shown(batch):
                yield event
                if event.type == "session_ended":
                    return
            if self._subscription.closed and not batch:
                return

    async def _next(self, subscription: Subscription) -> StreamEvent | None:
        """The next event of the hub that the log has not already given; None to look again."""
        assert self._follower is not None, "a feed is started first"
        if not subscription.queued and not subscription.closed:
            await self._news(subscription)
        if not subscription.queued:
            return None
        event = await subscription.get()
        if event is not None and event.type == "gap":
            self._from_hub = max(self._from_hub, event.version)
        if event is None or event.live:
            return None if event is not None and self._stale(event) else event
        if event.version <= self._follower.view.version:
            return None
        self._from_hub = event.version
        return event

    async def _news(self, subscription: Subscription) -> None:
        """Wait until there may be something new, or it is time to look who leads."""
        if self._timer is None or self._timer.done():
            self._timer = asyncio.ensure_future(self._core.clock.sleep(LOOK_S))
            self._timer.add_done_callback(lambda _: subscription.nudge())
        await subscription.news()

    async def _grown(self) -> list[StreamEvent]:
        """What the log has grown by, when the session is led elsewhere."""
        assert self._follower is not None, "a feed is started first"
        queued = self._subscription.drain()
        known = self._follower.view.version
        fresh = [e for e in queued if (e.live and not self._stale(e)) or e.version > known]
        if fresh:
            self._from_hub = max(
                [self._from_hub, *(e.version for e in fresh if not e.live or e.type == "gap")]
            )
            return fresh
        try:
            steps = await self._follower.advance()
        except KeyDestroyed:
            return []
        found = [
            event
            for before, after, recorded in steps
            if recorded.version > self._from_hub
            for event in translate(before, after, recorded)
        ]
        if not found:
            await self._stirred()
        return found

    async def _stirred(self) -> None:
        """Wait until something is committed elsewhere or happens here, or for a while.

        The store tells only of others' commits; who leads here meanwhile tells the hub.
        """
        subscription = self._subscription
        if subscription.queued or subscription.closed:
            return
        changed = asyncio.ensure_future(self._where.backend.store.changed(POLL_S))
        try:
            either: set[asyncio.Future[Any]] = {changed, subscription.news()}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if changed.done():
                changed.result()
        finally:
            changed.cancel()
