"""What a request asks of a model beside its words: limits, thinking, caching."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings as WireSettings

from holdfast.core.messages import Role, Thinking
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelRequest

THINKING_TOKENS_MIN = 1024
ANSWER_TOKENS_AFTER_THINKING = 8192

OUTPUT_TOKENS = 16_384
REASONING_OUTPUT_TOKENS = 32_768
SHORT_OUTPUT_TOKENS = 4_096
MEDIUM_OUTPUT_TOKENS = 8_192
SHORT_MODELS = (
    "gpt-3.5",
    "gpt-4-",
    "gpt-4o-2024-05-13",
    "claude-3-haiku",
    "claude-3-opus",
    "claude-3-sonnet",
)
"""Models whose longest answer is short; `gpt-4` itself has no room for a limit."""

Effort = Literal["low", "medium", "high"]


def output_limit(settings: ModelSettings, model: Model[Any], *, priced: bool = True) -> int | None:
    """Return the longest answer to ask a model for, in tokens.

    None where nothing is known of the server, which may refuse a limit. An answer
    whose price is not known always has one, and a short one: only so is the worst
    case a true one, and small enough for the limit of one action.

    Args:
        settings: which model.
        model: the library's model.
        priced: the model's prices are known, from the table or by configuration.
    """
    limit = _usual_limit(settings, model)
    return limit if priced else min(limit or SHORT_OUTPUT_TOKENS, SHORT_OUTPUT_TOKENS)


def _usual_limit(settings: ModelSettings, model: Model[Any]) -> int | None:
    if settings.base_url is not None:
        return None
    profile: dict[str, Any] = dict(model.profile)
    if settings.model.startswith(SHORT_MODELS):
        return SHORT_OUTPUT_TOKENS
    if settings.provider == "anthropic":
        ceiling = profile.get("anthropic_max_output_tokens")
        return min(OUTPUT_TOKENS, ceiling if isinstance(ceiling, int) else MEDIUM_OUTPUT_TOKENS)
    if settings.provider != "openai" or settings.model == "gpt-4":
        return None
    return REASONING_OUTPUT_TOKENS if profile.get("supports_thinking") else OUTPUT_TOKENS


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
