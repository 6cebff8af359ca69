"""The address guard: which addresses are public, in whatever form they are written.

Rules
- An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, Teredo, NAT64,
  ISATAP) is judged by what it carries, all of it.
- Only globally reachable unicast addresses pass. The lists of special-purpose
  addresses (RFC 6890 and its registries) are written out here, so that the answer
  does not depend on the interpreter's version, and the interpreter's opinion is
  asked besides: both must agree.
- The one public address at which a cloud's machines reach their host (Azure's platform
  address) is none of the outside either.
- What is not an address is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

IP = IPv4Address | IPv6Address

_SPECIAL_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "168.63.129.16/32", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
_SPECIAL_6 = tuple(
    IPv6Network(text)
    for text in (
        "::/8", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
        "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
        "ff00::/8",
    )
)  # fmt: skip
_NAT64 = IPv6Network("64:ff9b::/96")
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_LOW_32 = 2**32 - 1
_EMBEDDING = (0, 0xFFFF, 0xFFFF_0000)  # compatible, mapped, translated
_ISATAP = (0x00005EFE, 0x02005EFE)


def carried(address: IP) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return
    value = int(address)
    embedded = value >> 32 in _EMBEDDING and value > 1
    if embedded or address in _NAT64 or (value >> 32) & _LOW_32 in _ISATAP:
        yield IPv4Address(value & _LOW_32)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(value >> 80 & _LOW_32)
    if address in _TEREDO:
        yield IPv4Address(value >> 64 & _LOW_32)
        yield IPv4Address(~value & _LOW_32)


def refusal(text: str) -> str:
    """Why an address may not be connected to, or "" if it is public.

    Args:
        text: as a resolver returned it.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "is not an address"
    inner = tuple(carried(address))
    if any(not _public(one) for one in inner):
        return "leads to an address that is not public"
    # What only carries a public IPv4 address is judged by that alone where the
    # form itself is special by its nature.
    if inner and (address in _NAT64 or address in _SIX_TO_FOUR or int(address) >> 32 == 0xFFFF):
        return ""
    return "" if _public(address) else "is not a public address"


def _public(address: IP) -> bool:
    if isinstance(address, IPv4Address):
        special = any(address in network for network in _SPECIAL_4)
    else:
        special = address.scope_id is not None or any(address in one for one in _SPECIAL_6)
    return not special and address.is_global and not address.is_multicast
