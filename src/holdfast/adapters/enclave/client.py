"""The client's end: verified channels, one pool for each session, and a model over them.

- A channel belongs to the session it was made for; it is used by one call at a time,
  and given back when that call has ended in order.
- A call that is cancelled, or fails below the model, takes its channel with it.
- Nothing is sent before the evidence was verified, and nothing goes anywhere else.
- Of a key that the enclave keeps sealed this side knows where it stands (the anchor).
  An enclave that shows an older one, another one or none is refused, for each channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from holdfast.adapters.enclave.handshake import OFFER_BYTES_MAX, ClientHandshake
from holdfast.adapters.enclave.lines import SecureLine, read_message, write_message
from holdfast.adapters.enclave.wire import (
    EnclaveFacts,
    Handed,
    Kind,
    read_event,
    read_facts,
    read_failure,
    read_kept,
    write_handed,
    write_request,
)
from holdfast.core.errors import (
    AttestationFailed,
    ChannelBroken,
    HoldfastError,
    InvalidInput,
    ProviderFailed,
    TeeUnavailable,
)
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.ports.attestation import AttestationPolicy, AttestationVerifier, Attested
from holdfast.ports.clock import Clock
from holdfast.ports.counting import Count, MonotonicCounter
from holdfast.ports.model import ModelClient, ModelEvent, ModelReply, ModelRequest

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Stream]]

HANDSHAKE_S = 10.0
SILENCE_S = 600.0
"""How long a call may be without any event, in seconds."""
IDLE_LINES_MAX = 32
SELF_TEST = "holdfast-self-test"
HANDING = "holdfast-key"
ANCHOR = "enclave"
"""The name that an anchor counts the enclave's key under."""
SIMULATED = "simulated enclave"


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel that stands, what its enclave has shown, and what is inside."""

    line: SecureLine
    attested: Attested
    facts: EnclaveFacts


class EnclaveClient:
    """Implements `ports.enclave.Enclave` over streams that `connect` opens.

    Args:
        connect: opens a stream to the enclave.
        verifiers: who may look at evidence.
        policy: what evidence has to show; without `hardware`, a simulated enclave will do.
        clock: the time that evidence is verified at, and randomness.
        anchor: where the key stands that was handed over; None if none was.
    """

    def __init__(
        self,
        connect: Connect,
        verifiers: Iterable[AttestationVerifier],
        policy: AttestationPolicy,
        clock: Clock,
        *,
        anchor: MonotonicCounter | None = None,
    ) -> None:
        self._anchor = anchor
        self._connect = connect
        self._verifiers = tuple(verifiers)
        self._policy = policy
        self._clock = clock
        self._idle: dict[str, list[SecureLine]] = {}
        self._used: set[SecureLine] = set()
        self._facts: EnclaveFacts | None = None
        self._attested: Attested | None = None

    @property
    def simulated(self) -> bool:
        """No hardware vouches for it; so it is until `start` has shown otherwise."""
        return self._attested is None or not self._attested.hardware

    @property
    def facts(self) -> EnclaveFacts:
        """What is inside, after `start`.

        Raises:
            TeeUnavailable: it was not started.
        """
        if self._facts is None:
            raise TeeUnavailable("the enclave was not started")
        return self._facts

    async def start(self) -> Attested:
        """Connect, verify, and make one round trip; see the port."""
        opened = await self.open(SELF_TEST)
        try:
            sent = self._clock.random_bytes(64)
            async with asyncio.timeout(HANDSHAKE_S):
                await opened.line.send(Kind.PING, sent)
                kind, back = await opened.line.receive()
            if kind is not Kind.PONG or back != sent:
                raise TeeUnavailable("the enclave does not give back what it was sent")
        except (ChannelBroken, TimeoutError) as error:
            raise TeeUnavailable(f"the enclave does not answer: {type(error).__name__}") from None
        finally:
            await opened.line.close()
        self._facts, self._attested = opened.facts, opened.attested
        return opened.attested

    async def open(self, session_id: str) -> Opened:
        """Make a channel for a session.

        Raises:
            TeeUnavailable: nothing answers, or not as an enclave does.
            AttestationFailed: what it shows is not accepted.
            SealRefused: the anchor cannot be believed.
        """
        opened = await self._open(session_id)
        try:
            check_kept(self._anchor, opened.facts.kept)
        except BaseException:
            opened.line.cut()
            raise
        opened.line.kept = opened.facts.kept
        return opened

    async def hand_over(self, key: str) -> Count:
        """Hand the enclave a key to keep sealed; what it kept before is replaced.

        The anchor is set to it. If that fails, or this ends before, the key is handed
        over once more: until then nothing is sent to the enclave.

        Returns: where the key stands.

        Raises:
            InvalidInput: there is no anchor, or the enclave keeps no key.
            TeeUnavailable, AttestationFailed, SealRefused: as for `open`.
            ProviderFailed: the enclave did not keep it.
        """
        if self._anchor is None:
            raise InvalidInput("a key is handed over where an anchor remembers it")
        above = self._anchor.read(ANCHOR).version
        opened = await self._open(HANDING)
        try:
            if opened.facts.kept is None:
                raise InvalidInput("the enclave keeps no key")
            await opened.line.send(Kind.HANDED, write_handed(Handed(key=key, above=above)))
            async with asyncio.timeout(HANDSHAKE_S):
                kind, data = await opened.line.receive()
            if kind is Kind.FAILED:
                raise read_failure(data)
            if kind is not Kind.KEPT:
                raise ChannelBroken("that is no answer to a key", problem="message")
            count = read_kept(data)
        except (ChannelBroken, TimeoutError) as error:
            raise TeeUnavailable(f"the enclave does not answer: {type(error).__name__}") from None
        finally:
            await opened.line.close()
        self._anchor.advance(ANCHOR, count)
        return count

    async def _open(self, session_id: str) -> Opened:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                reader, writer = await self._connect()
                try:
                    return await self._greet(session_id, reader, writer)
                except BaseException:
                    writer.close()
                    raise
        except (ChannelBroken, TimeoutError, OSError) as error:
            raise TeeUnavailable(f"the enclave does not answer: {type(error).__name__}") from None

    async def _greet(
        self, session_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Opened:
        handshake = ClientHandshake(
            session_id.encode(), self._verifiers, self._policy, self._clock.random_bytes
        )
        await write_message(writer, handshake.hello())
        offer = await read_message(reader, OFFER_BYTES_MAX)
        wrapped, secured = handshake.finish(offer, now_ms=self._clock.now_ms())
        line = SecureLine(secured.channel, reader, writer)
        try:
            await write_message(writer, wrapped)
            kind, data = await line.receive()
            if kind is not Kind.FACTS:
                raise ChannelBroken("the enclave does not say what it is", problem="message")
            facts = read_facts(data)
            if secured.attested.hardware and facts.simulated:
                raise AttestationFailed("the enclave calls itself simulated", code="status")
        except BaseException:
            line.cut()
            raise
        return Opened(line, secured.attested, facts)

    # --- channels of sessions ------------------------------------------------------

    async def take(self, session_id: str) -> SecureLine:
        """A channel of a session for one call: an idle one, or a new one.

        An idle one from before another key was handed over is not used any more.

        Raises:
            TeeUnavailable, AttestationFailed, SealRefused: as for `open`.
        """
        kept = None if self._anchor is None else self._anchor.read(ANCHOR)
        idle = self._idle.get(session_id, [])
        while idle:
            line = idle.pop()
            if line.usable and line.kept == kept:
                self._used.add(line)
                return line
            line.cut()
        self._check_open()
        line = (await self.open(session_id)).line
        try:
            self._check_open()  # it may have been closed in the meantime
        except TeeUnavailable:
            line.cut()
            raise
        self._used.add(line)
        return line

    def _check_open(self) -> None:
        if self._attested is None:
            raise TeeUnavailable("the enclave is closed")

    def give_back(self, session_id: str, line: SecureLine) -> None:
        """Keep a channel for the session's next call; the oldest idle ones go."""
        self._used.discard(line)
        if self._attested is None or not line.usable:
            line.cut()
            return
        kept = self._idle.pop(session_id, [])
        self._idle[session_id] = [*kept, line]
        while sum(map(len, self._idle.values())) > IDLE_LINES_MAX:
            oldest = next(iter(self._idle))
            self._idle[oldest].pop(0).cut()
            if not self._idle[oldest]:
                del self._idle[oldest]

    def drop(self, line: SecureLine) -> None:
        """End a channel whose call did not end in order."""
        self._used.discard(line)
        line.cut()

    def model(self, session_id: str) -> ModelClient:
        """The client of the model inside, for one session.

        Raises:
            TeeUnavailable: the enclave was not started, or is closed.
        """
        return EnclaveModel(self, session_id)

    async def close(self) -> None:
        """End all channels; their keys are overwritten. Calls that run fail."""
        self._attested = self._facts = None
        for line in self._used:
            line.cut()
        self._used.clear()
        lines = [line for kept in self._idle.values() for line in kept]
        self._idle.clear()
        for line in lines:
            await line.close()


class EnclaveModel:
    """Implements `ports.model.ModelClient` for one session over its channels."""

    zone = Zone.TEE
    sees: Sensitivity | None = None

    def __init__(self, enclave: EnclaveClient, session_id: str) -> None:
        self._enclave = enclave
        self._session_id = session_id
        self._facts = enclave.facts  # kept: it is named after the enclave has gone, too
        self._simulated = enclave.simulated

    @property
    def model(self) -> str:
        """The model's name, as the enclave says."""
        return self._facts.model

    @property
    def provider(self) -> str:
        """The provider's name; of a simulated enclave it says so."""
        return self._named(self._facts.provider)

    @property
    def context_tokens(self) -> int:
        """Size of the model's context window in tokens."""
        return self._facts.context_tokens

    def _named(self, provider: str) -> str:
        return f"{SIMULATED}: {provider}" if self._simulated else provider

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call in the enclave; see the port."""
        data = write_request(request)
        try:
            line = await self._enclave.take(self._session_id)
        except HoldfastError as error:
            raise ProviderFailed(f"no channel to the enclave: {error.reason}") from None
        ended = False
        try:
            await line.send(Kind.REQUEST, data)
            while not ended:
                event = await _next(line)
                if isinstance(event, ProviderFailed):
                    ended = True
                    raise event
                ended = isinstance(event, ModelReply)
                yield self._told(event)
        except ChannelBroken as error:
            text = f"the enclave's channel broke: {error.problem}"
            raise ProviderFailed(text, retryable=True, billable=True) from None
        except TimeoutError:
            raise ProviderFailed("the enclave has gone silent", billable=True) from None
        finally:
            if ended:
                self._enclave.give_back(self._session_id, line)
            else:
                self._enclave.drop(line)

    def _told(self, event: ModelEvent) -> ModelEvent:
        if not isinstance(event, ModelReply):
            return event
        return replace(event, provider=self._named(event.provider))

    async def aclose(self) -> None:
        """Nothing of it is open between calls; `Enclave.close` ends the channels."""


def check_kept(anchor: MonotonicCounter | None, kept: Count | None) -> None:
    """Refuse an enclave whose kept key is not the one that was handed over last.

    Args:
        anchor: where that stands; None if none was ever handed over from here.
        kept: what the enclave shows; None if it keeps none.

    Raises:
        AttestationFailed: anchor, rollback or replaced.
        SealRefused: the anchor cannot be believed.
    """
    if anchor is None and kept is None:
        return
    if anchor is None:
        text = "the enclave keeps a key, and there is no anchor that says which"
        raise AttestationFailed(text, code="anchor")
    known = anchor.read(ANCHOR)
    if kept is None or not known.version:
        text = "the enclave has to be handed its key: `holdfast enclave provision`"
        raise AttestationFailed(text, code="anchor")
    if kept.version < known.version:
        shown = f"version {kept.version} of its key" if kept.version else "no key"
        text = f"the enclave shows {shown}, and was handed version {known.version}"
        raise AttestationFailed(text, code="rollback")
    if kept != known:
        text = "the enclave keeps another key than the one it was handed from here"
        raise AttestationFailed(text, code="replaced")


async def _next(line: SecureLine) -> ModelEvent | ProviderFailed:
    async with asyncio.timeout(SILENCE_S):
        kind, data = await line.receive()
    if kind is Kind.EVENT:
        return read_event(data)
    if kind is Kind.FAILED:
        return read_failure(data)
    raise ChannelBroken("that is no answer to a call", problem="message")
