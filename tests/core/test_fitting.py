"""Fitting: which actions rules speak of."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.fitting import fitting_rule

RULES = ("bash(git push:*)", "deploy")


def bash(*argv: str, unclear: str = "") -> Action:
    """A command."""
    return Action(kind=ActionKind.TOOL, name="bash", command=CommandLine((Segment(argv),), unclear))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (bash("git", "push", "origin"), "bash(git push:*)"),
        (bash("git", "pull"), ""),
        (bash("git", "pull", unclear="a substitution"), "bash(git push:*)"),
        (Action(kind=ActionKind.TOOL, name="Deploy"), "deploy"),
        (Action(kind=ActionKind.TOOL, name="read"), ""),
    ],
)
def test_the_first_rule_that_fits(action: Action, expected: str) -> None:
    """Case of a tool's name does not matter; what cannot be seen through fits."""
    assert expected == fitting_rule(RULES, "", action)
