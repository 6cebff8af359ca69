"""All streams that are open at a server: their channels, their tokens, their heartbeats.

- Many streams of one session share a channel; it is there while one of them is.
- A stream ends when its token is not valid any more, when its session has ended, and
  when the server is about to stop; its reader comes again with the last id it had.
- Before an event is given to anybody, the store is asked whether a token died since.
- Leaving detaches: nothing that runs is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from hashlib import blake2b
from secrets import token_bytes

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import InvalidInput, KeyDestroyed, Unavailable
from holdfast.core.principals import Principal
from holdfast.runtime.handle import RunFilter, Session
from holdfast.runtime.host import Handled
from holdfast.runtime.located import Located
from holdfast.runtime.readers import Reading
from holdfast.server.auth import Validate
from holdfast.server.channels import Channel
from holdfast.server.passes import CHECK_S, Pass, Passes
from holdfast.server.reading import Reader
from holdfast.server.sse import ALL, HEARTBEAT, Place, ending

STREAMS_MAX = 10_000
STREAMS_OF_ONE_MAX = 2_000
WIPED_MAX = 10_000
TEND_S = 1.0
ANSWERS = "approvals:answer"
OTHERS = "\0others"
"""By whom a channel is read that is not the author's; no principal is called so."""


class Streams:
    """See the module.

    Args:
        sessions: the manager itself.
        validate: who a token is of; raises TokenInvalid.
        heartbeat_s: how often a silent stream says that it is alive, in seconds.
    """

    def __init__(self, sessions: SessionManager, validate: Validate, heartbeat_s: float) -> None:
        self._sessions = sessions
        self._heartbeat_s = heartbeat_s
        self._channels: dict[tuple[int, bool], Channel] = {}
        self._passes = Passes(validate, self._wake)
        self._epoch = -1
        self._asking: asyncio.Task[None] | None = None
        self._count = 0
        self._counts: dict[str, int] = {}
        self._wiped: OrderedDict[bytes, None] = OrderedDict()
        self._salt = token_bytes(32)
        self._ticking: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self.stopped = False

    def __len__(self) -> int:
        return self._count

    def stop(self) -> None:
        """End all streams: the server is about to stop."""
        self.stopped = True
        self._wake()

    def _wake(self) -> None:
        for channel in self._channels.values():
            channel.wake()

    # --- wiped sessions ------------------------------------------------------------------

    def check_not_wiped(self, tenant: str, session_id: str) -> None:
        """Tell that a session was wiped while it was streamed here; its name is not kept.

        Raises:
            KeyDestroyed: it was.
        """
        if self._digest(tenant, session_id) in self._wiped:
            raise KeyDestroyed("the session was wiped")

    def _note_wiped(self, where: Located) -> None:
        self._wiped[self._digest(where.row.tenant, where.row.name or "")] = None
        if len(self._wiped) > WIPED_MAX:
            self._wiped.popitem(last=False)

    def _digest(self, tenant: str, session_id: str) -> bytes:
        text = f"{tenant}\0{session_id.casefold()}".encode("utf-8", "replace")
        return blake2b(text, key=self._salt, digest_size=16).digest()

    # --- opening -------------------------------------------------------------------------

    async def events(
        self, session: Session, place: Place | None, token: str, who: Principal, scope: str
    ) -> OpenStream:
        """Open a stream of all that happens in a session.

        Args:
            place: where the reader stands; None is the session's present end.
            token: whose holder, `who`, has the `scope` that reading needs.

        Raises:
            InvalidInput: the reader stands beyond the session's end.
            KeyDestroyed: the session was wiped.
            Unavailable: too many streams are open, or the server is about to stop.
        """
        row = await session.where.backend.store.stream_row(session.where.stream)
        head = row.version if row is not None else 0
        if place is not None and place[0] > head:
            raise InvalidInput(f"the session has not come to version {place[0]}")
        held = OpenStream(self, session.where, token, who, scope)
        try:
            await held.ready()
        except BaseException:
            held.close()
            raise
        chosen = (head, ALL) if place is None else place
        held.pieces = held.reader(chosen).chunks()
        return held

    async def run(
        self,
        session: Session,
        content: str,
        *,
        id: bytes,
        policy: str | None,
        token: str,
        who: Principal,
        scope: str,
    ) -> OpenStream:
        """Send a message and open a stream of the run that it starts or joins.

        The message is sent whoever waits. It is refused here if that is known within a
        heartbeat; later, the stream ends with the problem.

        Raises:
            HoldfastError: the message was refused; see also `events`.
        """
        held = OpenStream(self, session.where, token, who, scope)
        try:
            await held.ready()
            reader = held.reader(held.channel.place)
            reader.join()  # before it is sent, so that nothing of the run goes by
            sending = asyncio.ensure_future(session.send(content, id, policy))
            sending.add_done_callback(_looked_at)
            sending.add_done_callback(lambda _: held.channel.wake())
            await asyncio.wait({sending}, timeout=self._heartbeat_s)
            if sending.done():
                sending.result()
        except BaseException:
            held.close()
            raise
        held.pieces = self._run(held, reader, sending, RunFilter(id.hex()))
        return held

    async def _run(
        self,
        held: OpenStream,
        reader: Reader,
        sending: asyncio.Future[Handled],
        chosen: RunFilter,
    ) -> AsyncGenerator[bytes]:
        while not sending.done():
            yield HEARTBEAT
            if self.stopped or held.allowed.refusal() is not None:
                return
            await held.channel.news()
        error = sending.exception()
        if isinstance(error, Exception):
            yield ending(error)
            return
        handled = sending.result()
        if handled.duplicate:  # it was carried out before: its run is in the log
            reader = held.reader((max(0, handled.first - 1), ALL))
        async for piece in reader.chunks(chosen.takes, "agent_end"):
            yield piece

    # --- keeping -------------------------------------------------------------------------

    def enter(self, who: Principal) -> None:
        """Count a stream.

        Raises:
            Unavailable: there are too many, or the server is about to stop.
        """
        name = who.counted
        if self.stopped:
            raise Unavailable("the server is about to stop")
        if self._count >= STREAMS_MAX or self._counts.get(name, 0) >= STREAMS_OF_ONE_MAX:
            raise Unavailable("too many streams are open")
        self._count += 1
        self._counts[name] = self._counts.get(name, 0) + 1
        if self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())

    def leave(self, who: Principal) -> None:
        """Count a stream that is over."""
        name = who.counted
        self._count -= 1
        self._counts[name] -= 1
        if not self._counts[name]:
            del self._counts[name]
        if not self._count and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def join(self, where: Located, who: Principal) -> Channel:
        """The channel of a session, for one more reader: its author's, or all others'.

        Where it cannot be told who the author is, the reader is one of the others.
        """
        own = Reading(self._sessions, where, who.id).authored()
        channel = self._channels.get((where.stream, own))
        if channel is None or channel.ended:
            by = who.id if own else OTHERS
            channel = Channel(self._sessions, where, by, own=own, guard=self._guard)
            self._channels[where.stream, own] = channel
        channel.readers += 1
        return channel

    def part(self, channel: Channel) -> None:
        """Have one reader less; a channel without any is closed."""
        channel.readers -= 1
        if channel.wiped:
            self._note_wiped(channel.where)
        if channel.readers:
            return
        key = (channel.where.stream, channel.own)
        if self._channels.get(key) is channel:
            del self._channels[key]
        task = channel.close()
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def pass_of(self, token: str, who: Principal, scope: str) -> Pass:
        """What a stream is read by."""
        return self._passes.take(token, who, scope)

    async def ask(self, held: Pass) -> None:
        """Ask about it now.

        Raises:
            HoldfastError: nothing more may be read by it.
        """
        await self._passes.ask(held)

    def give(self, held: Pass) -> None:
        """Give it back."""
        self._passes.give(held)

    async def _guard(self) -> None:
        """Ask about the tokens at once if one died, here or in another process."""
        epoch = await self._sessions.tokens.epoch()
        while epoch != self._epoch:  # once for all sessions, however many are streamed
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask_all(epoch))
            await asyncio.shield(self._asking)

    async def _ask_all(self, epoch: int) -> None:
        await self._passes.check()
        self._epoch = epoch

    async def _tick(self) -> None:
        """Ask about tokens, tend channels, have silent streams say that they are alive."""
        beaten = tended = time.monotonic()
        while True:
            await asyncio.sleep(min(CHECK_S, self._heartbeat_s))
            await self._passes.check()
            now = time.monotonic()
            if now - tended >= TEND_S:
                tended = now
                for channel in tuple(self._channels.values()):
                    channel.tend()
            if now - beaten >= self._heartbeat_s:
                beaten = now
                for channel in tuple(self._channels.values()):
                    channel.beat()


class Held:
    """What whatever streams holds: its place among the streams of its reader, and the token.

    Args:
        token: whose holder, `who`, has the `scope` that reading needs.

    Raises:
        Unavailable: too many streams are open, or the server is about to stop.
    """

    def __init__(self, streams: Streams, token: str, who: Principal, scope: str) -> None:
        streams.enter(who)
        self._streams = streams
        self._who = who
        self.allowed = streams.pass_of(token, who, scope)

    async def ask(self) -> None:
        """Ask about the token now.

        Raises:
            HoldfastError: nothing more may be read by it.
        """
        await self._streams.ask(self.allowed)

    def stopped(self) -> bool:
        """Whether the server is about to stop."""
        return self._streams.stopped

    def give(self) -> None:
        """Give everything back."""
        self._streams.give(self.allowed)
        self._streams.leave(self._who)


class OpenStream(Held):
    """One stream of events, which holds a place among the readers of a channel besides.

    Attributes:
        pieces: the bytes of the stream.
    """

    pieces: AsyncGenerator[bytes]

    def __init__(
        self, streams: Streams, where: Located, token: str, who: Principal, scope: str
    ) -> None:
        super().__init__(streams, token, who, scope)
        self._open = True
        self._answers = int(who.may(ANSWERS))
        self.channel = streams.join(where, who)
        self.channel.attend(self._answers)

    async def ready(self) -> None:
        """Wait until the session is followed, and ask once more about the token.

        It may have died since it let the request in, before this stream counted.

        Raises:
            TokenInvalid: it has.
            KeyDestroyed, HoldfastError: as of `Channel.ready`.
        """
        await self.channel.ready()
        await self.ask()

    def reader(self, place: Place) -> Reader:
        """A reader of the channel."""
        return Reader(self.channel, place, self.allowed, self.stopped)

    def close(self) -> None:
        """Give everything back; what runs goes on."""
        if self._open:
            self._open = False
            self.channel.attend(-self._answers)
            self._streams.part(self.channel)
            self.give()


def _looked_at(done: asyncio.Future[Handled]) -> None:
    """Look at an outcome nobody waits for any more, so that it is no warning."""
    if not done.cancelled():
        done.exception()
