"""What a yes about paths grants: the literal path, the operation, and no more."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.grants_of import escape_grants, escape_rules, escaping
from holdfast.core.guards.boundary import check
from holdfast.core.rules import Rule
from holdfast.core.tools import Operation
from holdfast.core.verdicts import Allow, Ask
from holdfast.core.view import SessionView

READ, WRITE = Operation.READ, Operation.WRITE
USES = (
    PathUse("../x", None, READ, "/d/x"),
    PathUse("/d/x", None, WRITE, "/d/x"),
    PathUse("in", "in", WRITE, "/ws/in"),
    PathUse(".git/config", ".git/config", WRITE, "/ws/.git/config"),
    PathUse("bad\0", None),
)


def action(*uses: PathUse) -> Action:
    """A call with these paths."""
    return Action(kind=ActionKind.TOOL, name="move", digest="d", has_workspace=True, paths=uses)


def made(number: int, rule: Rule, operations: tuple[Operation, ...]) -> Grant:
    """A grant of a rule."""
    return Grant(
        id=f"{number:032x}",
        kind=GrantKind.ESCAPE,
        scope=GrantScope.SESSION,
        holder="s",
        rule=rule,
        operations=operations,
    )


def test_one_grant_a_path_with_its_operations() -> None:
    """What lies inside or cannot be resolved is not granted."""
    assert (USES[0], USES[1], USES[3]) == escaping(action(*USES))
    found = [(rule.text, rule.literal, ops) for rule, ops in escape_rules(action(*USES))]
    assert [("*(/d/x)", True, (READ, WRITE)), ("*(/ws/.git/config)", True, (WRITE,))] == found


def test_a_chosen_folder_covers_what_lies_in_it() -> None:
    """The rest is granted literally; a protected place always is."""
    act = action(*USES, PathUse("/e/y", None, READ, "/e/y"))
    found = [(rule.text, rule.literal) for rule, _ in escape_rules(act, "move(/d/**)")]
    assert [("*(/d/**)", False), ("*(/e/y)", True), ("*(/ws/.git/config)", True)] == found


@pytest.mark.parametrize(
    "pattern", ["move", "move(/**)", "move(//**)", "move(d/**)", "move(/d/*)", "move(/e/**)"]
)
def test_no_other_pattern_widens(pattern: str) -> None:
    """The root, patterns of another form and whole tools leave paths literal."""
    assert escape_rules(action(*USES)) == escape_rules(action(*USES), pattern)


def test_what_is_granted_is_what_was_asked() -> None:
    """After the grants the same call passes, and another operation still asks."""
    asked = action(USES[0], USES[3])
    grants = escape_grants(asked, "", made)
    facts = Facts(now_ms=0, authority=Authority(grants=GrantIndex(grants)))
    assert isinstance(check(SessionView(), facts, asked), Allow)
    assert isinstance(check(SessionView(), facts, action(USES[1])), Ask)
