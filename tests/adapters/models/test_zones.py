"""Where a model runs is declared, or read off its address; a name proves nothing."""

from __future__ import annotations

import pytest

from holdfast.adapters.models.zones import zone_of
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings


def at(url: str | None, zone: Zone | None = None) -> Zone:
    """The zone of a model with this address."""
    return zone_of(ModelSettings(provider="openai", model="m", base_url=url, zone=zone))


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/v1",
        "http://LOCALHOST/v1",
        "http://127.0.0.1:1234",
        "http://127.8.8.8",
        "http://[::1]:99/v1",
    ],
)
def test_this_machine_is_local(url: str) -> None:
    """Loopback addresses stay here."""
    assert Zone.LOCAL is at(url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://api.example.com/v1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://example.com/localhost",
        "http://localhost@example.com/",
        "http://example.com#@localhost",
        "http://10.0.0.1/v1",
        "http://0x7f000001/",
        "http://[::ffff:8.8.8.8]/",
        "localhost:8080",
        "",
    ],
)
def test_all_else_is_public(url: str | None) -> None:
    """What is not surely this machine is the public's."""
    assert Zone.PUBLIC is at(url)


@pytest.mark.parametrize("zone", list(Zone))
def test_a_declaration_holds(zone: Zone) -> None:
    """The operator knows better than the address."""
    assert zone is at("https://api.example.com/v1", zone)
    assert zone is at("http://localhost", zone)
