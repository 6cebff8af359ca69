"""The egress proxy: the only way from a sandbox to the outside, under one policy.

Rules
- It serves CONNECT by name, and requests in absolute form for plain http; one request
  a connection. Everything else is refused.
- Each request is judged by the policy, then resolved once, checked and connected to
  just what was checked. What follows a redirect is another request.
- A tunnel that was allowed as https must begin with TLS for the host it was allowed
  for; it is not looked into further.
- Whatever fails, is malformed or takes too long is refused.
- Every decision is told to `log`, with host, port, verdict and bytes, never with a
  path, a query or a header.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from holdfast.adapters.network.dialer import Dialer, Streams, closed, finished
from holdfast.adapters.network.head import (
    CONNECT,
    BadRequest,
    Head,
    address_of,
    body_bytes,
    read_head,
    sent_on,
    tunnel_of,
)
from holdfast.adapters.network.hello import NotTls, read_hello, server_name
from holdfast.adapters.network.meter import Meter
from holdfast.core.errors import NetworkBlocked
from holdfast.core.network import (
    NetworkDecision,
    NetworkPolicy,
    NetworkVerdict,
    Scheme,
    canonical_host,
    judge_request,
    judge_tunnel,
)
from holdfast.ports.tool import ByteMeter

_CHUNK_BYTES = 65_536
_LINGER_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyLimits:
    """Limits of one proxy.

    Args:
        head_bytes: the longest head of a request.
        head_s: how long a head, or the beginning of TLS, may take, in seconds.
        idle_s: how long a connection may be silent, in seconds.
        connections: how many there may be at once.
    """

    head_bytes: int = 16_384
    head_s: float = 10.0
    idle_s: float = 120.0
    connections: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyEntry:
    """What became of one request.

    Args:
        sent, received: bytes to and from the host.
    """

    decision: NetworkDecision
    sent: int = 0
    received: int = 0


class _Refused(Exception):
    """The request is not served; `decision` says why."""

    def __init__(self, decision: NetworkDecision) -> None:
        super().__init__(decision.detail)
        self.decision = decision


class _Traffic:
    """The bytes of one request, on the session's meter before they are passed on."""

    def __init__(self, meter: ByteMeter, bytes_max: int | None) -> None:
        self._meter, self._bytes_max = meter, bytes_max
        self.sent = self.received = 0

    async def up(self, size: int) -> None:
        await self._take(size)
        self.sent += size

    async def down(self, size: int) -> None:
        await self._take(size)
        self.received += size

    async def _take(self, size: int) -> None:
        if not await self._meter.take(size, self._bytes_max):
            raise NetworkBlocked("the budget is spent", verdict=NetworkVerdict.BLOCK_BUDGET.value)


class EgressProxy:
    """Serves one listening socket.

    Args:
        policy: what may be reached.
        dialer: makes the connections.
        meter: the session's; None counts what goes through this proxy.
        log: told of each decision once its request is over.
    """

    def __init__(
        self,
        policy: NetworkPolicy,
        *,
        dialer: Dialer | None = None,
        meter: ByteMeter | None = None,
        log: Callable[[ProxyEntry], None] = lambda entry: None,
        limits: ProxyLimits | None = None,
    ) -> None:
        self._policy = policy
        self._dialer = dialer or Dialer()
        self._meter: ByteMeter = meter or Meter()
        self._log = log
        self._limits = limits or ProxyLimits()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Serve a listening socket, which is the proxy's from then on, whatever comes of it."""
        assert self._server is None, "a proxy serves one socket"
        listener.setblocking(False)
        # It is known before it serves: who is cancelled meanwhile closes it all the same.
        self._server = await asyncio.start_server(
            self._accepted, sock=listener, limit=self._limits.head_bytes, start_serving=False
        )
        await self._server.start_serving()

    async def aclose(self) -> None:
        """Stop listening and cut all connections; their requests are logged."""
        if self._server is not None:
            self._server.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._client(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # cut connections are no news

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._tasks) > self._limits.connections:
                await _answer(writer, "503 Service Unavailable", "too many connections")
                return
            await self._one_request((reader, writer))
            await finished(writer)
        finally:
            await closed(writer)

    async def _one_request(self, client: Streams) -> None:
        try:
            head = await self._head(client[0])
            if head is None:
                return
            if head.method == CONNECT:
                await self._tunnel(client, head)
            else:
                await self._plain(client, head)
        except _Refused as refused:
            self._log(ProxyEntry(decision=refused.decision))
            await self._say_no(client, refused.decision)

    async def _head(self, reader: asyncio.StreamReader) -> Head | None:
        """The request's head; None where the client said nothing."""
        try:
            async with asyncio.timeout(self._limits.head_s):
                return read_head(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                return None
            raise _Refused(_unreadable("the head is not complete")) from None
        except asyncio.LimitOverrunError:
            raise _Refused(_unreadable("the head is too long")) from None
        except TimeoutError:
            raise _Refused(_unreadable("the head took too long")) from None
        except BadRequest as error:
            raise _Refused(_unreadable(str(error))) from None

    async def _say_no(self, client: Streams, decision: NetworkDecision) -> None:
        reader, writer = client
        status = "403 Forbidden" if decision.host else "400 Bad Request"
        status = "502 Bad Gateway" if decision.allowed else status
        told = "" if decision.allowed else f"{decision.verdict.value}: "
        await _answer(writer, status, told + decision.detail)
        # What the client has sent is read, else closing would take the answer from it.
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_LINGER_S):
                while await reader.read(_CHUNK_BYTES):
                    pass

    # --- tunnels --------------------------------------------------------------------

    async def _tunnel(self, client: Streams, head: Head) -> None:
        try:
            host, port = tunnel_of(head)
        except BadRequest as error:
            raise _Refused(_unreadable(str(error))) from None
        decision = judge_tunnel(self._policy, host, port)
        async with self._connected(decision) as (traffic, upstream):
            client[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await client[1].drain()
            if decision.scheme is Scheme.HTTPS:
                begun = await self._tls_for(client[0], host)
                await traffic.up(len(begun))
                upstream[1].write(begun)
            await self._relay(client, upstream, traffic)

    async def _tls_for(self, reader: asyncio.StreamReader, host: str) -> bytes:
        """The beginning of TLS for just this host.

        Raises:
            NetworkBlocked: it is something else.
        """
        try:
            async with asyncio.timeout(self._limits.head_s):
                raw, hello = await read_hello(reader)
            named = server_name(hello)
        except (NotTls, asyncio.IncompleteReadError, TimeoutError) as error:
            why = str(error) if isinstance(error, NotTls) else "TLS did not begin"
            raise NetworkBlocked(why, verdict=NetworkVerdict.BLOCK_PROTOCOL.value) from None
        of_an_address = not named and (":" in host or host.replace(".", "").isdigit())
        if canonical_host(named) != host and not of_an_address:
            why = "TLS is for another host"
            raise NetworkBlocked(why, verdict=NetworkVerdict.BLOCK_DOMAIN.value)
        return raw

    async def _relay(self, client: Streams, upstream: Streams, traffic: _Traffic) -> None:
        """Pass on both ways until both have ended, or both are silent for too long."""
        loop, idle_s = asyncio.get_running_loop(), self._limits.idle_s
        async with asyncio.timeout(idle_s) as limit:

            def moved() -> None:
                limit.reschedule(loop.time() + idle_s)

            up = asyncio.ensure_future(_pump(client[0], upstream[1], traffic.up, moved))
            down = asyncio.ensure_future(_pump(upstream[0], client[1], traffic.down, moved))
            try:
                await asyncio.gather(up, down)
            finally:
                for task in (up, down):
                    task.cancel()
                await asyncio.wait((up, down))

    # --- plain http -------------------------------------------------------------------

    async def _plain(self, client: Streams, head: Head) -> None:
        try:
            address, length = address_of(head), body_bytes(head)
        except BadRequest as error:
            raise _Refused(_unreadable(str(error))) from None
        host, port = address.host, address.port
        if address.scheme != Scheme.HTTP.value:
            detail = "only http is asked for in absolute form"
            blocked = NetworkVerdict.BLOCK_PROTOCOL
            raise _Refused(NetworkDecision(verdict=blocked, host=host, port=port, detail=detail))
        decision = judge_request(self._policy, Scheme.HTTP, host, port, method=head.method)
        async with self._connected(decision) as (traffic, upstream):
            begun = sent_on(head, address)
            await traffic.up(len(begun))
            upstream[1].write(begun)
            if head.value("expect") is not None:
                client[1].write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._exchange(client, upstream, traffic, length)

    async def _exchange(
        self, client: Streams, upstream: Streams, traffic: _Traffic, length: int
    ) -> None:
        """Pass on just the body, then the answer; what else the client says is dropped."""
        left = length
        while left:
            async with asyncio.timeout(self._limits.idle_s):
                chunk = await client[0].read(min(left, _CHUNK_BYTES))
                if not chunk:
                    return
                left -= len(chunk)
                await traffic.up(len(chunk))
                upstream[1].write(chunk)
                await upstream[1].drain()
        while True:
            async with asyncio.timeout(self._limits.idle_s):
                chunk = await upstream[0].read(_CHUNK_BYTES)
                if not chunk:
                    return
                await traffic.down(len(chunk))
                client[1].write(chunk)
                await client[1].drain()

    # --- connections ------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(
        self, decision: NetworkDecision
    ) -> AsyncIterator[tuple[_Traffic, Streams]]:
        """A connection to where a decision lets through; the request is logged at its end.

        Raises:
            _Refused: nothing was connected, and the client is still to be answered.
        """
        upstream = await self._dialled(decision)
        traffic = _Traffic(self._meter, self._policy.bytes_max)
        became = decision
        try:
            yield traffic, upstream
            await finished(upstream[1])
        except NetworkBlocked as error:
            verdict = NetworkVerdict(error.verdict)
            became = replace(decision, verdict=verdict, detail=error.message)
        except (OSError, asyncio.IncompleteReadError):
            became = replace(decision, detail="it was cut off")
        finally:
            await closed(upstream[1])
            self._log(ProxyEntry(decision=became, sent=traffic.sent, received=traffic.received))

    async def _dialled(self, decision: NetworkDecision) -> Streams:
        if not decision.allowed:
            raise _Refused(decision)
        if await self._meter.spent(self._policy.bytes_max):
            spent = NetworkVerdict.BLOCK_BUDGET
            raise _Refused(replace(decision, verdict=spent, detail="the budget is spent"))
        try:
            return await self._dialer.connect(self._policy, decision.host, decision.port)
        except NetworkBlocked as error:
            verdict = NetworkVerdict(error.verdict)
            raise _Refused(replace(decision, verdict=verdict, detail=error.message)) from None
        except OSError:
            raise _Refused(replace(decision, detail="the host cannot be reached")) from None


def _unreadable(detail: str) -> NetworkDecision:
    return NetworkDecision(verdict=NetworkVerdict.BLOCK_PROTOCOL, detail=detail)


async def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()
        writer.write_eof()


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    count: Callable[[int], Awaitable[None]],
    moved: Callable[[], None],
) -> None:
    """Pass on what comes until it ends, and its end."""
    while chunk := await reader.read(_CHUNK_BYTES):
        await count(len(chunk))
        writer.write(chunk)
        await writer.drain()
        moved()
    writer.write_eof()
