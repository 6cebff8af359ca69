"""The firewall of an installation: the proxies of its sessions."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.adapters.network.dialer import Dialer
from holdfast.adapters.network.proxy import EgressProxy, ProxyEntry, ProxyLimits
from holdfast.core.network import NetworkPolicy
from holdfast.ports.tool import ByteMeter

SessionLog = Callable[[str, ProxyEntry], None]
"""Told the session's id and what became of one of its requests."""


def no_log(session_id: str, entry: ProxyEntry) -> None:
    """Keep nothing; what a command asked for is in its result's facts all the same."""


class Firewall:
    """Makes the proxies of sessions.

    Args:
        dialer: makes the connections.
        log: told of each decision.
        limits: of each proxy.
    """

    def __init__(
        self,
        *,
        dialer: Dialer | None = None,
        log: SessionLog = no_log,
        limits: ProxyLimits | None = None,
    ) -> None:
        self.dialer = dialer or Dialer()
        self.log = log
        self._limits = limits or ProxyLimits()

    def proxy(
        self,
        session_id: str,
        policy: NetworkPolicy,
        log: Callable[[ProxyEntry], None] = lambda entry: None,
        *,
        meter: ByteMeter | None = None,
    ) -> EgressProxy:
        """A proxy for one command of a session.

        Args:
            log: told of each decision besides the firewall's own.
            meter: the session's; None counts what this command exchanges.
        """

        def told(entry: ProxyEntry) -> None:
            log(entry)
            self.log(session_id, entry)

        return EgressProxy(
            policy,
            dialer=self.dialer,
            meter=meter,
            log=told,
            limits=self._limits,
        )
