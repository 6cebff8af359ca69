"""Where a model runs: as declared, else as its address says."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings


def zone_of(settings: ModelSettings) -> Zone:
    """The zone of a model's endpoint; an address that is not this machine's is public.

    A name is never looked up: what it leads to may change after it was judged.
    """
    if settings.zone is not None:
        return settings.zone
    if settings.base_url is None:
        return Zone.PUBLIC
    host = urlsplit(settings.base_url).hostname or ""
    if host.casefold() == "localhost":
        return Zone.LOCAL
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = False
    return Zone.LOCAL if here else Zone.PUBLIC
