"""Token buckets: a burst, then a steady rate; of many keys the oldest is forgotten."""

from __future__ import annotations

from holdfast.server.rates import Rates


def test_a_bucket() -> None:
    """A quarter of a minute at once, then one a second."""
    now = [0.0]
    rates = Rates(60, 10, lambda: now[0])
    assert [0.0] * 15 == [rates.take("a") for _ in range(15)]
    assert 1.0 == rates.take("a") == rates.wait("a")
    now[0] = 1.0
    assert (0.0, 0.0) == (rates.wait("a"), rates.take("a"))
    assert rates.take("a") > 0
    assert 0.0 == rates.take("b") == rates.wait("never seen")


def test_memory_is_bounded() -> None:
    """Ten thousand keys, ten of them kept."""
    rates = Rates(60, 10, lambda: 0.0)
    for number in range(10_000):
        rates.take(str(number))
    assert 10 == len(rates)
