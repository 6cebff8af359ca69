"""What a request asks of a model beside its words: limits, thinking, caching."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings as WireSettings

from holdfast.core.messages import Role, Thinking
from holdfast.ports.model import ModelRequest

THINKING_TOKENS_MIN = 1024
ANSWER_TOKENS_AFTER_THINKING = 8192

Effort = Literal["low", "medium", "high"]


def effort_of(tokens: int) -> Effort:
    """Map a thinking budget in tokens to the effort of models that take no budget."""
    if tokens <= 2048:
        return "low"
    return "medium" if tokens <= 12_288 else "high"


def call_settings(
    request: ModelRequest, model: Model[Any], provider: str, prompt_cache: bool
) -> WireSettings:
    """Return the library's settings of one call.

    Args:
        request: the call.
        model: the library's model.
        provider: our name of the provider.
        prompt_cache: ask Anthropic to cache the prompt.
    """
    settings: dict[str, object] = {"parallel_tool_calls": True}
    if request.max_output_tokens is not None:
        settings["max_tokens"] = request.max_output_tokens
    if request.idempotency_key.isascii() and request.idempotency_key.isprintable():
        key = request.idempotency_key.strip()
        if key:
            settings["extra_headers"] = {"Idempotency-Key": key}
    if provider == "anthropic":
        settings |= _anthropic_thinking(request, model)
        if prompt_cache:
            settings["anthropic_cache"] = True
    else:
        settings |= _openai_thinking(request, model, provider)
    return cast(WireSettings, settings)


def _openai_thinking(request: ModelRequest, model: Model[Any], provider: str) -> dict[str, object]:
    if request.thinking_tokens is None:
        return {"thinking": False}
    effort = effort_of(request.thinking_tokens)
    if provider == "openai":
        # The library leaves it out for models that would refuse it.
        return {"thinking": effort}
    # Nothing is known of a compatible server's models: what was asked for is sent.
    return {"openai_reasoning_effort": effort}


def _anthropic_thinking(request: ModelRequest, model: Model[Any]) -> dict[str, object]:
    profile: dict[str, Any] = dict(model.profile)
    if request.thinking_tokens is None:
        return {"thinking": False}
    if profile.get("anthropic_disallows_budget_thinking", False):
        return {"thinking": effort_of(request.thinking_tokens)}
    if _continues_without_thinking(request):
        return {"thinking": False}
    answer = request.max_output_tokens or ANSWER_TOKENS_AFTER_THINKING
    ceiling = profile.get("anthropic_max_output_tokens")
    budget = max(THINKING_TOKENS_MIN, request.thinking_tokens)
    limit = budget + answer
    if isinstance(ceiling, int) and limit > ceiling:
        # The limit holds thinking and answer together; the answer keeps its share.
        limit = ceiling
        budget = max(THINKING_TOKENS_MIN, min(budget, ceiling - min(answer, ceiling // 2)))
    return {
        "anthropic_thinking": {"type": "enabled", "budget_tokens": budget},
        "max_tokens": limit,
    }


def _continues_without_thinking(request: ModelRequest) -> bool:
    """Whether the request goes on after tool calls that were made without thinking.

    Anthropic refuses thinking there; it can begin again with the next user message.
    """
    for message in reversed(request.messages):
        if message.role is Role.USER:
            return False
        if message.role is Role.ASSISTANT:
            return not any(
                isinstance(part, Thinking) and part.provider == "anthropic" and part.signature
                for part in message.parts
            )
    return False
