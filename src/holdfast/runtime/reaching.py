"""What a session's tools may reach: the installation's network policy and the session's list."""

from __future__ import annotations

from functools import lru_cache

from holdfast.core.network import NetworkPolicy, session_network
from holdfast.core.security import Security
from holdfast.runtime.authority import Trust


def network_of(trust: Trust, own: Security) -> NetworkPolicy | None:
    """The hosts that commands of a session may reach; None for no network at all.

    Args:
        trust: what the session shares with the installation.
        own: the session's own content security; the installation's is joined in.
    """
    security = trust.joined(own) or own
    listed = security.hosts if security.enabled else ()
    if trust.network is None and not listed:
        return None
    return _known(trust.network, listed)


@lru_cache(maxsize=256)  # asked for with every call that is judged
def _known(installation: NetworkPolicy | None, listed: tuple[str, ...]) -> NetworkPolicy | None:
    return session_network(installation, listed)
