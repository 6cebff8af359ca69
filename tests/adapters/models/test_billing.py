"""What requests carry and what calls are billed, by what is known of a model's price."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.models.pydantic_ai import PydanticAIModel
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelReply, ModelRequest
from holdfast.testing.model_conformance import ask, gather
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import say

USAGE = Usage(1_000, 100, 300, 0, 10)
LIMITS = {"max_tokens", "max_completion_tokens"}


@asynccontextmanager
async def talking(
    provider: str, model: str = "any", **prices: str
) -> AsyncIterator[tuple[ProviderServer, PydanticAIModel]]:
    """A server and a client of it."""
    async with ProviderServer([say("x", usage=USAGE), say("y", usage=USAGE)]) as server:
        settings = ModelSettings(provider=provider, model=model, base_url=server.base_url, **prices)
        client = PydanticAIModel(settings, key="sk-test", limits=CallLimits(attempts=1))
        try:
            yield server, client
        finally:
            await client.aclose()


async def bill(client: PydanticAIModel, request: ModelRequest) -> Usage:
    """What a call was billed."""
    last = (await gather(client, request))[-1]
    assert isinstance(last, ModelReply)
    return last.usage


def limits_of(server: ProviderServer) -> list[object]:
    """The longest answer that each request asked for."""
    return [[one.body[name] for name in LIMITS & set(one.body)] for one in server.received]


@pytest.mark.parametrize("provider", ["local", "openai", "anthropic"])
def test_an_unknown_model_is_asked_for_short_answers(provider: str) -> None:
    """Without a price a limit goes along with every request; a caller's own stays."""

    async def run() -> None:
        async with talking(provider) as (server, client):
            assert not client.price_known and 4_096 == client.max_output_tokens
            usage = await bill(client, ask())
            assert usage.estimated and 0 < usage.cost_micros <= client.worst_cost(1_000, 100)
            await bill(client, replace(ask(), max_output_tokens=20_000))
            assert [[4_096], [20_000]] == limits_of(server)

    asyncio.run(run())


@pytest.mark.parametrize("provider", ["local", "openai", "anthropic"])
def test_configured_prices_bill_a_call(provider: str) -> None:
    """Cache and reasoning at the plain prices, nothing estimated, no limit of our own."""

    async def run() -> None:
        async with talking(provider, input_usd="0.5", output_usd="2") as (server, client):
            assert client.price_known and None is client.max_output_tokens
            assert 700 == client.worst_cost(1_000, 100)
            assert replace(USAGE, cost_micros=700) == await bill(client, ask())
            # Anthropic's protocol has no request without one; the library sends its own.
            assert (provider == "anthropic") == bool(limits_of(server)[0])

    asyncio.run(run())


def test_a_known_model_at_another_address_is_sent_no_limit() -> None:
    """A compatible server may refuse one, and the price is known."""

    async def run() -> None:
        async with talking("openai", "gpt-4o") as (server, client):
            assert client.price_known and None is client.max_output_tokens
            assert not (await bill(client, ask())).estimated
            assert [[]] == limits_of(server)

    asyncio.run(run())
