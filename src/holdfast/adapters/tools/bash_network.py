"""The way out of one command: its gate, the socket that listens within, and its proxy.

A command that may reach hosts starts in an empty network and waits there. As soon as
there is that network, while the rest of the sandbox is made, the runtime has a socket
opened that listens within it, serves it, and lets the command begin. Nothing of this is
inside: no program, no descriptor, no file. When the call ends, the proxy is closed and
all its connections are cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections import Counter

from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.network.proxy import EgressProxy, ProxyEntry
from holdfast.adapters.sandbox.door import Doors
from holdfast.core.errors import Unavailable
from holdfast.core.network import NetworkPolicy
from holdfast.ports.tool import ByteMeter

ENTRIES_MAX = 64
READY_SECONDS = 10.0
INFO_BYTES_MAX = 4096
_SHOWN_CHARS_MAX = 120


class WayOut:
    """Lets one command out.

    Args:
        firewall: makes the proxy.
        doors: open sockets within sandboxes.
        policy: what may be reached; `session_id` on whose account.
        meter: counts what the session exchanges; None counts this command alone.
    """

    def __init__(
        self,
        firewall: Firewall,
        doors: Doors,
        policy: NetworkPolicy,
        session_id: str,
        meter: ByteMeter | None = None,
    ) -> None:
        self._doors = doors
        self._entries: list[ProxyEntry] = []
        self._counts: Counter[str] = Counter()
        self._sent = self._received = 0
        self._proxy: EgressProxy = firewall.proxy(session_id, policy, self._told, meter=meter)
        self._gate, self.stdin = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._told_pid, self.info = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            self._gate.close()
            self.stdin.close()
            raise
        for one in (self._gate, self._told_pid):
            one.setblocking(False)

    async def admit(self) -> None:
        """Open the command's way out while its sandbox is made, and let it begin.

        Raises:
            Unavailable: that cannot be done; the command does not begin.
        """
        self.stdin.close()
        self.info.close()
        pid = await self._started()
        if pid is None:
            return  # it ended before it began, and its exit code says why
        try:
            listener = await asyncio.to_thread(self._doors.open, pid)
        except Unavailable:
            if _gone(pid):
                return
            raise
        await self._proxy.start(listener)
        with contextlib.suppress(OSError):
            self._gate.send(b"\n")

    async def _started(self) -> int | None:
        """The first process of the sandbox, of which bubblewrap tells; None where it failed.

        Raises:
            Unavailable: it told nothing in time, or not what it should.
        """
        told = b""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while b"}" not in told and len(told) < INFO_BYTES_MAX:
                    await _readable(self._told_pid)
                    piece = self._told_pid.recv(INFO_BYTES_MAX)
                    if not piece:
                        return None
                    told += piece
            pid = json.loads(told)["child-pid"]
        except TimeoutError:
            raise Unavailable("the sandbox was not ready in time") from None
        except OSError:
            return None
        except (ValueError, KeyError, TypeError):
            pid = None
        if type(pid) is not int or pid <= 1:
            raise Unavailable("the sandbox did not say which process it is")
        return pid

    async def aclose(self) -> None:
        """Close the gate, the proxy and all its connections."""
        for one in (self.stdin, self.info, self._gate, self._told_pid):
            one.close()
        await self._proxy.aclose()

    def _told(self, entry: ProxyEntry) -> None:
        decision = entry.decision
        self._counts[decision.verdict.value] += 1
        self._sent += entry.sent
        self._received += entry.received
        if len(self._entries) < ENTRIES_MAX:
            self._entries.append(entry)

    def facts(self) -> dict[str, object]:
        """What was asked for, for the call's metadata: bounded, and without addresses' paths."""
        return {
            "verdicts": dict(self._counts),
            "bytes_sent": self._sent,
            "bytes_received": self._received,
            "requests": [_shown(entry) for entry in self._entries],
        }


def _shown(entry: ProxyEntry) -> dict[str, object]:
    decision = entry.decision
    host = decision.host[:_SHOWN_CHARS_MAX]
    return {
        "to": f"{host}:{decision.port}" if host else "",
        "verdict": decision.verdict.value,
        "rule": decision.rule[:_SHOWN_CHARS_MAX],
        "detail": decision.detail,
        "sent": entry.sent,
        "received": entry.received,
    }


def _gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] == [b"Z"]
    except OSError:
        return True


async def _readable(one: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not seen.done():
            seen.set_result(None)

    loop.add_reader(one, settle)
    try:
        await seen
    finally:
        loop.remove_reader(one)
