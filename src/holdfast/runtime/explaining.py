"""What the rules say of each command of a command line, for people."""

from __future__ import annotations

from dataclasses import dataclass, replace

from holdfast.core.actions import Action
from holdfast.core.commandline import CommandLine
from holdfast.core.facts import Facts
from holdfast.core.granting import segment_text
from holdfast.core.guards.permission import weigh
from holdfast.core.rules import Rule
from holdfast.core.verdicts import Allow, Ask, Verdict
from holdfast.core.view import SessionView


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFinding:
    """One command of a line, as if it stood alone.

    Args:
        text: the command, as a literal rule would name it.
        decision: allow, ask or deny; by the rules and grants only.
        rule, scope: as in `Explanation`.
    """

    text: str
    decision: str
    rule: Rule | None = None
    scope: str = ""


def word_of(verdict: Verdict) -> str:
    """A verdict as a word: allow, ask or deny."""
    if isinstance(verdict, Allow):
        return "allow"
    return "ask" if isinstance(verdict, Ask) else "deny"


def by_segment(view: SessionView, facts: Facts, action: Action) -> tuple[SegmentFinding, ...]:
    """Weigh each command by itself; empty if the line has one only or is no command line."""
    line = action.command
    if line is None or len(line.segments) < 2:
        return ()
    found: list[SegmentFinding] = []
    for segment in line.segments:
        text = segment_text(segment)
        alone = CommandLine((segment,), line.unclear)
        finding = weigh(view, facts, replace(action, command=alone, subject=text))
        found.append(
            SegmentFinding(
                text=text,
                decision=word_of(finding.verdict),
                rule=finding.rule,
                scope=finding.scope,
            )
        )
    return tuple(found)
