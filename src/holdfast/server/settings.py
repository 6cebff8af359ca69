"""How a server is set up; `holdfast serve` and those who mount the app give it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from holdfast.core.errors import InvalidInput

LOOPBACK_NAMES = frozenset({"localhost"})
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where a server listens and what it lets in.

    Args:
        host, port: where it listens; port 0 is any free one.
        tls_cert, tls_key: files in PEM; "" is no TLS.
        trusted_proxies: addresses and networks whose forwarded headers are believed.
        allowed_hosts: names it answers to beside those of this machine; with a port, or
            without one for any port.
        cors_origins: origins whose pages may call it; none by default.
        workspace_roots: directories; sessions of a workspace may work in those below
            `<root>/<workspace>`, and in no others.
        body_bytes_max: the largest body of a request, in bytes.
        requests_per_minute: of one principal; bursts of as many as a quarter of it.
        strangers_per_minute: requests of one address whose token is not valid, or that
            have none.
        keys_max: how many principals and addresses are counted at once.
        heartbeat_s: how often a silent stream says that it is alive, in seconds.
        drain_s: how long requests may go on once the server is told to stop, in seconds.
    """

    host: str = "127.0.0.1"
    port: int = 18790
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    workspace_roots: tuple[str, ...] = ()
    body_bytes_max: int = 8 * 1024 * 1024
    requests_per_minute: int = 6000
    strangers_per_minute: int = 120
    keys_max: int = 10_000
    heartbeat_s: float = 15.0
    drain_s: float = 10.0

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InvalidInput("TLS needs both a certificate and its key")
        if not 0 <= self.port <= 65535:
            raise InvalidInput("a port is 0 to 65535")
        for name in ("body_bytes_max", "requests_per_minute", "strangers_per_minute", "keys_max"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is at least 1")
        for origin in self.cors_origins:
            if origin == "*" or "://" not in origin or origin.endswith("/"):
                raise InvalidInput(f"an origin is like https://example.com, not {origin[:64]!r}")
        for proxy in self.trusted_proxies:
            _network(proxy)

    def check_binding(self) -> None:
        """Refuse to be reached by others in the clear.

        Raises:
            InvalidInput: it would listen beyond this machine without TLS, and no proxy
                is declared that has it.
        """
        if is_loopback(self.host) or self.tls_cert or self.trusted_proxies:
            return
        raise InvalidInput(
            f"{self.host} can be reached from elsewhere: give a TLS certificate and its key, "
            "or declare the proxy in front that has them"
        )

    def trusts(self, address: str) -> bool:
        """Whether an address is that of a declared proxy."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in _network(one) for one in self.trusted_proxies)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise InvalidInput(f"a proxy is an address or a network, not {text[:64]!r}") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES
