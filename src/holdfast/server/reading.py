"""One reader of a session's events: from its place in the log to what happens now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence

from holdfast.core.errors import ChainBroken, HoldfastError
from holdfast.runtime.reel import Reel
from holdfast.runtime.stream import StreamEvent
from holdfast.server.channels import Batch, Channel
from holdfast.server.passes import Pass
from holdfast.server.sse import ALL, END, HEARTBEAT, Frame, Place, ending, frame_of, opening

CHUNK_BYTES = 64 * 1024
CATCH_UP_EVENTS = 64
Wanted = Callable[[StreamEvent], bool]


class Reader:
    """Reads a channel from a place on; use `chunks` once.

    Args:
        place: where it stands.
        allowed: by whose token it reads; once that is not valid, nothing more is read.
        stopped: whether the server is about to stop.
    """

    def __init__(
        self, channel: Channel, place: Place, allowed: Pass, stopped: Callable[[], bool]
    ) -> None:
        self._channel = channel
        self._place = place
        self._allowed = allowed
        self._stopped = stopped
        self._next: int | None = None
        self._reel: Reel | None = None
        self._beats = channel.beats

    def join(self) -> None:
        """Stand at what happens next, whatever the log has."""
        self._place, self._next = self._channel.place, self._channel.end

    async def chunks(
        self, wanted: Wanted | None = None, last: str = "session_ended"
    ) -> AsyncGenerator[bytes]:
        """Yield the bytes of the stream, at most 64 KiB at a time, to its end.

        Args:
            wanted: which events; default: all.
            last: the type of the event after which it is over.
        """
        yield opening(self._place)
        while not self._stopped():
            if (refusal := self._allowed.refusal()) is not None:
                yield ending(refusal)
                return
            if wanted is None and (batch := self._shared()) is not None:
                yield batch.text
                if batch.last == last:
                    return
            elif self._waits():
                await self._channel.news()
            else:
                pieces, over = await self._round(wanted, last)
                if self._allowed.refusal() is not None:
                    continue  # it died meanwhile: of this nothing is given
                wiped, whole = self._channel.wiped, True
                for piece in pieces:
                    stale = self._channel.wiped and not wiped
                    if self._allowed.refusal() is not None or (stale and not whole):
                        return  # in the middle of an event, which is void without its end
                    if stale:
                        over = False
                        break  # nothing of before
                    yield piece
                    whole = piece.endswith(END)
                if over:
                    return

    def _waits(self) -> bool:
        """Whether it has all there is, and there is nothing to be said about that."""
        channel = self._channel
        said = channel.beats == self._beats and not channel.ended
        return said and self._next == channel.end and self._next >= channel.first

    def _shared(self) -> Batch | None:
        """What comes next as it is for all who stand there; None if it is not that simple."""
        channel, number = self._channel, self._next
        if number is None or not channel.first <= number < channel.end:
            return None
        batch = channel.batch(number, CHUNK_BYTES)
        # Who saw more elsewhere has some of it already; what is large is cut.
        if self._place > batch.before or len(batch.text) > CHUNK_BYTES:
            return None
        self._next, self._place = batch.end, batch.place
        return batch

    async def _round(self, wanted: Wanted | None, last: str) -> tuple[Iterable[bytes], bool]:
        """What comes next, and whether nothing follows it."""
        channel = self._channel
        try:
            due = self._due()
            frames = await self._missed() if due is None else due
        except HoldfastError as error:
            return (ending(error),), True
        chosen = [one for one in frames if wanted is None or wanted(one.event)]
        if frames or due is None:
            return _pieces(chosen), bool(chosen) and chosen[-1].event.type == last
        if channel.ended:
            return (() if channel.error is None else (ending(channel.error),)), True
        if channel.beats != self._beats:
            self._beats = channel.beats
            return (HEARTBEAT,), False
        await channel.news()
        return (), False

    def _due(self) -> list[Frame] | None:
        """What the channel has for this reader; None if it has to read the log first."""
        channel = self._channel
        if self._next is not None and self._next >= channel.first:
            found = channel.since(self._next, CHUNK_BYTES)
            self._next += len(found)
        elif channel.wiped:
            self._reel, self._next = None, channel.first
            return self._due()
        elif self._place < channel.floor:
            self._next = None
            return None
        elif channel.version < self._place[0]:  # it saw more elsewhere than is here yet
            return []
        else:
            self._reel = None
            found, self._next = channel.behind(self._place)
        return self._passed(found)

    def _passed(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames that are not behind the reader's place, where it stands then."""
        for one in reversed(frames):
            if not one.event.live:
                start = self._place
                self._place = max(start, one.place)
                return [each for each in frames if each.event.live or each.place > start]
        return list(frames)

    async def _missed(self) -> list[Frame]:
        """The next of what is not with the channel any more, from the log.

        Raises:
            KeyDestroyed: the session was wiped.
            HoldfastError: the log cannot be read.
        """
        channel, where = self._channel, self._channel.where
        where.backend.keys.session_key(where.stream)  # an open journal does not ask again
        if self._reel is None:
            version, seen = self._place
            self._reel = await Reel.open(where, version if seen == ALL else version - 1)
        before = self._reel.version
        events = await self._reel.read(channel.floor[0], events_max=CATCH_UP_EVENTS)
        events = await channel.reading.events(self._reel.view, events)
        await channel.guard()
        if channel.wiped:
            return []
        if self._reel.version == before:
            raise ChainBroken(f"the log ends at {before}, not at {channel.floor[0]}")
        start, self._place = self._place, max(self._place, (self._reel.version, ALL))
        return [frame_of(event, at) for at, event in _placed(events) if at > start]


def _placed(events: Sequence[StreamEvent]) -> Iterator[tuple[Place, StreamEvent]]:
    """Events of whole versions with their places."""
    version, seen = 0, 0
    for event in events:
        version, seen = event.version, seen + 1 if event.version == version else 1
        yield (version, seen), event


def _pieces(frames: Sequence[Frame]) -> Iterator[bytes]:
    """The bytes of frames, joined where they are small and cut where they are large."""
    held: list[bytes] = []
    size = 0
    for frame in frames:
        if held and size + len(frame.text) > CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
        if len(frame.text) > CHUNK_BYTES:
            for start in range(0, len(frame.text), CHUNK_BYTES):
                yield frame.text[start : start + CHUNK_BYTES]
        else:
            held.append(frame.text)
            size += len(frame.text)
    if held:
        yield b"".join(held)
