"""The client's values are the library's, field by field."""

from __future__ import annotations

from dataclasses import fields

import pytest

from holdfast.client import values
from holdfast.runtime import (
    allowances,
    asking,
    budgets,
    config,
    costs,
    guarding,
    listing,
    stream,
    takeover,
)

TWINS = [
    (values.SessionInfo, config.SessionInfo),
    (values.ListedSession, listing.ListedSession),
    (values.SessionPage, listing.SessionPage),
    (values.ContextUsage, config.ContextUsage),
    (values.CostLine, costs.CostLine),
    (values.CostSummary, costs.CostSummary),
    (values.ExportNote, config.ExportNote),
    (values.WipeReceipt, config.WipeReceipt),
    (values.WiderPattern, asking.WiderPattern),
    (values.Approval, asking.Approval),
    (values.Allowance, allowances.Allowance),
    (values.AccountInfo, budgets.AccountInfo),
    (values.RiskReport, guarding.RiskReport),
    (values.Trifecta, guarding.Trifecta),
    (values.ImportedSession, takeover.ImportedSession),
    (values.StreamEvent, stream.StreamEvent),
]


@pytest.mark.parametrize(("mine", "its"), TWINS, ids=lambda kind: kind.__qualname__)
def test_a_value_has_the_librarys_fields(mine: type, its: type) -> None:
    """Same names, same order, same types, same defaults: code reads either."""
    assert [(one.name, one.type, one.default) for one in fields(its)] == [
        (one.name, one.type, one.default) for one in fields(mine)
    ]


def test_approvals_and_events_are_written_alike() -> None:
    """What the command line prints does not tell where it came from."""
    given = {
        "id": "s:3",
        "session_id": "s",
        "question": 3,
        "about": "approval",
        "tool": "bash",
        "text": "May it?",
        "choices": ("once", "deny"),
        "asked_ms": 5,
        "codes": ("a.b",),
    }
    mine = values.Approval(**given, patterns=(values.WiderPattern("bash(ls:*)", ("ls",)),))
    its = asking.Approval(**given, patterns=(asking.WiderPattern("bash(ls:*)", ("ls",)),))
    assert its.to_json() == mine.to_json()
    event = {"type": "turn_end", "session": "s", "version": 4, "time_ms": 7, "data": {"turn": 1}}
    assert stream.StreamEvent(**event).to_json() == values.StreamEvent(**event).to_json()


def test_three_dangers_together_are_told() -> None:
    """Only all three make it complete."""
    assert values.Trifecta(untrusted=("a",), private=("b",), egress=("c",)).complete
    assert not values.Trifecta(untrusted=("a",), private=(), egress=("c",)).complete
