"""The models port: one streamed call to a language model.

Contract
- `stream` yields deltas and then exactly one `ModelReply` as its last item.
- It is cancelled by task cancellation and closes its connection then.
- Retries are the adapter's while nothing of the answer came and nothing can have
  been charged: a refused connection, a status that says no. After a delta, or where
  the request may have been carried out (`billable`), it does not retry by itself:
  the engine decides, because each attempt that may be charged is reserved for.
  Failures raise `ProviderFailed`, with `retryable` and `billable` set truthfully
  and without the response body.
- `usage.cost_micros` is integer micro-USD, rounded up; an unknown model takes
  the worst price of the table and sets `estimated`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol, TypeGuard, runtime_checkable

from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message, Part
from holdfast.core.quantities import Usage
from holdfast.core.security import Zone
from holdfast.core.tools import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """All a model is told in one call.

    Args:
        system: the system prompt, possibly empty.
        messages: a conversation that is valid for every provider: each tool
            call is followed by its result.
        tools: tools the model may call, in a stable order.
        thinking_tokens: reasoning budget in tokens; None means off.
        max_output_tokens: limit of the answer; None means the adapter's default.
        idempotency_key: stable over attempts of the same call.
    """

    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    thinking_tokens: int | None = None
    max_output_tokens: int | None = None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """More of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUseStarted:
    """The model began to write a tool call."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """The finished answer.

    Args:
        parts: text, thinking and tool calls in the order the model gave them.
        stop: "stop", "tool_use", "length", "refusal" or the provider's word.
    """

    parts: tuple[Part, ...]
    usage: Usage = field(default_factory=Usage)
    stop: str = "stop"
    model: str = ""
    provider: str = ""


ModelEvent = TextDelta | ThinkingDelta | ToolUseStarted | ModelReply


@runtime_checkable
class ModelClient(Protocol):
    """A client of one model."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def provider(self) -> str:
        """The provider's name."""
        ...

    @property
    def context_tokens(self) -> int:
        """Size of the model's context window in tokens."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call; see the contract above."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class PricedClient(Protocol):
    """A client that knows its prices; budgets reserve what a call may cost before it."""

    @property
    def max_output_tokens(self) -> int | None:
        """Limit of an answer that each request is to carry; None leaves it out."""
        ...

    def worst_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The most so many tokens may cost, in micro-USD, rounded up.

        Input counts at the dearest price it may have: read, or written to a cache.
        """
        ...


@runtime_checkable
class ZonedClient(Protocol):
    """A client that declares where its model runs; one that does not counts as public."""

    @property
    def zone(self) -> Zone:
        """Where the model runs."""
        ...

    @property
    def sees(self) -> Sensitivity | None:
        """The most sensitive content it may see in clear; None means as its zone says."""
        ...


@runtime_checkable
class GuessingClient(Protocol):
    """A priced client that says whether it knows its prices or takes the worst there is."""

    @property
    def price_known(self) -> bool:
        """Whether its prices are known; if not, its bills are `estimated`."""
        ...


# `isinstance` with a protocol looks at each of its members anew, and these are asked
# before and within every decision.


def is_priced(client: ModelClient) -> TypeGuard[PricedClient]:
    """Whether a client knows its prices."""
    return hasattr(client, "worst_cost") and hasattr(client, "max_output_tokens")


def is_zoned(client: ModelClient) -> TypeGuard[ZonedClient]:
    """Whether a client declares where its model runs."""
    return hasattr(client, "zone") and hasattr(client, "sees")


def is_guessing(client: object) -> TypeGuard[GuessingClient]:
    """Whether a client says if it knows its prices."""
    return hasattr(client, "price_known")
