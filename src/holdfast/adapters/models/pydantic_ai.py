"""Models of OpenAI, Anthropic and every server that speaks one of their protocols.

- One call is one streamed request; what the library offers beside that (its own
  retries, agents, tools of the provider) is switched off or not used.
- Only attempts that cannot have been charged are repeated here, before the first
  delta (see the port); others are the engine's, which reserves for each.
- Redirects are not followed, so that the key goes to the configured host only.
- Errors carry facts, never a response body or a key (`faults`).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx2
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import Model

from holdfast.adapters.models.faults import KNOWN_ERRORS, Fault, Truncated, fault_of
from holdfast.adapters.models.limits import CallLimits, wait_seconds
from holdfast.adapters.models.options import call_settings, output_limit
from holdfast.adapters.models.prices import (
    context_window,
    price,
    price_known,
    rates_of,
    worst_price,
)
from holdfast.adapters.models.translate import (
    from_wire,
    parameters,
    stop_word,
    to_wire,
    usage_of,
)
from holdfast.adapters.models.zones import zone_of
from holdfast.adapters.network.transport import GuardedTransport
from holdfast.adapters.telemetry.factory import carry_trace
from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.network import NetworkPolicy
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.ports.clock import Clock, SystemClock
from holdfast.ports.model import (
    ModelEvent,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)

_KEY = re.compile(r"[!-~]+")


async def _traced(request: httpx2.Request) -> None:
    """Tell the provider which trace a request belongs to, if it belongs to one."""
    carry_trace(request.headers)


def _random_fraction() -> float:
    return secrets.randbits(53) / 2**53


class PydanticAIModel:
    """A client of one model; see the port for its contract.

    Args:
        settings: which model; the reference to the key is not read here.
        key: the key itself; it is given to the connection and kept nowhere else.
        limits: time limits and retries.
        clock: waits between attempts, and the wall clock for HTTP dates.
        jitter: returns a random number in [0, 1) for each wait.
        prompt_cache: ask Anthropic to cache the prompt; default only at its own
            address, because compatible servers may refuse the field.
        network: what its requests may reach; None for whatever its address leads to, or
            for what is public where the settings say `public_only`.

    Raises:
        InvalidInput: the key has signs that no header can carry.
    """

    def __init__(
        self,
        settings: ModelSettings,
        *,
        key: str,
        limits: CallLimits,
        clock: Clock | None = None,
        jitter: Callable[[], float] = _random_fraction,
        prompt_cache: bool | None = None,
        network: NetworkPolicy | None = None,
    ) -> None:
        if not _KEY.fullmatch(key):
            raise InvalidInput(f"the key for {settings.provider} has signs no header can carry")
        self._settings = settings
        self._rates = rates_of(settings)
        self._limits = limits
        self._clock: Clock = clock or SystemClock()
        self._jitter = jitter
        official = settings.base_url is None
        self._prompt_cache = official if prompt_cache is None else prompt_cache
        guarded = network is not None or settings.public_only
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(limits.idle_s, connect=limits.connect_s),
            follow_redirects=False,
            transport=GuardedTransport(network) if guarded else None,
            event_hooks={"request": [_traced]},
        )
        self._wire = _wire_model(settings, key, self._http)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._settings.model

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._settings.provider

    @property
    def zone(self) -> Zone:
        """Where the model runs, as declared, or as its address says."""
        return zone_of(self._settings)

    @property
    def sees(self) -> Sensitivity | None:
        """The most sensitive content it may see in clear, if that is declared."""
        return self._settings.sees

    @property
    def context_tokens(self) -> int:
        """Size of the model's context window in tokens."""
        return context_window(self.provider, self.model)

    @property
    def max_output_tokens(self) -> int | None:
        """The longest answer it is asked for, in tokens; see `output_limit`."""
        return output_limit(self._settings, self._wire, priced=self.price_known)

    @property
    def price_known(self) -> bool:
        """Whether its prices are configured or in the table."""
        return price_known(self.provider, self.model, self._rates)

    def worst_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The most so many tokens may cost, in micro-USD, rounded up."""
        return worst_price(self.provider, self.model, input_tokens, output_tokens, self._rates)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call.

        Raises:
            ProviderFailed: the provider refused, or the attempts are used up.
            ProviderTimeout: a time limit was reached.
        """
        if request.max_output_tokens is None:
            # What is reserved for a call counts on the limit also where its maker set none.
            request = replace(request, max_output_tokens=self.max_output_tokens)
        deadline = self._now() + self._limits.total_s
        for attempt in range(1, self._limits.attempts + 1):
            began = False
            fault: Fault | None = None
            try:
                async with aclosing(self._attempt(request, deadline)) as events:
                    async for event in events:
                        began = True
                        yield event
            except (*KNOWN_ERRORS, Truncated) as error:
                fault = fault_of(error, self.provider, self._clock.now_ms())
            # Outside of the handler, so that no error of the library is chained to ours:
            # those hold the response body, and their requests hold the key.
            if fault is None:
                return
            wait = wait_seconds(self._limits, attempt, self._jitter(), fault.retry_after_s)
            last = attempt == self._limits.attempts or self._now() + wait >= deadline
            if began or last or fault.billable or not fault.retryable:
                raise fault.error()
            await self._clock.sleep(wait)

    async def aclose(self) -> None:
        """Close connections."""
        await self._http.aclose()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _attempt(self, request: ModelRequest, deadline: float) -> AsyncGenerator[ModelEvent]:
        """Send the request once; the connection is closed before the reply is given."""
        reader = _Reader({use.id for message in request.messages for use in message.tool_uses})
        opening = model_request_stream(
            self._wire,
            to_wire(request.messages, self.provider, self._wire.system),
            model_settings=call_settings(request, self._wire, self.provider, self._prompt_cache),
            model_request_parameters=parameters(request),
            instrument=False,
        )
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(deadline):
                response = await stack.enter_async_context(opening)
            events = aiter(response)
            while True:
                # No `yield` inside the limit: the consumer's own time is not the provider's.
                async with asyncio.timeout_at(deadline):
                    event = await anext(events, None)
                if event is None:
                    break
                for delta in reader.deltas(event):
                    yield delta
            answer = response.get()
        yield self._reply(answer, request, reader.ids)

    def _reply(self, answer: ModelResponse, request: ModelRequest, ids: list[str]) -> ModelReply:
        details = answer.provider_details or {}
        finish = "refusal" if "refusal" in details else details.get("finish_reason")
        if not isinstance(finish, str):
            raise Truncated
        parts = from_wire(answer.parts, self.provider, ids)
        named = answer.model_name or self.model
        return ModelReply(
            parts=parts,
            usage=self._priced(usage_of(answer.usage, request, parts), named),
            stop=stop_word(finish, parts),
            model=named,
            provider=self.provider,
        )

    def _priced(self, usage: Usage, named: str) -> Usage:
        """Add the price: of the model that answered, else of the one that was asked."""
        micros, estimated = price(self.provider, named, usage, rates=self._rates)
        if estimated and named != self.model:
            micros, estimated = price(self.provider, self.model, usage, rates=self._rates)
        return Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            cost_micros=micros,
            estimated=estimated or usage.estimated,
        )


class _Reader:
    """Turns the library's events into deltas and gives tool calls their ids."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._by_index: dict[int, str] = {}

    @property
    def ids(self) -> list[str]:
        """The ids of the tool calls, in the order of their parts."""
        return [self._by_index[index] for index in sorted(self._by_index)]

    def deltas(self, event: object) -> list[ModelEvent]:
        """Return what an event means to us, possibly nothing."""
        match event:
            case PartStartEvent(part=TextPart(content=text)) if text:
                return [TextDelta(text)]
            case PartStartEvent(part=ThinkingPart(content=text)) if text:
                return [ThinkingDelta(text)]
            case PartStartEvent(index=index, part=ToolCallPart() as call):
                return self._started(index, call)
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                return [TextDelta(text)]
            case PartDeltaEvent(delta=ThinkingPartDelta(content_delta=text)) if text:
                return [ThinkingDelta(text)]
            case _:
                return []

    def _started(self, index: int, call: ToolCallPart) -> list[ModelEvent]:
        if index in self._by_index:
            return []
        # Some compatible servers repeat ids; a conversation needs each once.
        wanted = call.tool_call_id or "call"
        number = 1
        id_ = wanted
        while id_ in self._taken:
            number += 1
            id_ = f"{wanted}_{number}"
        self._taken.add(id_)
        self._by_index[index] = id_
        return [ToolUseStarted(id=id_, name=call.tool_name)]


def _wire_model(settings: ModelSettings, key: str, http: httpx2.AsyncClient) -> Model[Any]:
    if settings.provider == "anthropic":
        return _anthropic(settings, key, http)
    return _openai(settings, key, http)


def _anthropic(settings: ModelSettings, key: str, http: httpx2.AsyncClient) -> Model[Any]:
    # lazy: each provider's library takes seconds to import; only the one in use is.
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    base_url = settings.base_url
    client = AsyncAnthropic(
        api_key=key,
        base_url=base_url.rstrip("/").removesuffix("/v1") if base_url else None,
        http_client=http,
        timeout=http.timeout,
        max_retries=0,
        # The library sends a bearer token; many compatible servers read the older header.
        default_headers={"X-Api-Key": key} if base_url else None,
    )
    return AnthropicModel(settings.model, provider=AnthropicProvider(anthropic_client=client))


def _openai(settings: ModelSettings, key: str, http: httpx2.AsyncClient) -> Model[Any]:
    # lazy: each provider's library takes seconds to import; only the one in use is.
    from openai import AsyncOpenAI
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    from holdfast.adapters.models.openai_chat import ChatModel

    base_url = settings.base_url
    if base_url is not None and not urlsplit(base_url).path.strip("/"):
        base_url = base_url.rstrip("/") + "/v1"
    client = AsyncOpenAI(
        api_key=key, base_url=base_url, http_client=http, timeout=http.timeout, max_retries=0
    )
    if settings.provider == "openai":
        return ChatModel(settings.model, provider=OpenAIProvider(openai_client=client))
    return ChatModel(
        settings.model,
        provider=OpenAICompatibleProvider(settings.provider, openai_client=client),
        # Compatible servers know the older name of the limit.
        profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False),
    )
