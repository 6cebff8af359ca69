"""Critical actions are asked about whatever else allows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core_talk import UNASKED, action_of
from holdfast.core.actions import ActionKind
from holdfast.core.authority import Authority, ScopedPolicy
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.facts import Facts
from holdfast.core.guards.critical import check
from holdfast.core.messages import ToolUse
from holdfast.core.rules import Policy
from holdfast.core.settings import ConfirmationPolicy
from holdfast.core.verdicts import Allow, Ask
from holdfast.core.view import SessionView

PAY = replace(action_of(ToolUse("c1", "pay")), subject='{"n":1}')
BASH = replace(PAY, name="bash", subject="")


def view(*critical: str, quorum: int = 3) -> SessionView:
    """A session with such rules."""
    policy = ConfirmationPolicy(critical=critical, quorum=quorum)
    return SessionView(settings=replace(UNASKED, confirmation=policy))


@pytest.mark.parametrize(
    ("rules", "asked"),
    [((), False), (("read",), False), (("pay",), True), (("*",), True), (("read", "PAY"), True)],
)
def test_rules_name_what_is_critical(rules: tuple[str, ...], asked: bool) -> None:
    """Tool names are compared without regard to case."""
    verdict = check(view(*rules), Facts(now_ms=0), PAY)
    assert asked == isinstance(verdict, Ask)
    if isinstance(verdict, Ask):
        assert ("critical", "quorum", 3) == (verdict.guard, verdict.reason, verdict.quorum)


def test_what_a_session_above_calls_critical_is_so_below() -> None:
    """As it says now; of several, the most people are needed (contract 1.7)."""
    above = ScopedPolicy("parent:p", Policy(), critical=("pay",), quorum=4)
    silent = ScopedPolicy("parent:q", Policy())
    facts = Facts(now_ms=0, authority=Authority(policies=(silent, above)))
    for own in (view(), view("pay", quorum=2)):
        verdict = check(own, facts, PAY)
        assert isinstance(verdict, Ask) and 4 == verdict.quorum
    mine = check(view("pay", quorum=5), facts, PAY)
    assert isinstance(mine, Ask) and 5 == mine.quorum
    assert Allow() == check(view(), facts, replace(PAY, name="other"))
    assert Allow() == check(view(), facts, replace(PAY, kind=ActionKind.MODEL))


def line(*words: str, unclear: str = "") -> CommandLine:
    """A command line of one simple command."""
    return CommandLine(segments=(Segment(argv=words),), unclear=unclear)


def test_a_pattern_names_some_commands() -> None:
    """What cannot be seen through counts as one of them."""
    rules = view("bash(git push:*)")
    facts = Facts(now_ms=0)
    assert isinstance(check(rules, facts, replace(BASH, command=line("git", "push"))), Ask)
    assert Allow() == check(rules, facts, replace(BASH, command=line("git", "status")))
    unclear = replace(BASH, command=line("eval", "x", unclear="a substitution"))
    assert isinstance(check(rules, facts, unclear), Ask)
