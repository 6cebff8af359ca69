"""The address guard."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, ip_address

import pytest

from adapters.network.networkhelp import HOSTILE, PUBLIC
from holdfast.adapters.network.addresses import carried, refusal
from holdfast.adapters.network.dialer import Dialer, system_resolver
from holdfast.core.errors import NetworkBlocked
from holdfast.core.network import NetworkPolicy, canonical_host


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_forms_are_refused(text: str) -> None:
    """By the reading of hosts, and by the guard for what a resolver makes of them."""
    assert 32 <= len(HOSTILE)
    host = canonical_host(text)
    assert not host or refusal(host)
    with pytest.raises((NetworkBlocked, OSError)):
        asyncio.run(Dialer().addresses(NetworkPolicy(), text, 80))


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_pass(text: str) -> None:
    """Nothing is refused that is public."""
    assert "" == refusal(text)
    assert (text,) == asyncio.run(Dialer().addresses(NetworkPolicy(), text, 80))


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("::ffff:10.0.0.1", ["10.0.0.1"]),
        ("::10.0.0.1", ["10.0.0.1"]),
        ("::ffff:0:10.0.0.1", ["10.0.0.1"]),
        ("64:ff9b::a00:1", ["10.0.0.1"]),
        ("2002:a00:1::", ["10.0.0.1"]),
        ("2001:0:808:808::f5ff:fffe", ["8.8.8.8", "10.0.0.1"]),
        ("2a00::5efe:10.0.0.1", ["10.0.0.1"]),
        ("2606:4700::1111", []),
        ("8.8.8.8", []),
    ],
)
def test_what_an_address_carries(text: str, inner: list[str]) -> None:
    """Each form in which an IPv6 address stands for an IPv4 one."""
    assert [IPv4Address(one) for one in inner] == list(carried(ip_address(text)))
    if inner:
        assert refusal(text)


@pytest.mark.parametrize(
    "text", ["::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::", "2606:4700::1111"]
)
def test_what_carries_a_public_address_passes(text: str) -> None:
    """It is judged by what it carries."""
    assert "" == refusal(text)


def test_what_is_no_address_is_refused() -> None:
    """A name, nothing, and an address of one interface."""
    for text in ("example.org", "", "127.1", "fe80::1%lo", "2606:4700::1111%lo"):
        assert refusal(text)


def test_the_system_resolves_numbers() -> None:
    """The forms above are what a resolver really reads as addresses of this machine."""
    assert ("127.0.0.1",) == tuple(asyncio.run(system_resolver("0x7f.1", 80)))
