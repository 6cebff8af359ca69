"""Where a server may listen, and what it is told about proxies and pages."""

from __future__ import annotations

from dataclasses import fields

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.runtime.configuration import OPTIONS
from holdfast.server.settings import ServerSettings, is_loopback


def test_beyond_this_machine_only_under_tls() -> None:
    """Or behind a proxy that is declared."""
    for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"):
        ServerSettings(host=host).check_binding()
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):
        with pytest.raises(InvalidInput):
            ServerSettings(host=host).check_binding()
        ServerSettings(host=host, tls_cert="c", tls_key="k").check_binding()
        ServerSettings(host=host, trusted_proxies=("192.0.2.0/24",)).check_binding()
    assert not is_loopback("127.0.0.1.example.com")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls_cert": "c"},
        {"port": 70_000},
        {"cors_origins": ("*",)},
        {"cors_origins": ("https://a.example/",)},
        {"trusted_proxies": ("proxy",)},
        {"requests_per_minute": 0},
    ],
)
def test_what_cannot_be(wrong: dict[str, object]) -> None:
    """Refused when it is made."""
    with pytest.raises(InvalidInput):
        ServerSettings(**wrong)  # type: ignore[arg-type]  # a stand-in


def test_every_setting_of_a_server_can_be_configured_with_its_default() -> None:
    """The table of settings, which the file and the environment go by, is the server's own."""
    table = {one.key: one.default for one in OPTIONS if one.section == "server"}
    assert table == {one.name: one.default for one in fields(ServerSettings)}
