"""Attempts to get out of a sandbox, against listeners that stand for the outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapters.network.networkhelp import HOSTILE, OUTSIDE, Outside, answer, listening
from adapters.tools.toolhelp import Bench
from holdfast.adapters.network.dialer import Dialer, closed
from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.network.proxy import ProxyLimits
from holdfast.adapters.sandbox.status import SandboxStatus
from holdfast.adapters.tools.bash import BashTool
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme

INSIDE = Path(__file__).with_name("egress_inside.py")


@dataclass
class Escapes:
    """What came of all attempts.

    Args:
        attempts: family, name and outcome of each.
        reached: what a listener that must not be reached was told, by its kind.
        heard: the requests that the listener that may be reached was sent.
    """

    attempts: list[tuple[str, str, str]] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def strange(self) -> list[str]:
        """Requests that are not those of the allowed host."""
        return [one for one in self.heard if not _proper(one)]


def _proper(request: str) -> bool:
    first, *headers = request.partition("\r\n\r\n")[0].split("\r\n")
    hosts = [line for line in headers if line.lower().startswith("host:")]
    path = first.split(" ")[1] if first.count(" ") == 2 else ""
    fine = path.startswith(("/ok", "/to?")) and len(hosts) == 1
    return fine and hosts[0].startswith(f"Host: {OUTSIDE}:") and "127.0.0.1" not in hosts[0]


class _Forbidden:
    """Listeners of every kind that must hear nothing."""

    def __init__(self, escapes: Escapes, folder: Path) -> None:
        self._escapes = escapes
        self.path = str(folder / "socket")
        self.abstract = f"holdfast-egress-{os.getpid()}"
        self.tcp, self.tcp6, self.udp = (self._bound(kind) for kind in ("tcp", "tcp6", "udp"))
        self._unix = [self._local(self.path), self._local("\0" + self.abstract)]

    def _bound(self, kind: str) -> socket.socket:
        family = socket.AF_INET6 if kind == "tcp6" else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        made.bind(("::" if kind == "tcp6" else "0.0.0.0", 0))
        return made

    def _local(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.bind(name)
        return made

    def watch(self) -> None:
        """Note whatever comes, for as long as the loop runs."""
        loop = asyncio.get_running_loop()
        for one in (self.tcp, self.tcp6, *self._unix):
            one.listen(64)
            one.setblocking(False)
            loop.add_reader(one, self._accepted, one)
        self.udp.setblocking(False)
        loop.add_reader(self.udp, self._told)

    def _accepted(self, one: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            made, peer = one.accept()
            made.close()
            self._escapes.reached.append(f"{one.getsockname()!r} by {peer!r}")

    def _told(self) -> None:
        data, peer = self.udp.recvfrom(4096)
        self._escapes.reached.append(f"udp {data[:40]!r} by {peer!r}")

    def close(self) -> None:
        """Stop listening."""
        loop = asyncio.get_running_loop()
        for one in (self.tcp, self.tcp6, self.udp, *self._unix):
            loop.remove_reader(one)
            one.close()


class _Allowed(Outside):
    """The host that may be reached; it redirects to wherever it is asked to."""

    def __init__(self, escapes: Escapes) -> None:
        super().__init__()
        self._escapes = escapes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self._escapes.heard.append(head)
            target = head.split(" ")[1].partition("?")[2]
            where = urllib.parse.unquote(target)
            if "/to?" in head.split("\r\n")[0]:
                location = where.encode("ascii", "replace").decode()
                writer.write(answer(b"", "302 Found", f"Location: {location}"))
            else:
                writer.write(answer(b"ok"))
            await writer.drain()
            writer.write_eof()
        await closed(writer)


def host_addresses() -> list[str]:
    """Addresses of this host besides loopback."""
    found = {"127.0.1.1"}
    with contextlib.suppress(OSError):
        found |= {str(one[4][0]) for one in socket.getaddrinfo(socket.gethostname(), None)}
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
        found.add(one.getsockname()[0])
    return sorted(one for one in found if ":" not in one)


async def attack(bench: Bench, status: SandboxStatus) -> Escapes:
    """Make every attempt from inside a real sandbox; return what came of them."""
    escapes = Escapes()
    forbidden = _Forbidden(escapes, bench.outside)
    forbidden.watch()
    turns = iter(range(10**6))

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host == "rebinding.test":
            return ["1.1.1.1", "127.0.0.1"] if next(turns) % 2 else ["127.0.0.1"]
        return ["127.0.0.1"]

    tcp, tcp6 = forbidden.tcp.getsockname()[1], forbidden.tcp6.getsockname()[1]
    try:
        async with listening(_Allowed(escapes)) as allowed:
            rules = [NetworkRule(host=OUTSIDE, ports=(allowed.port,), schemes=(Scheme.HTTP,))]
            rules += [
                NetworkRule(host=host, ports=(tcp, tcp6), schemes=tuple(Scheme))
                for host in ("inside.test", "rebinding.test", "127.0.0.1", "::1")
            ]
            policy = NetworkPolicy(
                rules=tuple(rules), unsafe_addresses=(f"127.0.0.1:{allowed.port}",)
            )
            limits = ProxyLimits(head_s=0.5, idle_s=2.0)
            tool = BashTool(
                status=status, firewall=Firewall(dialer=Dialer(resolver=resolve), limits=limits)
            )
            facts = {
                "tcp": tcp,
                "tcp6": tcp6,
                "udp": forbidden.udp.getsockname()[1],
                "allowed": allowed.port,
                "ips": host_addresses(),
                "abstract": forbidden.abstract,
                "path": forbidden.path,
                "pid": os.getpid(),
                "forms": list(HOSTILE),
            }
            shutil.copy(INSIDE, bench.workspace / "attempt.py")
            (bench.workspace / "facts.json").write_text(json.dumps(facts))
            context = replace(bench.context(timeout_s=300.0), network=policy)
            command = 'python3 attempt.py "$(cat facts.json)" > attempts.jsonl'
            outcome = await tool.run({"command": command, "timeout_ms": 300_000}, context)
            assert not outcome.is_error, outcome.content
            await asyncio.sleep(0.1)  # what was sent at the very end still arrives
    finally:
        forbidden.close()
    for line in (bench.workspace / "attempts.jsonl").read_text().splitlines():
        family, name, came = json.loads(line)
        escapes.attempts.append((family, name, came))
    return escapes
