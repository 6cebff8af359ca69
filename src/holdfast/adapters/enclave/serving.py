"""The enclave's end: answers handshakes, and carries out calls of what is inside.

Limits
- So many connections and calls at once; what is more is refused and may be retried.
- A handshake has to be done within its time, and a call within its time.
- A key that is handed over is kept by the enclave, where it keeps one; that is the
  last that a connection is for, and calls of channels from before it are refused.
- One call at a time on a connection. Whatever comes while it runs ends it: an orderly
  end and a cut alike cancel the model's call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from holdfast.adapters.enclave.handshake import OFFER_BYTES_MAX, EnclaveHandshake, Keys
from holdfast.adapters.enclave.kept import KeptModel
from holdfast.adapters.enclave.lines import SecureLine, read_message, write_message
from holdfast.adapters.enclave.secretpage import secret_buffer
from holdfast.adapters.enclave.wire import (
    EnclaveFacts,
    Kind,
    read_handed,
    read_request,
    write_event,
    write_facts,
    write_failure,
    write_kept,
)
from holdfast.core.errors import (
    ChannelBroken,
    HoldfastError,
    InvalidInput,
    ProviderFailed,
    ProviderTimeout,
)
from holdfast.ports.attestation import Evidence
from holdfast.ports.model import ModelClient, ModelEvent, ModelReply, ModelRequest

Attest = Callable[[bytes], Awaitable[Evidence]]
"""Makes evidence that holds a binding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingLimits:
    """What an enclave takes on.

    Args:
        connections: open at once.
        calls: of the model, at once.
        handshake_s: for a handshake, in seconds.
        call_s: for one call, in seconds.
        idle_s: until a connection without calls is ended, in seconds.
    """

    connections: int = 64
    calls: int = 16
    handshake_s: float = 10.0
    call_s: float = 600.0
    idle_s: float = 3600.0


DEFAULT_LIMITS = ServingLimits()
SETTLE_S = 1.0


class EnclaveServer:
    """Serves connections with one model client.

    Args:
        client: what is inside.
        attest: makes the evidence for a binding.
        facts: what is said to be inside.
        keys: makes buffers for the keys of channels.
        kept: the client, where its key is handed over and kept.
    """

    def __init__(
        self,
        client: ModelClient,
        attest: Attest,
        facts: EnclaveFacts,
        *,
        limits: ServingLimits = DEFAULT_LIMITS,
        keys: Keys = secret_buffer,
        kept: KeptModel | None = None,
    ) -> None:
        self._client = client
        self._attest = attest
        self._facts = facts
        self._limits = limits
        self._keys = keys
        self._kept = kept
        self._connections = 0
        self._calls = 0

    async def aclose(self) -> None:
        """Close what is inside."""
        await self._client.aclose()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends; nothing it does raises here."""
        if self._connections >= self._limits.connections:
            writer.close()
            return
        self._connections += 1
        try:
            async with asyncio.timeout(self._limits.handshake_s):
                line, facts = await self._greet(reader, writer)
            try:
                await self._answer(line, facts)
            finally:
                await line.close()
        except (HoldfastError, TimeoutError, OSError):
            pass  # the other end sees that it ended
        finally:
            self._connections -= 1
            writer.close()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[SecureLine, EnclaveFacts]:
        handshake = EnclaveHandshake(self._keys)
        binding = handshake.hear(await read_message(reader, OFFER_BYTES_MAX))
        await write_message(writer, handshake.offer(await self._attest(binding)))
        channel = handshake.finish(await read_message(reader, OFFER_BYTES_MAX))
        line = SecureLine(channel, reader, writer)
        try:
            facts = self._facts
            if self._kept is not None:
                facts = replace(facts, kept=await self._kept.refresh())
            await line.send(Kind.FACTS, write_facts(facts))
        except BaseException:
            line.cut()
            raise
        return line, facts

    async def _answer(self, line: SecureLine, facts: EnclaveFacts) -> None:
        hears = asyncio.ensure_future(line.receive())
        try:
            while True:
                async with asyncio.timeout(self._limits.idle_s):
                    kind, data = await asyncio.shield(hears)
                hears = asyncio.ensure_future(line.receive())
                if kind is Kind.PING:
                    await line.send(Kind.PONG, data)
                elif kind is Kind.HANDED:
                    return await self._keep(line, data)
                elif kind is not Kind.REQUEST or not await self._ask(line, data, facts, hears):
                    return None
        finally:
            hears.cancel()
            await asyncio.gather(hears, return_exceptions=True)

    async def _ask(
        self,
        line: SecureLine,
        data: bytes,
        facts: EnclaveFacts,
        hears: asyncio.Future[tuple[Kind, bytes]],
    ) -> bool:
        """Carry out a call if the key is the one that was told of as the channel was made."""
        if self._kept is not None and self._kept.count != facts.kept:
            other = ProviderFailed("the enclave has been handed another key", retryable=True)
            await line.send(Kind.FAILED, write_failure(other))
            return True
        return await self._call(line, data, hears)

    async def _keep(self, line: SecureLine, data: bytes) -> None:
        """Keep a key that is handed over, and tell where it stands."""
        handed = read_handed(data)
        try:
            if self._kept is None:
                raise InvalidInput("the enclave keeps no key")
            count = await self._kept.keep(handed.key, above=handed.above)
        except HoldfastError as error:
            failed = ProviderFailed(f"the enclave did not keep the key: {error.message}")
            await line.send(Kind.FAILED, write_failure(failed))
        else:
            await line.send(Kind.KEPT, write_kept(count))

    async def _call(
        self, line: SecureLine, data: bytes, hears: asyncio.Future[tuple[Kind, bytes]]
    ) -> bool:
        """Carry out one call; tells whether the connection goes on."""
        request = read_request(data)
        if self._calls >= self._limits.calls:
            busy = ProviderFailed("the enclave has as many calls as it takes", retryable=True)
            await line.send(Kind.FAILED, write_failure(busy))
            return True
        self._calls += 1
        call = asyncio.ensure_future(self._stream(line, request))
        try:
            await asyncio.wait((call, hears), return_when=asyncio.FIRST_COMPLETED)
            if not call.done() and hears.exception() is None:
                # Its answer may be on its way still; whoever has not had it may not ask again.
                await asyncio.wait((call,), timeout=SETTLE_S)
            if call.done():
                await call
            return call.done()
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            self._calls -= 1

    async def _stream(self, line: SecureLine, request: ModelRequest) -> None:
        try:
            async with asyncio.timeout(self._limits.call_s):
                reply = await self._pass_on(line, request)
            await line.send(Kind.EVENT, write_event(reply))
        except ChannelBroken:
            raise
        except TimeoutError:
            late = ProviderTimeout("the enclave's model took too long", billable=True)
            await line.send(Kind.FAILED, write_failure(late))
        except Exception as error:  # the other end is told its kind, and goes on
            await line.send(Kind.FAILED, write_failure(error))

    async def _pass_on(self, line: SecureLine, request: ModelRequest) -> ModelReply:
        async with aclosing(_generator(self._client.stream(request))) as events:
            async for event in events:
                if isinstance(event, ModelReply):
                    return event
                await line.send(Kind.EVENT, write_event(event))
        raise ProviderFailed("the enclave's model gave no answer", billable=True)


async def _generator(events: AsyncIterator[ModelEvent]) -> AsyncGenerator[ModelEvent, None]:
    """The events; closing it closes them, whatever kind of iterator they are."""
    try:
        async for event in events:
            yield event
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
