"""The most a model call may cost: what is reserved before it (contract 1.6).

How many tokens a request has is only known to the provider, so the estimate is
taken with a margin, up to the whole context window. A client that names no prices
costs nothing beforehand; what it reports afterwards counts all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from holdfast.core.actions import Cost
from holdfast.core.messages import estimate_tokens
from holdfast.core.tools import ToolSpec
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient, ModelRequest, is_guessing, is_priced
from holdfast.runtime.offer import offered

THINKING_TOKENS = 8_192
OUTPUT_TOKENS = 8_192
"""How long an answer is taken to be at most where the client names no limit."""

MARGIN_PERCENT = 150
"""Of the estimate; a text of rare signs has more tokens than a quarter of its characters."""


def max_output_of(client: ModelClient) -> int | None:
    """The limit of an answer that a client's requests carry, in tokens, or None."""
    return client.max_output_tokens if is_priced(client) else None


class Pricing:
    """What the next call of a session's model may cost, computed once a configuration."""

    def __init__(self, specs: Callable[[], Sequence[ToolSpec]]) -> None:
        self._specs = specs
        self._key: tuple[object, ...] = ()
        self._cost = Cost()

    def next_call(self, client: ModelClient, view: SessionView, prompt: str) -> Cost:
        """The most the next call may cost beside the context, which the guard adds."""
        specs = self._specs()
        key = (client, view.settings, len(prompt), len(specs))
        if len(self._key) != len(key) or any(
            one is not other and one != other for one, other in zip(key, self._key, strict=True)
        ):
            tools = offered(view, specs)
            fixed = len(prompt) // 4 + sum(len(tool.parameters) // 4 for tool in tools)
            thinking = view.settings.thinking_tokens or THINKING_TOKENS
            output = (max_output_of(client) or OUTPUT_TOKENS) + (
                thinking if view.settings.thinking else 0
            )
            window = min(view.settings.context_tokens, client.context_tokens)
            self._cost = _cost(client, fixed, output, window)
            self._key = key
        return self._cost


def cost_of_request(client: ModelClient, request: ModelRequest) -> Cost:
    """The most a request of the embedding program may cost."""
    tokens = len(request.system) // 4 + sum(len(tool.parameters) // 4 for tool in request.tools)
    tokens += sum(estimate_tokens(message) for message in request.messages)
    output = request.max_output_tokens or max_output_of(client) or OUTPUT_TOKENS
    return _cost(client, tokens, output + (request.thinking_tokens or 0), 0)


def _cost(client: ModelClient, tokens: int, output: int, window: int) -> Cost:
    """Price a call.

    Args:
        tokens: estimate of what is sent beside the context.
        output: the longest answer, in tokens.
        window: how much context may be sent besides; 0 for none.
    """
    sent = min(tokens * MARGIN_PERCENT // 100, client.context_tokens)
    if not is_priced(client):
        return Cost(tokens=sent + output, window=window)
    per_1k = -(-client.worst_cost(window, 0) * 1000 // window) if window else 0
    micros = client.worst_cost(sent, output)
    guessed = is_guessing(client) and not client.price_known
    return Cost(
        micros=micros, tokens=sent + output, window=window, per_1k=per_1k, estimated=guessed
    )
