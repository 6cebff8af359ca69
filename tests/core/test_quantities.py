"""Quantities: integers all the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.quantities import Usage, micros_to_usd, price_per_million, usd_to_micros

COUNTS = st.integers(0, 10**12)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())


@pytest.mark.parametrize(
    ("text", "micros"),
    [("2.00", 2_000_000), ("0", 0), ("0.0000001", 1), ("1e3", 1_000_000_000), ("0.000001", 1)],
)
def test_dollars_are_read_rounded_up(text: str, micros: int) -> None:
    """A fraction of a micro-dollar is a whole one."""
    assert micros == usd_to_micros(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "-1", "NaN", "Infinity", "1,5", "-0.0000001", "1_000", "\uff11"),
        *("1e30", "1e999994", "1e999999999999", "0e999999999999"),
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """Only finite amounts of at least nothing are read."""
    with pytest.raises(ValueError, match="not a dollar amount"):
        usd_to_micros(text)


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "0.000000"), (1_500_000, "1.500000"), (-1, "-0.000001")]
)
def test_dollars_are_written(micros: int, text: str) -> None:
    """Six decimals, with a sign where it is owed."""
    assert text == micros_to_usd(micros)


@given(st.integers(0, 10**15))
def test_money_round_trip(micros: int) -> None:
    """What is written is read as the same amount."""
    assert micros == usd_to_micros(micros_to_usd(micros))
    assert Decimal(micros) == Decimal(micros_to_usd(micros)) * 1_000_000


@given(USAGES, USAGES, USAGES)
def test_usages_add_up(a: Usage, b: Usage, c: Usage) -> None:
    """Adding is a commutative monoid, and an estimate stays one."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a == a + Usage()
    assert (a + b).estimated == (a.estimated or b.estimated)
    assert (a + b).total_tokens == a.total_tokens + b.total_tokens
    assert (a + b).cost_micros == a.cost_micros + b.cost_micros
    assert (a + b).cache_read_tokens == a.cache_read_tokens + b.cache_read_tokens
    assert (a + b).cache_write_tokens == a.cache_write_tokens + b.cache_write_tokens
    assert (a + b).reasoning_tokens == a.reasoning_tokens + b.reasoning_tokens


@pytest.mark.parametrize(
    ("text", "price"),
    [("0", "0"), ("0.15", "0.15"), ("150", "150"), ("0.000000001", "1E-9"), ("1000000", "1E+6")],
)
def test_prices_are_read_exactly(text: str, price: str) -> None:
    """A price for a million tokens is what was written, nothing included."""
    assert Decimal(price) == price_per_million(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " 1", "x", "-1", "+1", "NaN", "sNaN", "Infinity", "1e3", "1_0", "1.", ".5", "1.5.0"),
        *("1,5", "\u0661", "0.0000000001", "1000001", "00000000001", "9" * 5000),
        *(0.15, 1, True, None, Decimal(1)),
    ],
)
def test_what_is_no_price_is_refused(text: object) -> None:
    """Floats, signs, exponents and what is not a number are no prices."""
    with pytest.raises(ValueError, match="a price"):
        price_per_million(text)
