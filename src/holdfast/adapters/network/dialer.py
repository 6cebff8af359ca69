"""Connecting to hosts: resolved once, checked, and connected to just what was checked.

Rules
- A name is resolved once for each connection. All its addresses must pass the guard:
  a name that leads to a private place as well is refused, whatever else it leads to.
- What is connected to is an address that was checked, never the name; a resolver that
  answers otherwise the next time (rebinding) changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from holdfast.adapters.network.addresses import refusal
from holdfast.core.errors import NetworkBlocked
from holdfast.core.network import NetworkPolicy, NetworkVerdict

ADDRESSES_MAX = 16
_FINISH_S = 5.0
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host, as text; raises `OSError` where it has none."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialer:
    """Makes connections under a policy.

    Args:
        resolver: returns the addresses of a host.
        resolve_s: how long that may take, in seconds.
        connect_s: how long connecting to one address may take, in seconds.
        stream_bytes: how much a connection's reader holds.
    """

    resolver: Resolver = system_resolver
    resolve_s: float = 5.0
    connect_s: float = 10.0
    stream_bytes: int = 65_536

    async def addresses(self, policy: NetworkPolicy, host: str, port: int) -> tuple[str, ...]:
        """The addresses of a host, every one of which may be connected to.

        Raises:
            NetworkBlocked: one of them may not.
            OSError: there is none, or finding out took too long.
        """
        try:
            async with asyncio.timeout(self.resolve_s):
                found = tuple(await self.resolver(host, port))
        except (TimeoutError, UnicodeError) as error:
            raise OSError("the host cannot be resolved") from error
        if not found:
            raise OSError("the host has no address")
        for text in found:
            check_address(policy, text, port)
        return found[:ADDRESSES_MAX]

    async def connect(self, policy: NetworkPolicy, host: str, port: int) -> Streams:
        """Connect to a host that the rules allow.

        Raises:
            NetworkBlocked: where it leads is not allowed.
            OSError: it cannot be reached.
        """
        trouble: OSError | None = None
        for address in await self.addresses(policy, host, port):
            try:
                async with asyncio.timeout(self.connect_s):
                    reader, writer = await asyncio.open_connection(
                        address, port, limit=self.stream_bytes
                    )
            except OSError as error:  # TimeoutError is one
                trouble = error
                continue
            try:
                check_address(policy, str(writer.get_extra_info("peername")[0]), port)
            except BaseException:
                await closed(writer)
                raise
            return reader, writer
        raise trouble or OSError("the host cannot be reached")


def check_address(policy: NetworkPolicy, text: str, port: int) -> None:
    """Refuse an address that is neither public nor an exception of the policy.

    Raises:
        NetworkBlocked: with the verdict `block_address`.
    """
    why = refusal(text)
    if not why:
        return
    try:
        excepted = policy.excepts(ip_address(text), port)
    except ValueError:
        excepted = False
    if not excepted:
        message = f"where the host leads {why}"
        raise NetworkBlocked(message, verdict=NetworkVerdict.BLOCK_ADDRESS.value)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection at once; trouble with that is none."""
    writer.transport.abort()
    with contextlib.suppress(Exception):
        await writer.wait_closed()


async def finished(writer: asyncio.StreamWriter) -> None:
    """Close a connection once what was written has been sent, or could not be for long."""
    with contextlib.suppress(OSError):
        writer.close()
        async with asyncio.timeout(_FINISH_S):
            await writer.wait_closed()
