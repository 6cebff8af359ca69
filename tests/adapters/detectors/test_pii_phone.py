"""Phone numbers, with and without the numbering plans."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.pii_phone import phone_rules
from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen

WITH = RuleSet(phone_rules(extra=True))
WITHOUT = RuleSet(phone_rules(extra=False))


def phones(text: str, rules: RuleSet = WITH) -> set[str]:
    """The phone numbers in a text."""
    seen = Seen([], [])
    rules.find(views_of(text)[0], seen)
    return {text[one.start : one.end] for one in seen.findings}


@pytest.mark.parametrize(
    ("text", "value"),
    [("+44 20 7946 0958", "+44 20 7946 0958"), ("(555) 123-4567", "(555) 123-4567"),
     ("it is 415-555-2671.", "415-555-2671"), ("415.555.2671 x123", "415.555.2671 x123"),
     ("0044 20 7946 0958", "0044 20 7946 0958"), ("+41 (0)69 979 80 58", "+41 (0)69 979 80 58"),
     ("07700 063 966", "07700 063 966"), ("手机13812345678", "13812345678"),
     ("Phone: 668 5702", "668 5702"), ("call me at 3660170548", "3660170548"),
     ("416 60 039 office", "416 60 039"), ("my number is 655 437 108", "655 437 108")],
)  # fmt: skip
def test_found(text: str, value: str) -> None:
    """By form or by words, with the plans and without."""
    assert value in phones(text)
    assert value in phones(text, WITHOUT)


@pytest.mark.parametrize(
    "text",
    ["epoch 1707734400", "DE89 3704 0044 0532 0130 00",
     "0000 0000 0000 0000", "2024-01-02 10 20", "01-02-2024", "call 12345",
     "1707734400123", "range 100 200", "10.0.0.1", "536-90-4399", "v 1.234.567.890.1",
     "call me on 2024-01-02"],
)  # fmt: skip
def test_not_found(text: str) -> None:
    """Times, dates, addresses, short and long numbers."""
    assert set() == phones(text)


def test_plans_veto() -> None:
    """A number that no country has is none, if there are plans to ask."""
    assert set() == phones("+999 1234 5678")
    assert {"+999 1234 5678"} == phones("+999 1234 5678", WITHOUT)
