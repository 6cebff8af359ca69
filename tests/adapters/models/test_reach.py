"""Where a model's address may lead, as far as that is seen before anything is sent."""

from __future__ import annotations

import pytest

from adapters.network.networkhelp import HOSTILE, PUBLIC
from holdfast.adapters.models.reach import check_reach
from holdfast.core.errors import InvalidInput, NetworkBlocked
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.settings import ModelSettings


def at(host: str, *, public_only: bool = True, rest: str = "") -> ModelSettings:
    """Settings of a model at a host."""
    shown = f"[{host}]" if ":" in host and "[" not in host else host
    return ModelSettings(
        provider="p", model="m", base_url=f"https://{shown}{rest}/v1", public_only=public_only
    )


def listing(host: str, *, excepted: str = "") -> NetworkPolicy:
    """A policy that lists one host."""
    rule = NetworkRule(host=host, ports=(443, 8443), schemes=(Scheme.HTTPS,))
    return NetworkPolicy(rules=(rule,), unsafe_addresses=(excepted,) if excepted else ())


@pytest.mark.parametrize("host", [*HOSTILE, "a.localhost", "LocalHost.", "127.0.0.1."])
def test_hostile_forms_are_refused(host: str) -> None:
    """Each of them, at once, with a port as well."""
    for rest in ("", ":8443"):
        with pytest.raises((NetworkBlocked, InvalidInput)):
            check_reach(at(host, rest=rest), None)


@pytest.mark.parametrize(
    "url",
    [
        "https://models.example@127.0.0.1/", "https://127.0.0.1#@models.example/",
        "https://models.example\\@127.0.0.1/", "https:/\\127.0.0.1/", "file:///etc/passwd",
        "gopher://models.example/", "unix:///run/x.sock", "//models.example/", "models.example",
        "https://models.example:0/", "https://models.example:99999/", "https://[::1%25lo]/",
        "https://mod\u0435ls.example/", "https://models.example\n127.0.0.1/", "", "https://",
    ],
)  # fmt: skip
def test_what_could_be_read_otherwise_is_refused(url: str) -> None:
    """By one reader another host is meant, or something else than https and http."""
    for network in (None, listing("models.example")):
        settings = ModelSettings(provider="p", model="m", base_url=url, public_only=True)
        with pytest.raises((NetworkBlocked, InvalidInput)):
            check_reach(settings, network)


def test_what_is_public_passes_and_names_are_left_to_the_connection() -> None:
    """Also an address that carries a public one; and whatever the program itself names."""
    for host in (*PUBLIC, "::ffff:8.8.8.8", "models.example"):
        check_reach(at(host), None)
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        check_reach(at(host, public_only=False), None)
    check_reach(ModelSettings(provider="openai", model="m", public_only=True), None)


def test_the_installation_s_list_decides_where_there_is_one() -> None:
    """A host that it does not list is refused; one that it excepts is not."""
    for public_only in (True, False):
        local = at("127.0.0.1", public_only=public_only, rest=":8443")
        with pytest.raises(NetworkBlocked, match="may reach"):
            check_reach(local, listing("models.example"))
        with pytest.raises(NetworkBlocked, match="public"):
            check_reach(local, listing("127.0.0.1"))
        with pytest.raises(NetworkBlocked, match="public"):
            check_reach(local, listing("127.0.0.1", excepted="127.0.0.1:443"))
        check_reach(local, listing("127.0.0.1", excepted="127.0.0.1:8443"))
        check_reach(at("models.example", public_only=public_only), listing("models.example"))
