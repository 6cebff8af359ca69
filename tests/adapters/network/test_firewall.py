"""The firewall of an installation."""

from __future__ import annotations

import asyncio
import socket

from adapters.network.networkhelp import HERE, OUTSIDE, Outside, allowing, listening
from adapters.network.test_proxy import ask, at
from holdfast.adapters.network.firewall import Firewall
from holdfast.adapters.network.meter import Meter
from holdfast.adapters.network.proxy import ProxyEntry


def test_proxies_are_on_the_meter_they_are_given() -> None:
    """What one command has spent the next cannot spend, and another session can."""
    told: list[tuple[str, str]] = []
    own: list[ProxyEntry] = []

    def log(session_id: str, entry: ProxyEntry) -> None:
        told.append((session_id, entry.decision.verdict.value))

    async def main() -> None:
        async with listening(Outside()) as outside:
            firewall = Firewall(dialer=HERE, log=log)
            policy = allowing(outside.port, bytes_max=250)
            address = f"http://{OUTSIDE}:{outside.port}/"
            meter = Meter()
            for session, on in (("one", meter), ("one", meter), ("other", None)):
                proxy = firewall.proxy(session, policy, own.append, meter=on)
                listener = socket.create_server(("127.0.0.1", 0))
                await proxy.start(listener)
                for _ in range(2):
                    await ask(at(listener), f"GET {address} HTTP/1.1\r\n\r\n".encode())
                await proxy.aclose()
            assert 250 == meter.used

    asyncio.run(main())
    assert ("one", "allow") == told[0]
    assert ("one", "block_budget") == told[3]
    assert ("other", "allow") == told[4]
    assert len(told) == len(own) == 6
