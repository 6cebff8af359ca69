"""Adding up what model calls cost."""

from __future__ import annotations

from holdfast.core.events import CostRecord
from holdfast.core.quantities import Usage
from holdfast.runtime.costs import CostLine, summarise

DAY = 86_400_000
RECORDS = [
    CostRecord(
        model=model, provider="p", usage=Usage(input_tokens=10, cost_micros=cost), time_ms=at
    )
    for model, cost, at in [("a", 5, 0), ("b", 9, DAY), ("a", 3, DAY + 1)]
]


def test_totals_are_the_sum_of_the_records() -> None:
    """Calls, tokens and micro-USD add up."""
    summary = summarise(RECORDS)
    assert CostLine(3, Usage(input_tokens=30, cost_micros=17)) == summary.total
    assert ["b", "a"] == list(summary.by_model)
    assert {"1970-01-01": 1, "1970-01-02": 2} == {
        day: line.calls for day, line in summary.by_day.items()
    }


def test_a_model_and_a_time_can_be_chosen() -> None:
    """The end of the time is not included."""
    assert 8 == summarise(RECORDS, model="a").total.usage.cost_micros
    assert 1 == summarise(RECORDS, start_ms=1, end_ms=DAY + 1).total.calls


def test_an_estimate_shows_in_the_total() -> None:
    """One price that was not known marks the sum."""
    guess = CostRecord(model="x", provider="p", usage=Usage(estimated=True), time_ms=0)
    assert summarise([guess, *RECORDS]).total.usage.estimated
    assert not summarise(RECORDS).total.usage.estimated
