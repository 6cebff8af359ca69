"""What model calls cost, added up (seed D11)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from holdfast.core.events import CostRecord
from holdfast.core.quantities import Usage


@dataclass(frozen=True, slots=True)
class CostLine:
    """Calls and their usage; `usage.estimated` says that a price was not known."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> CostLine:
        """The line with one more call."""
        return CostLine(self.calls + 1, self.usage + usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSummary:
    """Totals, by model (dearest first) and by day in UTC (oldest first)."""

    total: CostLine
    by_model: dict[str, CostLine]
    by_day: dict[str, CostLine]


def summarise(
    records: Iterable[CostRecord],
    *,
    model: str | None = None,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> CostSummary:
    """Add up cost records, of one model and a time if asked.

    Args:
        start_ms, end_ms: milliseconds since 1970; the end is not included.
    """
    total = CostLine()
    by_model: dict[str, CostLine] = {}
    by_day: dict[str, CostLine] = {}
    for record in records:
        if model is not None and record.model != model:
            continue
        if start_ms is not None and record.time_ms < start_ms:
            continue
        if end_ms is not None and record.time_ms >= end_ms:
            continue
        day = datetime.fromtimestamp(record.time_ms / 1000, UTC).date().isoformat()
        total = total.add(record.usage)
        by_model[record.model] = by_model.get(record.model, CostLine()).add(record.usage)
        by_day[day] = by_day.get(day, CostLine()).add(record.usage)
    dearest = sorted(by_model.items(), key=lambda item: (-item[1].usage.cost_micros, item[0]))
    return CostSummary(total=total, by_model=dict(dearest), by_day=dict(sorted(by_day.items())))
