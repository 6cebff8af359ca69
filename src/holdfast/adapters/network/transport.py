"""The runtime's own requests under a network policy: a transport for its HTTP client.

Rules
- Every request is judged, also each that follows a redirect, by the same rules and the
  same reading of hosts as the proxy of the sandbox; here methods are seen in https too.
- Without a policy any host may be meant, and every address has to be public.
- Its host is resolved once, checked, and connected to by the address that was checked;
  TLS and the header `Host` still are for the host's name.
- Connections are kept for each host apart, so that two hosts at one address never
  share one.
- The environment's proxies are not used.
"""

from __future__ import annotations

import ssl

import httpx2

from holdfast.adapters.network.dialer import Dialer
from holdfast.core.errors import NetworkBlocked
from holdfast.core.network import (
    NetworkPolicy,
    NetworkVerdict,
    Scheme,
    judge_request,
    read_address,
)

HOSTS_MAX = 64
NO_EXCEPTION = NetworkPolicy()
"""Under it no address that is not public is reached."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Sends requests that the policy lets through.

    Args:
        policy: what may be reached; its byte budget is not counted here. None: any host
            over http and https, at public addresses only.
        dialer: finds and checks addresses.
        verify: how certificates are verified; default: as the client library does.
    """

    def __init__(
        self,
        policy: NetworkPolicy | None,
        *,
        dialer: Dialer | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._dialer = dialer or Dialer()
        self._verify = verify
        self._hosts: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Judge, resolve and check, then send.

        Raises:
            NetworkBlocked: the policy does not let it through.
            httpx2.ConnectError: the host has no address.
        """
        address = read_address(str(request.url))
        if address is None:
            raise NetworkBlocked("the address of a request is not certain")
        if address.scheme not in (Scheme.HTTP, Scheme.HTTPS):
            verdict = NetworkVerdict.BLOCK_PROTOCOL.value
            raise NetworkBlocked("only http and https are spoken", verdict=verdict)
        host, port, scheme = address.host, address.port, Scheme(address.scheme)
        if self._policy is not None:
            decision = judge_request(self._policy, scheme, host, port, method=request.method)
            if not decision.allowed:
                message = f"{host}:{port}: {decision.detail}"
                raise NetworkBlocked(message, verdict=decision.verdict.value)
        try:
            found = await self._dialer.addresses(self._policy or NO_EXCEPTION, host, port)
        except OSError as error:
            raise httpx2.ConnectError(str(error), request=request) from None
        return await self._to(host).handle_async_request(_pinned(request, host, found[0]))

    def _to(self, host: str) -> httpx2.AsyncHTTPTransport:
        known = self._hosts.get(host)
        if known is None:
            if len(self._hosts) >= HOSTS_MAX:
                raise NetworkBlocked(f"more than {HOSTS_MAX} hosts", verdict="block_domain")
            verify = True if self._verify is None else self._verify
            known = self._hosts[host] = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False)
        return known

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._hosts.values():
            await transport.aclose()
        self._hosts.clear()


def _pinned(request: httpx2.Request, host: str, address: str) -> httpx2.Request:
    """The same request to an address; its header `Host` stays as it was made."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
