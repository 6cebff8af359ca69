"""What detectors made of a message."""

from __future__ import annotations

import pytest

from core_content import CALL, said, session
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.findings import Threat
from holdfast.core.guards.injection import check
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.security import InjectionDefense, Security
from holdfast.core.verdicts import Deny

OBSERVE, MESSAGES, ALL = InjectionDefense
FACTS = Facts(now_ms=0)


def message(found: Inspected | None) -> Action:
    """A message that is to be admitted."""
    return Action(kind=ActionKind.ADMIT, name="message", found=found)


def attack(threat: Threat) -> Inspected:
    """A message that looks like that."""
    return Inspected(threat=threat, score=90, reasons=("a.one", "b.two", "c.three", "d.four"))


@pytest.mark.parametrize(
    ("defense", "threat", "expected"),
    [
        (OBSERVE, Threat.BLOCKED, "allow"),
        (MESSAGES, Threat.CLEAN, "allow"),
        (MESSAGES, Threat.SUSPICIOUS, "allow"),
        (MESSAGES, Threat.BLOCKED, "deny:blocked"),
        (ALL, Threat.SUSPICIOUS, "allow"),
        (ALL, Threat.BLOCKED, "deny:blocked"),
    ],
)
def test_what_looks_like_an_instruction(
    defense: InjectionDefense, threat: Threat, expected: str
) -> None:
    """It is refused unless it is only observed; what is merely suspicious is let through."""
    assert expected == said(check(session(injection=defense), FACTS, message(attack(threat))))
    outer = Facts(now_ms=0, security=Security(injection=defense))
    assert expected == said(check(session(injection=OBSERVE), outer, message(attack(threat))))


@pytest.mark.parametrize("defense", InjectionDefense)
@pytest.mark.parametrize("enabled", [True, False])
def test_what_no_detector_has_looked_at_is_denied(defense: InjectionDefense, enabled: bool) -> None:
    """In every mode, and where nobody is asked: no finding is not a good one."""
    for unsafe in (True, False):
        view = session(injection=defense, enabled=enabled, unsafe_auto_approve=unsafe)
        assert "deny:not_inspected" == said(check(view, FACTS, message(None)))
        assert "allow" == said(check(view, FACTS, message(NOTHING)))


def test_unsafe_auto_approve_does_not_let_an_attack_in() -> None:
    """It answers asks, and this is none."""
    view = session(unsafe_auto_approve=True)
    assert "deny:blocked" == said(check(view, FACTS, message(attack(Threat.BLOCKED))))


def test_the_refusal_names_its_reasons() -> None:
    """The strongest three, and no content."""
    verdict = check(session(), FACTS, message(attack(Threat.BLOCKED)))
    assert isinstance(verdict, Deny)
    expected = "the message looks like an injected instruction (a.one, b.two, c.three)"
    assert ("injection", expected) == (verdict.guard, verdict.detail)


@pytest.mark.parametrize("kind", [one for one in ActionKind if one is not ActionKind.ADMIT])
def test_only_messages_are_judged(kind: ActionKind) -> None:
    """Results of tools are the shell's to withhold."""
    assert "allow" == said(check(session(), FACTS, Action(kind=kind, name=CALL.name)))
