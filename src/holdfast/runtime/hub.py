"""The live hub: events and deltas of one session to any number of subscribers.

Nothing here is durable. A subscriber that is too slow gets an explicit `gap` and
reads the log for what it missed; it never slows down the turn.
"""

from __future__ import annotations

import asyncio
from collections import deque

from holdfast.runtime.stream import StreamEvent

BUFFER_EVENTS_MAX = 1000
PARTIAL_CHARS_MAX = 1_000_000


class Subscription:
    """One subscriber's bounded queue."""

    def __init__(self, size: int) -> None:
        self._queue: deque[StreamEvent] = deque()
        self._size = size
        self._ready = asyncio.Event()
        self._lost: tuple[int, int] | None = None
        self.closed = False

    def put(self, event: StreamEvent) -> None:
        """Take an event, or note that it was missed."""
        if len(self._queue) >= self._size:
            first = self._lost[0] if self._lost else event.version
            self._lost = (first, event.version)
            return
        if self._lost is not None:
            first, last = self._lost
            self._lost = None
            self._queue.append(_gap(event, first, last))
        self._queue.append(event)
        self._ready.set()

    def close(self) -> None:
        """End the subscription after what is queued."""
        self.closed = True
        self._ready.set()

    def drain(self) -> list[StreamEvent]:
        """Take all that is queued, without waiting."""
        taken = list(self._queue)
        self._queue.clear()
        if self._lost is not None and taken:
            (first, last), self._lost = self._lost, None
            taken.append(_gap(taken[-1], first, last))
        return taken

    async def get(self) -> StreamEvent | None:
        """The next event; None when the subscription has ended."""
        while not self._queue:
            if self.closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        event = self._queue.popleft()
        if not self._queue and self._lost is not None:
            first, last = self._lost
            self._lost = None
            self._queue.append(_gap(event, first, last))
        return event


def _gap(event: StreamEvent, first: int, last: int) -> StreamEvent:
    return StreamEvent(
        type="gap",
        session=event.session,
        version=last,
        time_ms=event.time_ms,
        run=event.run,
        data={"from_version": first, "to_version": last},
        live=True,
    )


class Hub:
    """Fan-out of one session's events within this process."""

    def __init__(self) -> None:
        self._subscribers: set[Subscription] = set()
        self._partial: dict[int, StreamEvent] = {}

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._subscribers)

    def subscribe(self, size: int = BUFFER_EVENTS_MAX) -> Subscription:
        """Join; the text said so far in the running call comes first, as one delta."""
        subscription = Subscription(size)
        for event in self._partial.values():
            subscription.put(event)
        self._subscribers.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Leave."""
        self._subscribers.discard(subscription)

    def publish(self, event: StreamEvent) -> None:
        """Send to all."""
        if event.type == "text_delta":
            self._grow(event)
        elif event.type in ("turn_end", "turn_start", "agent_end"):
            self._partial.pop(event.run, None)
        for subscription in self._subscribers:
            subscription.put(event)

    def said(self) -> None:
        """What was said so far is in the log now; nobody heard its events."""
        self._partial.clear()

    def _grow(self, event: StreamEvent) -> None:
        known = self._partial.get(event.run)
        text = str(known.data["text"]) if known else ""
        text = (text + str(event.data["text"]))[:PARTIAL_CHARS_MAX]
        self._partial[event.run] = StreamEvent(
            type="text_delta",
            session=event.session,
            version=event.version,
            time_ms=event.time_ms,
            run=event.run,
            data={"text": text, "offset": 0},
            live=True,
        )

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in tuple(self._subscribers):
            subscription.close()
        self._subscribers.clear()
