"""What the rules say of each command of a line."""

from __future__ import annotations

import pytest

from holdfast.adapters.shell.parser import BashParser
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.rules import Policy, parse_rule
from holdfast.core.settings import Settings
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import SessionView
from holdfast.runtime.explaining import by_segment, word_of

OWN = Policy(rules=(parse_rule("allow", "bash(ls:*)"), parse_rule("deny", "bash(rm:*)")))


def found(line: str) -> list[tuple[str, str, str]]:
    """Text, decision and rule of each command."""
    action = Action(kind=ActionKind.TOOL, name="bash", command=BashParser().parse(line))
    view = SessionView(settings=Settings(permission=OWN))
    return [
        (one.text, one.decision, one.rule.text if one.rule else "")
        for one in by_segment(view, Facts(now_ms=0), action)
    ]


def test_each_command_has_its_own_decision() -> None:
    """And the rule that made it."""
    assert [
        ("ls -l", "allow", "bash(ls:*)"),
        ("rm -rf x", "deny", "bash(rm:*)"),
        ("make", "ask", ""),
    ] == found("ls -l && rm -rf x | make")


@pytest.mark.parametrize("line", ["ls", "", "# nothing"])
def test_one_command_needs_no_parts(line: str) -> None:
    """It is what the whole is."""
    assert [] == found(line)


def test_a_call_without_a_command_line_has_none() -> None:
    """Of other tools there are no parts to tell."""
    action = Action(kind=ActionKind.TOOL, name="act")
    assert () == by_segment(SessionView(), Facts(now_ms=0), action)


@pytest.mark.parametrize(
    ("verdict", "word"),
    [(Allow(), "allow"), (Ask("g", "r", "?"), "ask"), (Deny("g", "r", "no"), "deny")],
)
def test_words(verdict: Verdict, word: str) -> None:
    """A verdict as people say it."""
    assert word == word_of(verdict)
