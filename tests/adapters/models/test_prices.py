"""Prices in micro-USD and context windows from the offline table."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as Counts
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.models import prices
from holdfast.adapters.models.prices import (
    Rates,
    context_window,
    price,
    price_known,
    rates_of,
    worst_price,
)
from holdfast.core.errors import MissingExtra
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings

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


def test_worst_price_is_the_dearest_input() -> None:
    """Input is taken at the price of writing it to a cache, where that is more."""
    plain = price("anthropic", "claude-sonnet-4-5", Usage(input_tokens=1_000, output_tokens=100))[0]
    cached = Usage(input_tokens=1_000, output_tokens=100, cache_write_tokens=1_000)
    worst = worst_price("anthropic", "claude-sonnet-4-5", 1_000, 100)
    assert worst == price("anthropic", "claude-sonnet-4-5", cached)[0] > plain
    assert (
        0 < worst_price("openai", "gpt-4o", 1_000, 100) < worst_price("x", "unheard-of", 1_000, 100)
    )
    assert 0 == worst_price("openai", "gpt-4o", 0, 0)


USAGES = (Usage(1_000, 77, 300, 200), Usage(300_000, 5_000, 100_000, 1), Usage(10, 0), Usage())
TWO = Rates(Decimal("0.15"), Decimal("0.6"))


def dollars(owner: object, info: object, usage: Usage) -> Decimal:
    """What the table itself makes of a usage."""
    counts = Counts(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return info.calc_price(counts, owner).total_price  # type: ignore[attr-defined, no-any-return]  # the table's


@pytest.mark.slow
def test_every_model_costs_what_the_table_says() -> None:
    """Our own sums are the table's, for each model, tier and cache; no bill is over the worst."""
    seen = 0
    for owner in get_snapshot().providers:
        for info in owner.models:
            for usage in USAGES:
                exact = dollars(owner, info, usage) * MILLION
                sheet = prices._read_sheet(info.get_prices(datetime.now(UTC)))
                found = sheet.bill(
                    usage.input_tokens,
                    usage.cache_read_tokens,
                    usage.cache_write_tokens,
                    usage.output_tokens,
                    Rates(),
                )
                assert exact == found, (owner.id, info.id)
                assert exact <= price("somewhere", "something", usage)[0], (owner.id, info.id)
                seen += 1
    assert seen > 4_000


@pytest.mark.parametrize(("provider", "model"), [("somewhere", "something"), ("openai", "gpt-4o")])
def test_configured_prices_take_the_place_of_the_tables(provider: str, model: str) -> None:
    """Cache tokens count as input, reasoning as output, and nothing is estimated."""
    usage = Usage(1_000_000, 100_000, 300_000, 200_000, 50_000)
    assert (150_000 + 60_000, False) == price(provider, model, usage, rates=TWO)
    assert 210_000 == worst_price(provider, model, 1_000_000, 100_000, TWO)
    assert (1, False) == price(provider, model, Usage(1, 0), rates=TWO)
    assert (45, False) == price(provider, model, Usage(10, 0, 300), rates=TWO)


def test_a_model_may_cost_nothing() -> None:
    """Zero is a price: of a local model, known and not estimated."""
    free = rates_of(ModelSettings(provider="local", model="m", input_usd="0", output_usd="0.000"))
    assert (0, False) == price("local", "m", Usage(MILLION, MILLION), rates=free)
    assert 0 == worst_price("local", "m", MILLION, MILLION, free)
    assert price_known("local", "m", free) and not price_known("local", "m")


def test_the_side_without_a_price_is_the_tables() -> None:
    """One configured price leaves the other as it is: the model's own, or the worst."""
    into, out = Rates(input=Decimal(1)), Rates(output=Decimal(1))
    both = Usage(MILLION, MILLION, 400_000)
    assert (1_000_000 + 10_000_000, False) == price("openai", "gpt-4o", both, rates=into)
    assert (2_000_000 + 1_000_000, False) == price("openai", "gpt-4o", both, rates=out)
    assert 600_000_000 <= price("x", "unheard-of", both, rates=into)[0] - MILLION
    assert price("x", "unheard-of", both, rates=into)[1]
    assert price_known("openai", "gpt-4o", into) and not price_known("x", "unheard-of", into)


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(
        [("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5"), ("x", "unheard-of")]
    ),
    st.sampled_from([Rates(), TWO, Rates(input=Decimal("0.5"))]),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_no_bill_is_over_the_worst_price(
    name: tuple[str, str], rates: Rates, fresh: int, read: int, written: int, output: int
) -> None:
    """However the input was cached, what was taken for so many tokens is enough."""
    sent = fresh + read + written
    usage = Usage(sent, output, read, written)
    assert price(*name, usage, rates=rates)[0] <= worst_price(*name, sent, output, rates)


def test_the_table_is_searched_once_for_each_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first call a model's price needs no table any more, known or not."""
    names = (("openai", "gpt-4o"), ("x", "seen-before"))
    first = [price(*name, Usage(1, 1)) for name in names]

    def gone() -> None:
        raise AssertionError("the table was read again")

    monkeypatch.setattr(prices, "_table", gone)
    assert first == [price(*name, Usage(1, 1)) for name in names]
    assert all(worst_price(*name, 9_999, 9) > 0 for name in names)
    with pytest.raises(AssertionError, match="read again"):
        price("x", "never-seen", Usage())
