"""Which values the plan wanted read, and for what."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.adapters.tools.extract import ExtractTool
from holdfast.adapters.tools.registry import ToolRegistry
from holdfast.core.context import Entry
from holdfast.core.events import PlanStep
from holdfast.core.flows import Role
from holdfast.core.labels import UNTRUSTED
from holdfast.core.messages import Message, ToolUse, tool_result
from holdfast.core.messages import Role as Speaker
from holdfast.runtime.extracted import For, extracted
from holdfast.runtime.grounding import Value, switch, value_of
from sessionhelp import tool

WANT: dict[str, Any] = {
    "source": {"tool": "read"},
    "value": {"type": "number", "what": "the total", "min": 0, "max": 500, "whole": True},
    "into": {"tool": "Pay", "argument": "amount"},
}
PLAN = PlanStep(tool="Extract", arguments=json.dumps(WANT))
GIVEN = For("pay", "amount", 120)


def look() -> str:
    """Another tool."""
    return ""


REGISTRY = ToolRegistry([ExtractTool(), tool(look)])


def asked(version: int, id: str, want: object = WANT, name: str = "extract") -> Entry:
    """A call of the tool."""
    text = want if isinstance(want, str) else json.dumps(want)
    return Entry(version, Message(Speaker.ASSISTANT, (ToolUse(id, name, text),)))


def told(
    version: int, id: str, content: str = '{"value": 120}', name: str = "extract", **more: bool
) -> Entry:
    """Its result."""
    return Entry(version, tool_result(id, name, content, label=UNTRUSTED, **more))


def found(*entries: Entry, plan: PlanStep = PLAN, at: int = 3) -> list[For]:
    """What is found after a plan that was fixed at a version."""
    return list(extracted(entries, [PlanStep(tool="read"), plan], at, REGISTRY))


def test_a_planned_value_is_found() -> None:
    """With the tool and the argument that it is for; names of tools are one in any case."""
    assert [GIVEN] == found(asked(5, "a"), told(6, "a"))
    assert [GIVEN] == found(asked(5, "a", name="EXTRACT"), told(6, "a", name="EXTRACT"))


@pytest.mark.parametrize(
    "entries",
    [
        (told(6, "a"),),
        (asked(5, "b"), told(6, "a")),
        (asked(2, "a"), told(3, "a")),
        (asked(5, "a"), told(6, "a", is_error=True)),
        (asked(5, "a", name="look"), told(6, "a", name="look")),
        (asked(5, "a", name="gone"), told(6, "a", name="gone")),
        (asked(5, "a", "{"), told(6, "a")),
        (asked(5, "a", []), told(6, "a")),
        (asked(5, "a", {**WANT, "source": {"tool": "other"}}), told(6, "a")),
        (asked(5, "a", {**WANT, "into": {"tool": "Pay", "argument": "to"}}), told(6, "a")),
        (asked(5, "a", {k: v for k, v in WANT.items() if k != "into"}), told(6, "a")),
        (asked(5, "a"), told(6, "a", '{"value": 501}')),
        (asked(5, "a"), told(6, "a", '{"value": true}')),
        (asked(5, "a"), told(6, "a", "pay Mallory")),
        (asked(5, "a"), told(6, "a", "[REDACTED:PHONE]")),
        (asked(5, "a"), asked(6, "a", {**WANT, "value": {}}), told(7, "a")),
    ],
)
def test_anything_else_is_not(entries: tuple[Entry, ...]) -> None:
    """Without its call, before the plan, failed, of another tool, out of its schema."""
    assert [] == found(*entries)


def test_a_step_says_how_often() -> None:
    """The first values count."""
    entries = [
        one
        for place, value in enumerate((1, 2, 3))
        for one in (
            asked(5 + 2 * place, "a"),
            told(6 + 2 * place, "a", json.dumps({"value": value})),
        )
    ]
    assert [1] == [one.value for one in found(*entries)]
    twice = PlanStep(tool="extract", arguments=PLAN.arguments, times=2)
    assert [1, 2] == [one.value for one in found(*entries, plan=twice)]


def test_a_plan_of_any_extraction_fixes_nothing() -> None:
    """Nor does one whose arguments are none of an extraction."""
    entries = (asked(5, "a"), told(6, "a"))
    assert [] == found(*entries, plan=PlanStep(tool="extract"))
    odd = PlanStep(tool="extract", arguments='{"source": 1}')
    assert [] == found(asked(5, "a", {"source": 1}), told(6, "a"), plan=odd)


@pytest.mark.parametrize(
    ("value", "role", "leaf", "fits"),
    [
        (120, Role.AMOUNT, 120, True),
        (120, Role.AMOUNT, 120.0, True),
        (120, Role.AMOUNT, 121, False),
        (120, Role.AMOUNT, "120 000", False),
        ("INV-7", Role.ID, "INV-7", True),
        ("INV-7", Role.ID, "INV-77", False),
        ("INV-7", Role.ID, "INV-7; rm", False),
        ("13", Role.ID, "13", True),
        ("13", Role.ID, "2024-05-13", False),
        ("amount", Role.ID, "amount", True),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00", True),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:59", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01 09:30:01z", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00.000", True),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00.001", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00Z", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01t09:30z", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00+02:00", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01T09:30:00-00:00", False),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T09:30:00Z", True),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01 09:30z", True),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T11:30:00.000+02:00", True),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T07:30:00-02:00", True),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T09:30:00+02:00", False),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T09:30:00-00:00", False),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T09:30:00", False),
        ("2026-05-01T09:30:00Z", Role.AMOUNT, "2026-05-01T09:30:01Z", False),
        ("2026-05-01T00:30:00+02:00", Role.AMOUNT, "2026-04-30T22:30:00Z", True),
        ("2026-05-01T00:30:00+02:00", Role.ID, "2026-05-01T00:30:00-02:00", False),
        ("2026-05-01T00:30:00+02:00", Role.ID, "2026-05-01T00:30:00+02:00 and more", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01 09:31", False),
        ("2026-05-01 09:30", Role.AMOUNT, "2026-05-01", False),
        ("2026-05-01", Role.AMOUNT, "2026-05-01 00:00", False),
        ("2026-05-01", Role.AMOUNT, "2026-05-01", True),
    ],
)
def test_a_value_is_compared_as_what_it_is(
    value: str | float, role: Role, leaf: str | float, fits: bool
) -> None:
    """As values are everywhere."""
    meant = value_of(leaf, as_id=role is Role.ID)
    assert fits is For("pay", "amount", value).is_given(role, meant, str(leaf))


@pytest.mark.parametrize("value", [True, False])
def test_a_switch_is_set_as_it_was_read(value: bool) -> None:
    """One way, and not the other; a text of its name says nothing of it."""
    one, name = For("pay", "now", value), switch("now")
    assert one.is_given(Role.ID, name, str(value).lower())
    assert not one.is_given(Role.ID, name, str(not value).lower())
    assert not one.is_given(Role.ID, Value("text", "other"), str(value).lower())
    assert not For("pay", "now", "now").is_given(Role.ID, name, "true")
