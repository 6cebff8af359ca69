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
    """One subscriber's bounded queue.

    Args:
        answers: who reads it can answer questions, so that they wait for it.
    """

    def __init__(self, size: int, *, answers: bool = True) -> None:
        self.answers = answers
        self._queue: deque[StreamEvent] = deque()
        self._size = size
        self._waiter: asyncio.Future[None] | None = None
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
        self.nudge()

    def close(self) -> None:
        """End the subscription after what is queued."""
        self.closed = True
        self.nudge()

    def drain(self) -> list[StreamEvent]:
        """Take all that is queued, without waiting."""
        taken = list(self._queue)
        self._queue.clear()
        if self._lost is not None and taken:
            (first, last), self._lost = self._lost, None
            taken.append(_gap(taken[-1], first, last))
        return taken

    @property
    def queued(self) -> bool:
        """Whether `get` has an event at once."""
        return bool(self._queue)

    def nudge(self) -> None:
        """Have whoever waits look again."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def news(self) -> asyncio.Future[None]:
        """What is done once there may be something new; one reader waits for it."""
        if self._waiter is None or self._waiter.done():
            self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    async def get(self) -> StreamEvent | None:
        """The next event; None when the subscription has ended."""
        while not self._queue:
            if self.closed:
                return None
            await self.news()
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


class _Said:
    """What was said so far in a call: pieces, joined only when somebody comes to hear it."""

    __slots__ = ("_last", "_pieces", "_room")

    def __init__(self, first: StreamEvent) -> None:
        self._last = first
        self._pieces: list[str] = []
        self._room = PARTIAL_CHARS_MAX

    def add(self, event: StreamEvent) -> None:
        self._last = event
        piece = str(event.data["text"])[: self._room]
        if piece:
            self._room -= len(piece)
            self._pieces.append(piece)

    def event(self) -> StreamEvent:
        last = self._last
        return StreamEvent(
            type="text_delta",
            session=last.session,
            version=last.version,
            time_ms=last.time_ms,
            run=last.run,
            data={"text": "".join(self._pieces), "offset": 0},
            live=True,
        )


class Hub:
    """Fan-out of one session's events within this process."""

    def __init__(self) -> None:
        self._subscribers: dict[Subscription, None] = {}  # in the order they came
        self._partial: dict[int, _Said] = {}

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._subscribers)

    @property
    def attended(self) -> bool:
        """Whether somebody who can answer questions listens."""
        return any(subscription.answers for subscription in self._subscribers)

    def subscribe(self, size: int = BUFFER_EVENTS_MAX, *, answers: bool = True) -> Subscription:
        """Join; the text said so far in the running call comes first, as one delta."""
        subscription = Subscription(size, answers=answers)
        for said in self._partial.values():
            subscription.put(said.event())
        self._subscribers[subscription] = None
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Leave."""
        self._subscribers.pop(subscription, None)

    def wants(self, type: str) -> bool:
        """Whether an event of this type is of use: somebody listens, or it is kept for them."""
        return type == "text_delta" or bool(self._subscribers)

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
        if known is None:
            known = self._partial[event.run] = _Said(event)
        known.add(event)

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in tuple(self._subscribers):
            subscription.close()
        self._subscribers.clear()
