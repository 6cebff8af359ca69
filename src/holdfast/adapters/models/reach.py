"""Where a model's address may lead, as far as that is seen before anything is sent.

A name is not looked up here: what it leads to is judged at each connection, by the
transport. What can be refused at once is, so that nothing is stored that never works.
"""

from __future__ import annotations

from ipaddress import ip_address

from holdfast.adapters.network.addresses import refusal
from holdfast.adapters.network.dialer import check_address
from holdfast.core.errors import InvalidInput, NetworkBlocked
from holdfast.core.network import (
    Address,
    NetworkPolicy,
    NetworkVerdict,
    Scheme,
    judge_request,
    read_address,
)
from holdfast.core.settings import ModelSettings


def check_reach(settings: ModelSettings, network: NetworkPolicy | None) -> None:
    """Refuse a `base_url` that the client of these settings could never send to.

    Args:
        settings: whose `base_url` is an http or https address; None has nothing to refuse.
        network: what model clients may reach; None for whatever an address leads to, or
            for what is public where the settings say `public_only`.

    Raises:
        InvalidInput: readers could disagree about where it leads.
        NetworkBlocked: it is not listed, or leads to an address that is not public.
    """
    if settings.base_url is None:
        return
    address = read_address(settings.base_url)
    if address is None or address.scheme not in (Scheme.HTTP, Scheme.HTTPS):
        raise InvalidInput("it is not certain where the base_url leads")
    if network is not None:
        _check_listed(network, address)
    elif settings.public_only:
        _check_public(address)


def _check_listed(network: NetworkPolicy, address: Address) -> None:
    scheme = Scheme(address.scheme)
    decision = judge_request(network, scheme, address.host, address.port, method="POST")
    if not decision.allowed:
        raise NetworkBlocked("the base_url is not one that models may reach")
    if _is_literal(address.host):
        check_address(network, address.host, address.port)


def _check_public(address: Address) -> None:
    host = address.host
    here = host == "localhost" or host.endswith(".localhost")
    if here or (_is_literal(host) and refusal(host)):
        raise NetworkBlocked(
            "the base_url leads to an address that is not public; what a server is told to "
            "reach there stands in [model_network] of its policy file",
            verdict=NetworkVerdict.BLOCK_ADDRESS.value,
        )


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
