"""The kinds of values in a policy file."""

from __future__ import annotations

import pytest

from holdfast.core.settings import ConfirmationPolicy
from holdfast.runtime.budgets import Budget
from holdfast.runtime.policyschema import LIMITS, SECTIONS, SEVERAL, holds, spoken


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", ["", "x"], [1, True, None, ["x"]]),
        ("money", ["2.00"], [2, 2.0, True]),
        ("texts", [[], ["x"]], ["x", [1], [["x"]], {"x": 1}]),
        ("true or false", [True, False], [0, 1, "true"]),
        ("whole number", [0, 7], [-1, True, 1.0, "1", float("nan")]),
        ("whole numbers", [[], [1, 2]], [1, [True], ["1"], [-1], [[1]], {"x": 1}]),
        ("table of whole numbers", [{}, {"a": 1}], [{"a": "1"}, {"a": -1}, {"a": True}, [1], 1]),
        ("table of texts", [{}, {"A": "b"}], [{"A": 1}, [], "x"]),
    ],
)
def test_kinds(kind: str, good: list[object], bad: list[object]) -> None:
    """A true is no number, a number no text, and nothing is turned into another."""
    assert [True] * len(good) == [holds(kind, one) for one in good]
    assert [False] * len(bad) == [holds(kind, one) for one in bad]
    assert spoken(kind)


def test_the_sections_are_those_of_the_values() -> None:
    """A new limit or a new field of a confirmation cannot be forgotten here."""
    assert set(ConfirmationPolicy.__dataclass_fields__) == set(SECTIONS["confirmation"])
    assert set(Budget.__dataclass_fields__) == set(LIMITS)
    assert set(SECTIONS) >= SEVERAL
