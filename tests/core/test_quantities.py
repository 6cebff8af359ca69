"""Quantities: integers all the way."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.quantities import Usage, micros_to_usd, usd_to_micros

COUNTS = st.integers(0, 10**12)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans())


@pytest.mark.parametrize(
    ("text", "micros"),
    [("2.00", 2_000_000), ("0", 0), ("0.0000001", 1), ("1e3", 1_000_000_000), ("0.000001", 1)],
)
def test_dollars_are_read_rounded_up(text: str, micros: int) -> None:
    """A fraction of a micro-dollar is a whole one."""
    assert micros == usd_to_micros(text)


@pytest.mark.parametrize("text", ["", "x", "-1", "NaN", "Infinity", "1,5", "-0.0000001"])
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
