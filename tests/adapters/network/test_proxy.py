"""The egress proxy, with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.network.networkhelp import (
    HERE,
    OUTSIDE,
    Outside,
    allowing,
    answer,
    certificate,
    leading,
    listening,
)
from adapters.network.test_hello import hello
from holdfast.adapters.network.dialer import Dialer, closed
from holdfast.adapters.network.meter import Meter
from holdfast.adapters.network.proxy import EgressProxy, ProxyEntry, ProxyLimits
from holdfast.core.network import NetworkPolicy, NetworkRule, NetworkVerdict, Scheme

Place = tuple[str, int]
QUICK = ProxyLimits(head_s=0.2, idle_s=0.3, head_bytes=4096, connections=4)


def at(listener: socket.socket) -> Place:
    """Where a socket listens."""
    host, port = listener.getsockname()
    return host, port


@asynccontextmanager
async def serving(
    policy: NetworkPolicy,
    log: list[ProxyEntry],
    dialer: Dialer = HERE,
    limits: ProxyLimits = QUICK,
    meter: Meter | None = None,
) -> AsyncIterator[Place]:
    """A proxy that listens on loopback."""
    proxy = EgressProxy(policy, dialer=dialer, log=log.append, limits=limits, meter=meter)
    listener = socket.create_server(("127.0.0.1", 0))
    await proxy.start(listener)
    try:
        yield at(listener)
    finally:
        await proxy.aclose()


async def ask(place: Place, data: bytes, *more: bytes) -> bytes:
    """Send, and read until the end; what follows is sent once something came back."""
    reader, writer = await asyncio.open_connection(*place)
    found = b""
    with contextlib.suppress(OSError):
        writer.write(data)
        async with asyncio.timeout(5):
            for piece in more:
                found += await reader.readuntil(b"\r\n\r\n")
                writer.write(piece)
            found += await reader.read()
    await closed(writer)
    return found


def _verdicts(log: Sequence[ProxyEntry]) -> list[NetworkVerdict]:
    return [entry.decision.verdict for entry in log]


def test_plain_http_by_name() -> None:
    """A listed host is asked, with its body, and the answer comes back whole."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside(answer(b"x" * 500_000))) as outside:
            async with serving(allowing(outside.port), log) as place:
                to = f"{OUTSIDE}:{outside.port}"
                request = f"POST http://{to}/a?secret=1 HTTP/1.1\r\nHost: {to}\r\n"
                body = b"Content-Length: 5\r\n\r\nhelloGET http://second.test/ HTTP/1.1\r\n\r\n"
                found = await ask(place, request.encode() + body)
            assert found.endswith(b"x" * 500_000)
            heard = bytes(outside.heard)
            assert heard.startswith(b"POST /a?secret=1 HTTP/1.1\r\n")
            assert b"second" not in heard
            assert heard.endswith(b"hello")
            assert 1 == outside.connections

    asyncio.run(main())
    assert [NetworkVerdict.ALLOW] == _verdicts(log)
    assert log[0].received > 500_000
    assert "secret" not in repr(log)


def test_a_tunnel_is_for_tls_with_its_host(tmp_path: Path) -> None:
    """A real client speaks TLS through it, end to end."""
    log: list[ProxyEntry] = []
    theirs, ours = certificate(tmp_path)

    def fetch(place: Place, port: int) -> bytes:
        with socket.create_connection(place, 5) as raw:
            raw.sendall(f"CONNECT {OUTSIDE}:{port} HTTP/1.1\r\n\r\n".encode())
            assert raw.recv(4096).startswith(b"HTTP/1.1 200 ")
            with ours.wrap_socket(raw, server_hostname=OUTSIDE) as tls:
                tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
                return tls.recv(4096)

    async def main() -> None:
        async with listening(Outside(), theirs) as outside:
            async with serving(allowing(outside.port, Scheme.HTTPS), log) as place:
                found = await asyncio.to_thread(fetch, place, outside.port)
            assert found.endswith(b"outside")

    asyncio.run(main())
    assert [NetworkVerdict.ALLOW] == _verdicts(log)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", NetworkVerdict.BLOCK_PROTOCOL),
        (hello("other.test"), NetworkVerdict.BLOCK_DOMAIN),
        (hello(None), NetworkVerdict.BLOCK_DOMAIN),
        (hello(OUTSIDE)[:40], NetworkVerdict.BLOCK_PROTOCOL),
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", NetworkVerdict.BLOCK_PROTOCOL),
    ],
    ids=["http", "another host", "no host", "cut", "malformed"],
)
def test_a_tunnel_for_something_else(said: bytes, verdict: NetworkVerdict) -> None:
    """What is no TLS, or is for another host, is cut before a byte of it has gone out."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside()) as outside:
            async with serving(allowing(outside.port, Scheme.HTTPS), log) as place:
                head = f"CONNECT {OUTSIDE}:{outside.port} HTTP/1.1\r\n\r\n".encode()
                await ask(place, head, said)
            assert b"" == outside.heard

    asyncio.run(main())
    assert [verdict] == _verdicts(log)
    assert (0, 0) == (log[0].sent, log[0].received)


def test_a_tunnel_for_anything() -> None:
    """A rule that says tcp lets any protocol through."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside()) as outside:
            async with serving(allowing(outside.port, Scheme.TCP), log) as place:
                head = f"CONNECT {OUTSIDE}:{outside.port} HTTP/1.1\r\n\r\n".encode()
                found = await ask(place, head, b"SSH-2.0-x\r\n")
            assert found.endswith(b"outside")
            assert b"SSH-2.0-x\r\n" == outside.heard

    asyncio.run(main())
    assert [NetworkVerdict.ALLOW] == _verdicts(log)


REFUSED = [
    ("CONNECT other.test:443", NetworkVerdict.BLOCK_DOMAIN, b"403"),
    ("CONNECT 127.0.0.1:{inside}", NetworkVerdict.BLOCK_DOMAIN, b"403"),
    ("CONNECT outside.test:{inside}", NetworkVerdict.BLOCK_PROTOCOL, b"403"),
    ("CONNECT outside.test:{outside}", NetworkVerdict.BLOCK_PROTOCOL, b"403"),
    ("CONNECT outside.test", NetworkVerdict.BLOCK_PROTOCOL, b"400"),
    ("GET http://other.test/", NetworkVerdict.BLOCK_DOMAIN, b"403"),
    ("GET http://outside.test:{inside}/", NetworkVerdict.BLOCK_PROTOCOL, b"403"),
    ("GET https://outside.test:{outside}/", NetworkVerdict.BLOCK_PROTOCOL, b"403"),
    ("DELETE http://outside.test:{outside}/", NetworkVerdict.BLOCK_METHOD, b"403"),
    ("GET /", NetworkVerdict.BLOCK_PROTOCOL, b"400"),
    ("nonsense", NetworkVerdict.BLOCK_PROTOCOL, b"400"),
    ("GET http://inside.test:{inside}/", NetworkVerdict.BLOCK_ADDRESS, b"403"),
    ("GET http://gone.test:{inside}/", NetworkVerdict.ALLOW, b"502"),
]


@pytest.mark.parametrize(("first", "verdict", "status"), REFUSED)
def test_what_is_refused(first: str, verdict: NetworkVerdict, status: bytes) -> None:
    """Each reason has its verdict and its status, and nobody is connected to."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside()) as outside, listening(Outside()) as inside:
            rules = tuple(
                NetworkRule(host=host, ports=(port,), schemes=(Scheme.HTTP,), methods=("GET",))
                for host, port in (
                    (OUTSIDE, outside.port),
                    ("inside.test", inside.port),
                    ("gone.test", inside.port),
                )
            )
            policy = replace(allowing(outside.port), rules=rules)
            line = first.format(inside=inside.port, outside=outside.port)
            async with serving(policy, log) as place:
                found = await ask(place, f"{line} HTTP/1.1\r\n\r\n".encode())
            assert (0, 0) == (outside.connections, inside.connections)
            assert status == found.split()[1]

    asyncio.run(main())
    assert [verdict] == _verdicts(log)


def test_a_redirect_is_another_request() -> None:
    """What a host points to is judged like anything else."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside()) as inside:
            there = f"http://127.0.0.1:{inside.port}/"
            reply = answer(b"", "302 Found", f"Location: {there}")
            async with (
                listening(Outside(reply)) as outside,
                serving(allowing(outside.port), log) as place,
            ):
                to = f"http://{OUTSIDE}:{outside.port}/"
                found = await ask(place, f"GET {to} HTTP/1.1\r\n\r\n".encode())
                assert there.encode() in found
                await ask(place, f"GET {there} HTTP/1.1\r\n\r\n".encode())
            assert 0 == inside.connections

    asyncio.run(main())
    assert [NetworkVerdict.ALLOW, NetworkVerdict.BLOCK_DOMAIN] == _verdicts(log)


def test_a_rebinding_name_is_refused_each_time() -> None:
    """Whatever a name leads to, a private place is never reached through it."""
    log: list[ProxyEntry] = []
    turns = iter(range(1000))

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if next(turns) % 2 else ["169.254.169.254", "127.0.0.1"]

    async def main() -> None:
        async with listening(Outside()) as inside:
            rule = NetworkRule(host="rebinding.test", ports=(inside.port,), schemes=(Scheme.HTTP,))
            policy = NetworkPolicy(rules=(rule,))
            async with serving(policy, log, Dialer(resolver=rebinding)) as place:
                for _ in range(20):
                    line = f"GET http://rebinding.test:{inside.port}/ HTTP/1.1\r\n\r\n"
                    assert b"403" == (await ask(place, line.encode())).split()[1]
            assert 0 == inside.connections

    asyncio.run(main())
    assert {NetworkVerdict.BLOCK_ADDRESS} == set(_verdicts(log))


def test_the_budget_counts_both_ways() -> None:
    """What would pass the limit is cut off, and afterwards nothing begins."""
    log: list[ProxyEntry] = []
    meter = Meter()

    async def main() -> None:
        async with listening(Outside(answer(b"y" * 200_000))) as outside:
            policy = allowing(outside.port, bytes_max=100_000)
            line = f"GET http://{OUTSIDE}:{outside.port}/ HTTP/1.1\r\n\r\n".encode()
            async with serving(policy, log, meter=meter) as place:
                assert len(await ask(place, line)) < 100_000
                assert b"403" == (await ask(place, line)).split()[1]
            assert 1 == outside.connections

    asyncio.run(main())
    assert [NetworkVerdict.BLOCK_BUDGET] * 2 == _verdicts(log)
    assert 100_000 >= log[0].sent + log[0].received
    assert 100_000 == meter.used


def test_limits_of_time_size_and_number() -> None:
    """A slow head, a long one, a silent tunnel and too many connections end."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with (
            listening(Outside(b"")) as outside,
            serving(allowing(outside.port, Scheme.TCP), log) as place,
        ):
            assert b"400" == (await ask(place, b"GET http")).split()[1]
            assert b"400" == (await ask(place, b"G" * 9000)).split()[1]
            reader, writer = await asyncio.open_connection(*place)
            writer.write(f"CONNECT {OUTSIDE}:{outside.port} HTTP/1.1\r\n\r\n".encode())
            assert b"200" == (await reader.readuntil(b"\r\n\r\n")).split()[1]
            async with asyncio.timeout(3):
                assert b"" == await reader.read()
            await closed(writer)
            held = [await asyncio.open_connection(*place) for _ in range(4)]
            assert b"503" == (await ask(place, b"GET / HTTP/1.1\r\n\r\n")).split()[1]
            for _, one in held:
                await closed(one)

    asyncio.run(main())
    assert ["the head took too long", "the head is too long"] == [
        entry.decision.detail for entry in log[:2]
    ]


def test_closing_cuts_and_logs_what_is_open() -> None:
    """When a command has ended nothing of it goes on, and it is told what was."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside(b"")) as outside:
            async with serving(allowing(outside.port, Scheme.TCP), log) as place:
                reader, writer = await asyncio.open_connection(*place)
                writer.write(f"CONNECT {OUTSIDE}:{outside.port} HTTP/1.1\r\n\r\n".encode())
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"12345")
                while not outside.heard:
                    await asyncio.sleep(0.001)
            with pytest.raises(OSError):
                await asyncio.open_connection(*place)
            await closed(writer)

    asyncio.run(main())
    assert [(NetworkVerdict.ALLOW, 5)] == [(one.decision.verdict, one.sent) for one in log]


def test_an_unlisted_host_is_never_resolved() -> None:
    """A name that is looked up tells whoever serves it, so it is judged before."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        raise OSError

    log: list[ProxyEntry] = []

    async def main() -> None:
        async with serving(allowing(80), log, Dialer(resolver=resolve)) as place:
            await ask(place, b"CONNECT secret.evil.test:443 HTTP/1.1\r\n\r\n")

    asyncio.run(main())
    assert [] == asked


def test_hostile_bytes_are_always_answered_or_cut() -> None:
    """Garbage of every kind leaves the proxy serving, and reaches nobody."""
    log: list[ProxyEntry] = []

    async def main() -> None:
        async with listening(Outside()) as outside:
            good = f"GET http://{OUTSIDE}:{outside.port}/ HTTP/1.1\r\nX: y\r\n\r\n".encode()
            async with serving(allowing(outside.port), log) as place:
                for at_ in range(len(good) - 4):
                    for byte in (0, 0x0A, 0x0D, 0x20, 0x5C, 0xFF):
                        damaged = good[:at_] + bytes([byte]) + good[at_ + 1 :]
                        await ask(place, damaged)
                assert b"200" == (await ask(place, good)).split()[1]

    asyncio.run(main())
    for entry in log:
        assert not entry.decision.allowed or entry.decision.host == OUTSIDE


def test_names_lead_nowhere_without_a_dialer_that_knows() -> None:
    """The helper of these tests resolves nothing but what it was told."""
    with pytest.raises(OSError):
        asyncio.run(leading().addresses(NetworkPolicy(), "outside.test", 80))
