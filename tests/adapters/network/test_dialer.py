"""Connecting to what was checked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.network.networkhelp import HERE, OUTSIDE, Outside, allowing, leading, listening
from holdfast.adapters.network.dialer import Dialer, check_address, closed, finished
from holdfast.core.errors import NetworkBlocked
from holdfast.core.network import NetworkPolicy


def test_an_excepted_address_is_reached() -> None:
    """Just the address and port that the policy names, and only there."""

    async def main() -> None:
        async with listening(Outside()) as allowed, listening(Outside()) as forbidden:
            policy = allowing(allowed.port)
            reader, writer = await HERE.connect(policy, OUTSIDE, allowed.port)
            writer.write(b"hello")
            assert b"outside" in await reader.read()
            await finished(writer)
            with pytest.raises(NetworkBlocked) as refused:
                await HERE.connect(policy, OUTSIDE, forbidden.port)
            assert "block_address" == refused.value.verdict
            assert (1, 0) == (allowed.connections, forbidden.connections)

    asyncio.run(main())


def test_rebinding_changes_nothing() -> None:
    """A name is asked for once a connection, and what was checked is what is connected to."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) % 2 else ["127.0.0.1"]

    async def main() -> None:
        async with listening(Outside()) as inside:
            dialer = Dialer(resolver=rebinding, connect_s=0.05)
            for attempt in range(6):
                with pytest.raises((NetworkBlocked, OSError)):
                    await dialer.connect(NetworkPolicy(), "rebinding.test", inside.port)
                assert attempt + 1 == len(asked)
            assert 0 == inside.connections

    asyncio.run(main())


def test_one_private_address_among_others_is_enough() -> None:
    """A name that leads to a private place as well is refused."""
    dialer = leading(mixed_test=["93.184.216.34", "10.0.0.1"])
    with pytest.raises(NetworkBlocked):
        asyncio.run(dialer.addresses(NetworkPolicy(), "mixed.test", 443))


def test_names_without_an_address() -> None:
    """None, an empty answer and a resolver that hangs come to the same."""

    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    async def empty(host: str, port: int) -> Sequence[str]:
        return ()

    for dialer in (Dialer(resolver=hangs, resolve_s=0.01), Dialer(resolver=empty), leading()):
        with pytest.raises(OSError):
            asyncio.run(dialer.connect(NetworkPolicy(), "gone.test", 443))


def test_nobody_there() -> None:
    """An address that does not answer is an error, and the next one is tried."""

    async def main() -> None:
        async with listening(Outside()) as one:
            policy = NetworkPolicy(
                unsafe_addresses=(f"127.0.0.1:{one.port}", f"127.0.0.2:{one.port}")
            )
            dialer = leading(two_test=["127.0.0.2", "127.0.0.1"])
            _, writer = await dialer.connect(policy, "two.test", one.port)
            await closed(writer)
            only = leading(one_test=["127.0.0.2"])
            with pytest.raises(OSError):
                await only.connect(policy, "one.test", one.port)

    asyncio.run(main())


def test_what_a_resolver_returns_is_checked() -> None:
    """Nonsense is refused like a private address."""
    for text in ("example.org", "", "127.0.0.1", "::1"):
        with pytest.raises(NetworkBlocked):
            check_address(NetworkPolicy(), text, 80)
    check_address(NetworkPolicy(), "1.1.1.1", 80)
