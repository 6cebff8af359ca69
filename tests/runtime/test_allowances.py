"""Allowances as people see them, and the file they move in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from holdfast.core.errors import InvalidInput, MalformedRule
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.runtime.allowances import (
    ENTRIES_MAX,
    Allowance,
    allowance_of,
    exported,
    offered,
    planned,
    written,
)

GRANT = Grant(
    id="ab" * 16,
    kind=GrantKind.ALLOWANCE,
    scope=GrantScope.WORKSPACE,
    holder="w:1",
    rule=Rule(effect=RuleEffect.ALLOW, tool="write", pattern="src/*", literal=True),
    operations=(Operation.WRITE,),
    expires_ms=100,
    uses_max=3,
    by="ann",
)
SHOWN = allowance_of(GRANT, 2, 50)


def listed(*rows: object, **others: object) -> str:
    """A file."""
    file = {"format": "holdfast-allowances", "version": 1, "allowances": list(rows), **others}
    return json.dumps(file)


def test_an_allowance_shows_its_grant() -> None:
    """Rule, terms, who and whether it still holds."""
    assert ("write(src/*)", True, "workspace", ("write",), 2, True) == (
        SHOWN.rule,
        SHOWN.literal,
        SHOWN.scope,
        SHOWN.permissions,
        SHOWN.uses_left,
        SHOWN.active,
    )
    assert not allowance_of(GRANT, 0, 50).active
    assert not allowance_of(GRANT, 2, 100).active
    assert allowance_of(replace(GRANT, uses_max=None), None, 50).active


def test_what_is_exported_reads_back() -> None:
    """A literal rule stays literal; uses are those that are left."""
    (one,) = offered(exported([SHOWN]))
    assert ("write(src/*)", True, ("write",), 100, 2) == (
        one.rule,
        one.literal,
        one.permissions,
        one.expires_ms,
        one.uses_max,
    )
    assert GRANT.rule == one.parsed()


def test_only_active_allowances_of_the_workspace_are_exported() -> None:
    """Not those of a session or user, no escapes, no tokens, nothing that has ended."""
    others: list[Allowance] = [
        replace(SHOWN, scope="session"),
        replace(SHOWN, scope="always"),
        replace(SHOWN, kind="escape"),
        replace(SHOWN, kind="capability"),
        replace(SHOWN, active=False),
    ]
    assert [] == json.loads(exported(others))["allowances"]


ROW = {"rule": "ring"}


@pytest.mark.parametrize(
    "data",
    [
        "",
        "[]",
        "{}",
        "not json",
        "[" * 100_000,
        listed(ROW, version=2),
        listed(ROW, format="other"),
        listed(ROW, more=1),
        listed(allowances={}),
        listed("ring"),
        listed({}),
        listed({**ROW, "by": "x"}),
        listed({"rule": 1}),
        listed({**ROW, "literal": 1}),
        listed({**ROW, "permissions": "write"}),
        listed({**ROW, "permissions": ["fly"]}),
        listed({**ROW, "permissions": [1]}),
        listed({**ROW, "uses_max": 0}),
        listed({**ROW, "uses_max": True}),
        listed({**ROW, "uses_max": 1.5}),
        listed({**ROW, "expires_ms": "soon"}),
        listed(*[ROW] * (ENTRIES_MAX + 1)),
        "x" * 2_000_001,
    ],
)
def test_what_is_no_list_is_refused(data: str) -> None:
    """Unknown fields, values of a wrong kind and too many entries take nothing over."""
    with pytest.raises(InvalidInput):
        offered(data)


def test_a_rule_that_does_not_parse_is_refused() -> None:
    """It is named, nothing of the list is taken over."""
    with pytest.raises(MalformedRule):
        offered(listed(ROW, {"rule": "ring("}))


def test_a_file_is_literal_unless_it_says_else() -> None:
    """Without the field a star means itself."""
    (one,) = offered(listed({"rule": "write(a*)"}))
    assert one.parsed().literal


def test_a_plan_leaves_out_what_is_there_or_over() -> None:
    """The same rule, one that has ended, and one said twice."""
    rows = offered(
        listed({"rule": "a"}, {"rule": "a"}, {"rule": "b", "expires_ms": 10}, {"rule": "c"})
    )
    there = [replace(SHOWN, rule="c", scope="workspace"), replace(SHOWN, rule="a", scope="session")]
    plan = planned(rows, there, 10, "w:1")
    assert (["a"], 2, 0) == ([one.rule for one in plan.shown], len(plan.skipped), plan.imported)


def test_what_confirms_is_of_the_list_and_the_place() -> None:
    """Another list or another workspace needs another yes; the order of reading does not."""
    one, other = offered(listed({"rule": "a"})), offered(listed({"rule": "b"}))
    assert planned(one, [], 1, "w:1").confirm == planned(one, [], 2, "w:1").confirm
    found = {
        planned(one, [], 1, "w:1").confirm,
        planned(one, [], 1, "w:2").confirm,
        planned(other, [], 1, "w:1").confirm,
        planned((*one, *other), [], 1, "w:1").confirm,
    }
    assert 4 == len(found)


def test_the_written_form_carries_the_sessions_own() -> None:
    """Rule and terms of its allowances; nothing of the workspace, no escapes (seed E9)."""
    mine = replace(GRANT, scope=GrantScope.SESSION)
    (row,) = written([mine, GRANT, replace(mine, kind=GrantKind.ESCAPE)])
    assert ("write(src/*)", True, ["write"], 3, True) == (
        row["rule"],
        row["literal"],
        row["permissions"],
        row["uses_max"],
        row["session_only"],
    )
