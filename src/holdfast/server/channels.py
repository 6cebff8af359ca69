"""A session's events for all who read them here: followed once, written once, shared.

- A channel follows one session while anybody reads it. It keeps the last frames, a
  bounded number of bytes of them; who is slower than that reads the log again.
- A reader holds a place in the log and a place among the kept frames, no queue. What it
  is sent next is asked for when it has taken what it was sent before.
- Who joins, for the first time or again, gets what is durable behind its place, then one
  delta with all that was said so far of an unfinished message, then what happens.
- A run that nobody leads goes on here while somebody reads it.
- After a wipe nothing of before is kept, and what is in the log has no key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.runtime.feed import Feed
from holdfast.runtime.hub import Hub
from holdfast.runtime.located import Located
from holdfast.runtime.readers import Reading
from holdfast.runtime.stream import StreamEvent
from holdfast.server.sse import ALL, START, Frame, Place, frame_of

FRAMES_MAX = 1024
BYTES_MAX = 1024 * 1024
AT_START = 64
WAITING_MIN = 64
TOGETHER_S, TOGETHER_S_MAX = 0.005, 0.1
"""Readers are woken once for all that happens within so many seconds; more if it is busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Neighbouring frames as one text.

    Args:
        first: the number of the first of them; end: of what comes behind them.
        before: where a reader stands that has what comes before them.
        place: where one stands that has them.
        last: the type of the last event.
        whole: nothing came behind them yet.
    """

    first: int
    end: int
    before: Place
    place: Place
    text: bytes
    last: str
    whole: bool


class Channel:
    """One session, followed for its readers.

    Args:
        sessions: the manager itself; who may read is settled before.
        by: the principal who reads; all who read are shown what this one is.
        own: whether that is the session's author.
        guard: sees to it that no reader whose token died is given what comes next.
    """

    def __init__(
        self,
        sessions: SessionManager,
        where: Located,
        by: str | None = None,
        *,
        own: bool = True,
        guard: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        # `floor`: whatever is durable behind it is among the kept frames.
        self.where = where
        self.own = own
        self.reading = Reading(sessions, where, by)
        self._guard = guard
        self._by = by
        self.ended = False
        self.wiped = False
        self.readers = 0
        self.error: Exception | None = None
        self.beats = 0
        self.version = 0
        self.place: Place = START
        self.floor: Place = START
        self._sessions = sessions
        self._feed: Feed | None = None
        self._relay = Hub()
        self._said: list[Frame] | None = None
        self._answering = 0
        self._counted: Place = START
        self._frames: list[Frame] = []
        self._first = 0
        self._bytes = 0
        self._ready = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._batch: Batch | None = None
        self._tended = -1
        self._tending: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._told_s = 0.0
        self._pause_s = TOGETHER_S
        self._task = asyncio.create_task(self._pump())

    # --- following ---------------------------------------------------------------------

    async def ready(self) -> None:
        """Wait until the session is followed.

        Raises:
            KeyDestroyed: it was wiped.
            HoldfastError: it cannot be read.
        """
        await self._ready.wait()
        if self.error is not None:
            raise self.error

    def close(self) -> asyncio.Task[None]:
        """Stop following; returns what ends when that is done."""
        self._task.cancel()
        return self._task

    def attend(self, more: int) -> None:
        """Note that so many more readers can answer questions, or fewer."""
        self._answering += more
        if self._feed is not None:
            self._feed.attend(self._answering > 0)

    async def _pump(self) -> None:
        try:
            while await self._follow():
                pass
        except Exception as error:  # whatever it is, every reader is told
            self.error = error
        finally:
            self.ended = True
            self._ready.set()
            if self._later is not None:
                self._later.cancel()
            self.wake()

    async def _follow(self) -> bool:
        """Follow the session to its end; True if some of it went by unseen."""
        after = await self._behind()
        self._relay, self._said = Hub(), None
        self._counted = (after, ALL)
        feed = self._feed = Feed(
            self._sessions, self.where, answers=self._answering > 0, by=self._by
        )
        try:
            missed = await feed.start(after)
            await self.guard()  # who reads already is given what went by as well
            for event in missed:
                self._take(event)
            self.version = max(self.version, feed.version)
            self._ready.set()
            self.tend()
            async for event in feed.events():
                if event.type == "gap":
                    return True
                await self.guard()
                self._take(event)
        finally:
            feed.close()
        return False

    def tend(self) -> None:
        """Have a run go on here that nobody leads: its server was killed, perhaps.

        Called now and then; whoever led it a moment ago is given the time between.
        """
        feed, known = self._feed, self._tended
        self._tended = self.version
        if feed is None or not feed.unfinished or known not in (-1, self.version):
            return
        if self._sessions.live(self.where.stream) is None and self._tending is None:
            self._tending = asyncio.create_task(self._lead())

    async def _lead(self) -> None:
        try:
            await self._sessions.lead_if_free(self.where)
        except HoldfastError:
            pass  # it cannot be led: readers have what is in the log
        finally:
            self._tending = None

    async def _behind(self) -> int:
        """The version to follow the session from: near its end, or where this stands."""
        if self.place > START:
            return self.place[0] - 1
        row = await self.where.backend.store.stream_row(self.where.stream)
        after = max(0, row.version - AT_START) if row is not None else 0
        self.place = self.floor = (after, ALL)
        return after

    def _take(self, event: StreamEvent) -> None:
        if not event.live:
            version, seen = self._counted
            self._counted = (event.version, seen + 1 if event.version == version else 1)
            if self._counted <= self.place:
                return
            self.place = self._counted
        if event.type == "session_wiped":
            self._forget()
        self._relay.publish(event)
        self.version = max(self.version, event.version)
        self._said = None
        self._keep(frame_of(event, self.place))
        self._tell()

    def _tell(self) -> None:
        """Wake readers at once, but for what follows within a moment, which goes together."""
        if self._later is None:
            wait_s = self._told_s + self._pause_s - self._loop.time()
            if wait_s > 0:
                self._later = self._loop.call_later(wait_s, self._tell_all)
            else:
                self._tell_all()

    def _tell_all(self) -> None:
        self._later, self._told_s = None, self._loop.time()
        self.wake()
        self._loop.call_soon(self._turned)

    def _turned(self) -> None:
        """The readers have had their turn: the longer that took, the more goes together."""
        took_s = self._loop.time() - self._told_s
        self._pause_s = min(max(2 * took_s, TOGETHER_S), TOGETHER_S_MAX)

    def _forget(self) -> None:
        """After the wipe: nothing of before."""
        self.wiped = True
        self._first += len(self._frames)
        self._frames, self._bytes, self._batch = [], 0, None
        self._relay = Hub()

    def _keep(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._bytes += len(frame.text)
        while len(self._frames) > 1 and (len(self._frames) > FRAMES_MAX or self._bytes > BYTES_MAX):
            old = self._frames.pop(0)
            self._first += 1
            self._bytes -= len(old.text)
            self.floor = old.place

    async def guard(self) -> None:
        """Before readers are given something: look whether a token died, in any process."""
        if self._guard is not None:
            await self._guard()

    # --- being read --------------------------------------------------------------------

    def wake(self) -> None:
        """Have every reader look again."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def beat(self) -> None:
        """Have every reader that waits say that the stream is alive."""
        self.beats += 1
        self.wake()

    def news(self) -> asyncio.Future[None]:
        """What is done once there may be something new."""
        if len(self._waiting) > WAITING_MIN + 2 * self.readers:  # of many that left since
            self._waiting = [one for one in self._waiting if not one.done()]
        found = self._loop.create_future()
        self._waiting.append(found)
        return found

    @property
    def first(self) -> int:
        """Number of the first kept frame."""
        return self._first

    @property
    def end(self) -> int:
        """Number of the next frame."""
        return self._first + len(self._frames)

    def behind(self, place: Place) -> tuple[list[Frame], int]:
        """What a reader that stands at a place gets first, and the number that is next."""
        kept = [one for one in self._frames if not one.event.live and one.place > place]
        if self._said is None:
            asked = self._relay.subscribe()
            self._said = [frame_of(one, self.place) for one in asked.drain()]
            self._relay.unsubscribe(asked)
        return kept + self._said, self.end

    def batch(self, number: int, bytes_max: int) -> Batch:
        """The kept frames from a number on, joined once for all who stand there.

        Args:
            number: of a frame that is kept.
            bytes_max: how long it may be; its first frame may be longer.
        """
        found = self._batch
        if found is None or found.first != number or (found.whole and found.end != self.end):
            start = number - self._first
            frames = self.since(number, bytes_max)
            found = self._batch = Batch(
                first=number,
                end=number + len(frames),
                before=self._frames[start - 1].place if start else self.floor,
                place=frames[-1].place,
                text=b"".join([one.text for one in frames]),
                last=frames[-1].event.type,
                whole=number + len(frames) == self.end,
            )
        return found

    def since(self, number: int, bytes_max: int) -> list[Frame]:
        """The kept frames from a number on: at least one if there is one."""
        start, size = number - self._first, 0
        for end in range(start, len(self._frames)):
            size += len(self._frames[end].text)
            if size > bytes_max:
                return self._frames[start : max(end, start + 1)]
        return self._frames[start:]
