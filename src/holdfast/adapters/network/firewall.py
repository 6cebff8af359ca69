"""The firewall of an installation: the proxies and meters of its sessions."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.adapters.network.dialer import Dialer
from holdfast.adapters.network.meter import Meter
from holdfast.adapters.network.proxy import EgressProxy, ProxyEntry, ProxyLimits
from holdfast.core.network import NetworkPolicy

SessionLog = Callable[[str, ProxyEntry], None]
"""Told the session's id and what became of one of its requests."""


def no_log(session_id: str, entry: ProxyEntry) -> None:
    """Keep nothing; what a command asked for is in its result's facts all the same."""


class Firewall:
    """Makes the proxies of sessions; all of one session are on one meter.

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
        self._meters: dict[str, Meter] = {}

    def meter(self, session_id: str) -> Meter:
        """The meter of a session, which counts while this process lives."""
        return self._meters.setdefault(session_id, Meter())

    def proxy(
        self,
        session_id: str,
        policy: NetworkPolicy,
        log: Callable[[ProxyEntry], None] = lambda entry: None,
    ) -> EgressProxy:
        """A proxy for one command of a session.

        Args:
            log: told of each decision besides the firewall's own.
        """

        def told(entry: ProxyEntry) -> None:
            log(entry)
            self.log(session_id, entry)

        return EgressProxy(
            policy,
            dialer=self.dialer,
            meter=self.meter(session_id),
            log=told,
            limits=self._limits,
        )
