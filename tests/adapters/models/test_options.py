"""What a request asks of a model beside its words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic_ai.models.test import TestModel

from holdfast.adapters.models.options import call_settings, effort_of, output_limit
from holdfast.core.messages import Message, Role, Text, Thinking, ToolUse, tool_result, user
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelRequest

PLAIN = TestModel()
CAPPED = TestModel(profile={"anthropic_max_output_tokens": 8000})
ADAPTIVE = TestModel(profile={"anthropic_disallows_budget_thinking": True})
ASK = ModelRequest(system="", messages=(user("a"),))


@pytest.mark.parametrize(
    ("tokens", "effort"),
    [(1, "low"), (2048, "low"), (2049, "medium"), (12_288, "medium"), (12_289, "high")],
)
def test_efforts(tokens: int, effort: str) -> None:
    """A budget becomes one of three efforts."""
    assert effort == effort_of(tokens)


@pytest.mark.parametrize(("budget", "answer"), [(1, None), (5000, 100), (10**9, 10**9), (7000, 10)])
def test_budget_and_answer_share_the_model_s_limit(budget: int, answer: int | None) -> None:
    """The budget is at least the provider's least and always below the limit."""
    request = replace(ASK, thinking_tokens=budget, max_output_tokens=answer)
    found = call_settings(request, CAPPED, "anthropic", False)
    thinking = found["anthropic_thinking"]
    assert 1024 <= thinking["budget_tokens"] < found["max_tokens"] <= 8000


def test_models_without_budgets_are_given_an_effort() -> None:
    """A model that refuses budgets is sent an effort instead."""
    found = call_settings(replace(ASK, thinking_tokens=5000), ADAPTIVE, "anthropic", False)
    assert "medium" == found["thinking"]
    assert "anthropic_thinking" not in found


@pytest.mark.parametrize("provider", ["openai", "anthropic", "local"])
def test_no_budget_means_off(provider: str) -> None:
    """Without a budget thinking is switched off, and no limit is set."""
    found = call_settings(ASK, PLAIN, provider, False)
    assert found["thinking"] is False
    assert "max_tokens" not in found


@pytest.mark.parametrize(
    ("parts", "allowed"),
    [
        ((ToolUse("c", "n"),), False),
        ((Thinking("t", "s", "anthropic"), ToolUse("c", "n")), True),
        ((Thinking("t", None, "anthropic"), ToolUse("c", "n")), False),
        ((Thinking("t", "s", "openai"), ToolUse("c", "n")), False),
    ],
)
def test_thinking_inside_of_a_round(
    parts: tuple[Text | Thinking | ToolUse, ...], allowed: bool
) -> None:
    """Inside of a round of calls thinking goes on only if it was there, signed, before."""
    said = Message(role=Role.ASSISTANT, parts=parts)
    request = replace(
        ASK, thinking_tokens=2000, messages=(user("a"), said, tool_result("c", "n", "x"))
    )
    assert allowed == ("anthropic_thinking" in call_settings(request, PLAIN, "anthropic", False))


@pytest.mark.parametrize(
    ("key", "sent"), [("e-1", True), ("", False), ("\n", False), ("\u00e9", False)]
)
def test_idempotency_key(key: str, sent: bool) -> None:
    """A key a header can carry is sent."""
    found = call_settings(replace(ASK, idempotency_key=key), PLAIN, "openai", False)
    assert sent == ("extra_headers" in found)


@pytest.mark.parametrize(
    ("provider", "model", "profile", "limit"),
    [
        ("openai", "gpt-4o", {}, 16_384),
        ("openai", "gpt-5", {"supports_thinking": True}, 32_768),
        ("openai", "gpt-4-turbo", {}, 4_096),
        ("openai", "gpt-4", {}, None),
        ("anthropic", "claude-sonnet-4-5", {"anthropic_max_output_tokens": 64_000}, 16_384),
        ("anthropic", "claude-x", {"anthropic_max_output_tokens": 5_000}, 5_000),
        ("anthropic", "claude-opus-4-1", {}, 8_192),
        ("anthropic", "claude-3-haiku-20240307", {}, 4_096),
        ("someone", "m", {}, None),
    ],
)
def test_answers_have_a_limit_the_model_takes(
    provider: str, model: str, profile: dict[str, object], limit: int | None
) -> None:
    """What is reserved for an answer is true only if no answer is longer."""
    settings = ModelSettings(provider=provider, model=model)
    assert limit == output_limit(settings, TestModel(profile=profile))  # type: ignore[arg-type]  # part of one
    elsewhere = replace(settings, base_url="http://127.0.0.1:1/v1")
    assert output_limit(elsewhere, PLAIN) is None, "a compatible server may refuse it"


@pytest.mark.parametrize(
    ("provider", "model", "limit"),
    [("someone", "m", 4_096), ("openai", "gpt-next", 4_096), ("openai", "gpt-4", 4_096)],
)
def test_an_answer_without_a_price_is_short(provider: str, model: str, limit: int) -> None:
    """Where no price is known a limit is always sent, also to a compatible server."""
    settings = ModelSettings(provider=provider, model=model)
    assert limit == output_limit(settings, PLAIN, priced=False)
    elsewhere = replace(settings, base_url="http://127.0.0.1:1/v1")
    assert limit == output_limit(elsewhere, PLAIN, priced=False)


def test_a_limit_below_the_short_one_stays() -> None:
    """A model that can say even less is not asked for more."""
    small = TestModel(profile={"anthropic_max_output_tokens": 1_000})
    settings = ModelSettings(provider="anthropic", model="claude-x")
    assert 1_000 == output_limit(settings, small, priced=False)
