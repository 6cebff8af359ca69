"""What a session's tools may reach: the installation's network policy and the session's list."""

from __future__ import annotations

from functools import lru_cache

from holdfast.core.network import NetworkPolicy, session_network
from holdfast.core.security import Security


def network_of(installation: NetworkPolicy | None, security: Security) -> NetworkPolicy | None:
    """The hosts that commands of a session may reach; None for no network at all.

    Args:
        installation: the most that any session may reach; None says nothing.
        security: the settings that hold for the session (`Trust.binding`).
    """
    listed = security.hosts if security.enabled else ()
    if installation is None and not listed:
        return None
    return _known(installation, listed)


@lru_cache(maxsize=256)  # asked for with every call that is judged
def _known(installation: NetworkPolicy | None, listed: tuple[str, ...]) -> NetworkPolicy | None:
    return session_network(installation, listed)
