"""Events: kinds that never change their code."""

from __future__ import annotations

from typing import get_args

from holdfast.core import events
from holdfast.core.events import IN_CLEAR, KIND_OF, MUST_UNDERSTAND, TYPE_OF, Event, Refused

# What is written for ever. A new kind takes the next number; none is used twice.
CODES = {
    "Opened": 1,
    "Configured": 2,
    "Imported": 3,
    "Admitted": 4,
    "Refused": 5,
    "Asked": 6,
    "Answered": 7,
    "Lapsed": 8,
    "EffectStarted": 9,
    "EffectEnded": 10,
    "ContextSet": 11,
    "Paused": 12,
    "Resumed": 13,
    "StateSet": 14,
    "CancelAsked": 15,
    "WipeStarted": 16,
    "Wiped": 17,
    "Ended": 18,
    "Granted": 19,
    "Revoked": 20,
    "Warned": 21,
    "Modified": 22,
    "ChildOpened": 23,
    "PlanFixed": 24,
    "Relabelled": 25,
    "Exported": 26,
}


def test_codes_never_change() -> None:
    """The table of numbers is the one that was always written."""
    assert CODES == {kind.__name__: code & ~MUST_UNDERSTAND for kind, code in KIND_OF.items()}


def test_every_kind_has_a_code() -> None:
    """All but the stand-in for what is not known."""
    assert {*KIND_OF, events.Unknown} == set(get_args(Event))
    assert {code: kind for kind, code in KIND_OF.items()} == TYPE_OF


def test_only_a_refusal_may_be_ignored() -> None:
    """All of security, money and lifecycle must be understood (contract 2.4)."""
    assert [Refused] == [kind for kind, code in KIND_OF.items() if not code & MUST_UNDERSTAND]


def test_the_end_is_in_clear() -> None:
    """What comes after the key is gone can be read without it."""
    assert {events.WipeStarted, events.Wiped, events.Ended} == IN_CLEAR
