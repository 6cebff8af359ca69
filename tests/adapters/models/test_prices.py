"""Prices in micro-USD and context windows from the offline table."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.models.prices import context_window, price
from holdfast.core.errors import MissingExtra
from holdfast.core.quantities import Usage

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("provider", "model", "usage", "micros"),
    [
        ("openai", "gpt-4o", Usage(MILLION, 0), 2_500_000),
        ("openai", "gpt-4o", Usage(0, MILLION), 10_000_000),
        ("openai", "gpt-4o", Usage(MILLION, 0, cache_read_tokens=MILLION), 1_250_000),
        ("openai", "gpt-4o-2024-08-06", Usage(MILLION, 0), 2_500_000),
        ("anthropic", "claude-opus-4-5", Usage(MILLION, 0), 5_000_000),
        ("anthropic", "claude-opus-4-5-20251101", Usage(MILLION, 0), 5_000_000),
        ("anthropic", "claude-opus-4-5", Usage(MILLION, 0, cache_read_tokens=MILLION), 500_000),
        ("anthropic", "claude-opus-4-5", Usage(MILLION, 0, 0, MILLION), 6_250_000),
    ],
)
def test_known_models_have_their_price(
    provider: str, model: str, usage: Usage, micros: int
) -> None:
    """Input, output, cache reads and writes each have their own price; dated names resolve."""
    assert (micros, False) == price(provider, model, usage)


def test_parts_of_a_micro_are_rounded_up() -> None:
    """One cached token of 1.25 USD a million costs two micro-USD, no tokens cost nothing."""
    assert (2, False) == price("openai", "gpt-4o", Usage(1, 0, cache_read_tokens=1))
    assert (0, False) == price("openai", "gpt-4o", Usage())


def test_an_unknown_model_takes_the_worst_price() -> None:
    """What the table does not know costs as much as the dearest model, and says so."""
    usage = Usage(1000, 100)
    micros, estimated = price("somewhere", "something", usage)
    assert estimated
    known = [("openai", "o1-pro"), ("openai", "gpt-4o"), ("anthropic", "claude-opus-4-1")]
    assert all(micros >= price(provider, model, usage)[0] for provider, model in known)
    assert price("openai", "gpt-nonsense", usage) == (micros, True)


def test_cache_counts_beyond_the_input_are_priced() -> None:
    """A report that leaves the cached part out of the input is priced, not refused."""
    assert (5_000, False) == price("openai", "gpt-4o", Usage(10, 0, cache_read_tokens=4_000))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_worst_price_is_never_below_a_known_one(fresh: int, read: int, output: int) -> None:
    """For any usage an unknown model costs at least as much as known ones."""
    usage = Usage(fresh + read, output, read)
    worst, _ = price("somewhere", "something", usage)
    for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-opus-4-5")):
        micros, _ = price(provider, model, usage)
        assert 0 <= micros <= worst


def test_prices_of_a_date() -> None:
    """The price at a given time is asked for, not today's."""
    at = datetime(2025, 12, 1, tzinfo=UTC)
    assert (2_500_000, False) == price("openai", "gpt-4o", Usage(MILLION, 0), at)


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "gpt-4o", 128_000),
        ("anthropic", "claude-opus-4-5", 200_000),
        ("somewhere", "something", 200_000),
    ],
)
def test_context_windows(provider: str, model: str, tokens: int) -> None:
    """A known model has its own window, another the default."""
    assert tokens == context_window(provider, model)


def test_without_the_table_the_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional part the error says what to install."""
    for name in ("genai_prices", "genai_prices.data_snapshot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'holdfast\[llm\]'"):
        price("openai", "never-asked-before", Usage())
    with pytest.raises(MissingExtra, match=r"pip install 'holdfast\[llm\]'"):
        context_window("openai", "never-asked-before")
