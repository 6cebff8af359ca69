"""The runtime's own requests under a policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from adapters.network.networkhelp import (
    HERE,
    HOSTILE,
    OUTSIDE,
    Outside,
    allowing,
    answer,
    certificate,
    listening,
)
from holdfast.adapters.models.factory import build_client
from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.network.dialer import Dialer
from holdfast.adapters.network.transport import GuardedTransport
from holdfast.core.errors import NetworkBlocked, ProviderFailed
from holdfast.core.messages import Message, Role, Text
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelRequest


def test_a_listed_host_over_tls(tmp_path: Path) -> None:
    """The address is pinned, and the certificate is still that of the host's name."""
    theirs, ours = certificate(tmp_path)

    async def main() -> None:
        async with listening(Outside(), theirs) as outside:
            transport = GuardedTransport(
                allowing(outside.port, Scheme.HTTPS), dialer=HERE, verify=ours
            )
            async with httpx2.AsyncClient(transport=transport) as client:
                found = await client.get(f"https://{OUTSIDE}:{outside.port}/x")
            assert "outside" == found.text
            assert f"Host: {OUTSIDE}:{outside.port}".lower() in outside.heard.decode().lower()

    asyncio.run(main())


def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    """Pinning an address does not weaken TLS."""
    theirs, ours = certificate(tmp_path, "other.test")

    async def main() -> None:
        async with listening(Outside(), theirs) as outside:
            transport = GuardedTransport(
                allowing(outside.port, Scheme.HTTPS), dialer=HERE, verify=ours
            )
            async with httpx2.AsyncClient(transport=transport) as client:
                with pytest.raises(httpx2.ConnectError):
                    await client.get(f"https://{OUTSIDE}:{outside.port}/x")
            assert b"" == outside.heard

    asyncio.run(main())


@pytest.mark.parametrize(
    ("method", "address", "verdict"),
    [
        ("GET", "http://other.test/", "block_domain"),
        ("GET", "http://outside.test:{inside}/", "block_protocol"),
        ("GET", "https://outside.test:{outside}/", "block_protocol"),
        ("DELETE", "http://outside.test:{outside}/", "block_method"),
        ("GET", "http://127.0.0.1:{inside}/", "block_domain"),
        ("GET", "http://inside.test:{inside}/", "block_address"),
    ],
)
def test_what_is_refused(method: str, address: str, verdict: str) -> None:
    """By the same rules as in the sandbox; methods are seen here."""

    async def main() -> None:
        async with listening(Outside()) as outside, listening(Outside()) as inside:
            rules = (
                NetworkRule(
                    host=OUTSIDE, ports=(outside.port,), schemes=(Scheme.HTTP,), methods=("GET",)
                ),
                NetworkRule(host="inside.test", ports=(inside.port,), schemes=(Scheme.HTTP,)),
            )
            policy = NetworkPolicy(rules=rules, unsafe_addresses=(f"127.0.0.1:{outside.port}",))
            url = address.format(inside=inside.port, outside=outside.port)
            transport = GuardedTransport(policy, dialer=HERE)
            async with httpx2.AsyncClient(transport=transport) as client:
                with pytest.raises(NetworkBlocked) as refused:
                    await client.request(method, url)
            assert verdict == refused.value.verdict
            assert (0, 0) == (outside.connections, inside.connections)

    asyncio.run(main())


def test_redirects_are_judged_again() -> None:
    """A host that may be reached cannot send the client to one that may not."""

    async def main() -> None:
        async with listening(Outside()) as inside:
            reply = answer(b"", "302 Found", f"Location: http://127.0.0.1:{inside.port}/")
            async with listening(Outside(reply)) as outside:
                transport = GuardedTransport(allowing(outside.port), dialer=HERE)
                async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
                    with pytest.raises(NetworkBlocked):
                        await client.get(f"http://{OUTSIDE}:{outside.port}/")
                assert (1, 0) == (outside.connections, inside.connections)

    asyncio.run(main())


def test_a_name_is_resolved_once_for_each_request() -> None:
    """A resolver that answers otherwise the next time has no second time."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async def main() -> None:
        async with listening(Outside()) as outside:
            policy = allowing(outside.port)
            transport = GuardedTransport(policy, dialer=Dialer(resolver=rebinding))
            async with httpx2.AsyncClient(transport=transport) as client:
                url = f"http://{OUTSIDE}:{outside.port}/"
                assert "outside" == (await client.get(url)).text
                with pytest.raises(NetworkBlocked):
                    await client.get(url)
                assert 2 == len(asked)

    asyncio.run(main())


@pytest.mark.parametrize("host", [one for one in HOSTILE if one.isascii()])
def test_without_a_policy_only_what_is_public_is_reached(host: str) -> None:
    """Whatever the form: nobody listens to a request for this machine."""

    async def main() -> None:
        async with listening(Outside()) as inside:
            transport = GuardedTransport(None)
            shown = f"[{host}]" if ":" in host and "[" not in host else host
            async with httpx2.AsyncClient(transport=transport) as client:
                with pytest.raises((NetworkBlocked, httpx2.ConnectError, httpx2.InvalidURL)):
                    await client.get(f"http://{shown}:{inside.port}/")
            assert 0 == inside.connections

    asyncio.run(main())


def test_a_name_that_is_bound_anew_leads_nowhere_else() -> None:
    """It was public when it was judged: that address is connected to, and no other is asked for."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["192.0.2.1", "127.0.0.1"] if host == "both.test" else answers.pop(0)

    async def main() -> None:
        async with listening(Outside()) as inside:
            transport = GuardedTransport(None, dialer=Dialer(resolver=rebinding))
            async with httpx2.AsyncClient(transport=transport, timeout=0.2) as client:
                with pytest.raises(httpx2.TransportError):
                    await client.get(f"http://first.test:{inside.port}/")
                for name in ("first.test", "both.test"):
                    with pytest.raises(NetworkBlocked):
                        await client.get(f"http://{name}:{inside.port}/")
            assert (["first.test", "first.test", "both.test"], 0) == (asked, inside.connections)

    answers = [["1.1.1.1"], ["127.0.0.1"]]
    asyncio.run(main())


def test_without_a_policy_a_redirect_is_judged_too() -> None:
    """It leads to this machine, by a name and by its address."""

    class Redirecting(GuardedTransport):
        """Its first host is one that answers; what follows is judged as ever."""

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if request.url.host == "public.test":
                target = request.url.params["to"]
                return httpx2.Response(302, headers={"Location": target}, request=request)
            return await super().handle_async_request(request)

    async def main() -> None:
        async with listening(Outside()) as inside:
            transport = Redirecting(None)
            async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
                for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
                    target = f"http://{host}:{inside.port}/"
                    with pytest.raises(NetworkBlocked):
                        await client.get("http://public.test/", params={"to": target})
            assert 0 == inside.connections

    asyncio.run(main())


def test_a_host_without_address_is_a_connection_that_failed() -> None:
    """It is no refusal, so that callers may try again."""

    async def main() -> None:
        rule = NetworkRule(host="gone.test", schemes=(Scheme.HTTP,))
        transport = GuardedTransport(NetworkPolicy(rules=(rule,)), dialer=HERE)
        async with httpx2.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("http://gone.test/")

    asyncio.run(main())


@pytest.mark.parametrize("provider", ["openai", "anthropic", "compatible"])
def test_a_model_s_client_keeps_to_a_policy(provider: str) -> None:
    """It says which verdict stopped it, once, and nobody is connected to."""

    async def main() -> None:
        async with listening(Outside()) as inside:
            settings = ModelSettings(
                provider=provider,
                model="m",
                base_url=f"http://127.0.0.1:{inside.port}",
                key="env:KEY",
            )
            client = build_client(
                settings,
                environ={"KEY": "k"},
                limits=CallLimits(attempts=3),
                network=NetworkPolicy(rules=(NetworkRule(host="api.example.org"),)),
            )
            request = ModelRequest(system="", messages=(Message(Role.USER, (Text("hi"),)),))
            with pytest.raises(ProviderFailed, match="block_domain") as failed:
                async for _ in client.stream(request):
                    pass
            assert not failed.value.retryable
            assert 0 == inside.connections
            await client.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("provider", ["openai", "anthropic", "compatible"])
def test_a_model_that_is_for_public_addresses_reaches_no_other(provider: str) -> None:
    """By name and by address; the same settings without it do reach it."""

    async def main() -> None:
        request = ModelRequest(system="", messages=(Message(Role.USER, (Text("hi"),)),))
        async with listening(Outside()) as inside:
            for host, public_only in (
                ("localhost", True),
                ("127.0.0.1", True),
                ("127.0.0.1", False),
            ):
                settings = ModelSettings(
                    provider=provider,
                    model="m",
                    base_url=f"http://{host}:{inside.port}",
                    key="env:KEY",
                    public_only=public_only,
                )
                limits = CallLimits(attempts=1)
                client = build_client(settings, environ={"KEY": "k"}, limits=limits)
                with pytest.raises(ProviderFailed) as failed:
                    async for _ in client.stream(request):
                        pass
                assert public_only == ("block_address" in str(failed.value))
                assert (0 if public_only else 1) == inside.connections
                await client.aclose()

    asyncio.run(main())
