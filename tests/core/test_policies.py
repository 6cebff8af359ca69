"""Compiled policies: rules found by tool and by first word, in any order the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.matching import case_of
from holdfast.core.policies import CASE_MAX, MEMO_MAX, compiled
from holdfast.core.rules import Policy, Rule, RuleEffect, parse_rule

ANYBODY = ("", "default")


def texts(policy: Policy, tool: str) -> list[str]:
    """The denials that name a tool."""
    return sorted(one.rule.text for one in compiled(policy).tool(tool).deny.all())


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("mcp__git__push", ["*", "mcp__*", "mcp__git", "mcp__git__*", "mcp__git__pu*"]),
        ("mcp__git2__push", ["*", "mcp__*"]),
        ("mcp__git", ["*", "mcp__*", "mcp__git"]),
        ("mcp__github__push", ["*", "mcp__*"]),
        ("bash", ["*", "bash"]),
        ("bash2", ["*"]),
    ],
)
def test_rules_by_tool(tool: str, expected: list[str]) -> None:
    """A server's name ends at the second `__` (a3s §5.3)."""
    names = ("mcp__git__pu*", "mcp__git__*", "mcp__git", "mcp__*", "*", "Bash")
    policy = Policy(rules=tuple(parse_rule("deny", name) for name in names))
    assert expected == texts(policy, tool)


def test_a_policy_is_compiled_once() -> None:
    """What comes of it stays beside it; the number of remembered tools is bounded."""
    policy = Policy(rules=(parse_rule("deny", "*"),))
    once = compiled(policy)
    assert once is compiled(policy)
    for number in range(MEMO_MAX + 10):
        assert ["*"] == [one.rule.text for one in once.tool(f"t{number}").deny.all()]
    assert MEMO_MAX == len(once._memo)
    assert policy == Policy(rules=policy.rules)


def test_a_policy_that_does_not_parse_says_so() -> None:
    """It has no rules then, but a problem with a reason."""
    once = compiled(Policy(rules=(Rule(effect=RuleEffect.DENY, tool="bash", pattern=""),)))
    assert ("rule_never_matches", False) == (once.problem[0], once.empty)


RULES = ("bash(git:*)", "bash(g*)", "bash(* status)", "bash(/bin/git:*)", "bash(git status)")


@given(st.permutations(RULES))
def test_order_of_rules_does_not_matter(order: list[str]) -> None:
    """Of several that fit, the same one is named every time."""
    policy = Policy(rules=tuple(parse_rule("deny", text) for text in order))
    line = CommandLine((Segment(("git", "status"), "/bin/git"),))
    (part,) = case_of(Action(kind=ActionKind.TOOL, name="bash", command=line), "").parts
    found = compiled(policy).tool("bash").deny.find(part, ANYBODY)
    assert found is not None and "bash(* status)" == found.rule.text


def test_rules_hold_for_whom_they_name() -> None:
    """A rule of another role or task type is passed over."""
    policy = Policy(rules=(parse_rule("deny", "t", role="a"), parse_rule("deny", "t", role="b")))
    bucket = compiled(policy).tool("t").deny
    assert bucket.any_arguments(("", "default")) is None
    one = bucket.any_arguments(("b", "default"))
    assert one is not None and "b" == one.rule.role


def line_action(*programs: str, writes: tuple[str, ...] = ()) -> Action:
    """A call of bash."""
    segments = tuple(Segment((one,), one, writes=writes) for one in programs)
    return Action(kind=ActionKind.TOOL, name="bash", command=CommandLine(segments))


def policy_of(**rules: str) -> Policy:
    """A policy of one rule of each effect."""
    return Policy(rules=tuple(parse_rule(effect, text) for effect, text in rules.items()))


def test_what_a_policy_says_of_a_line_is_kept_with_it() -> None:
    """For whoever acts; of another policy it is another, and only of so many."""
    case = case_of(line_action("git", "ls"), "/w")
    policy = Policy(rules=(parse_rule("allow", "bash(git:*)", role="agent"),))
    said = compiled(policy).says(case, ANYBODY)
    assert said is compiled(policy).says(case, ANYBODY)
    assert {} == said.covered
    agent = compiled(policy).says(case, ("agent", "default"))
    assert [case.parts[0]] == [*agent.covered]
    for number in range(CASE_MAX):
        denying = compiled(policy_of(deny="bash(ls)", allow=f"bash(x{number})"))
        assert "bash(ls)" == denying.says(case, ANYBODY).deny.rule.text
    assert said is not compiled(policy).says(case, ANYBODY)


def test_what_is_judged_once_is_not_kept() -> None:
    """Arguments and paths come anew with every decision."""
    case = case_of(Action(kind=ActionKind.TOOL, name="note", subject="{}"), "/w")
    once = compiled(policy_of(allow="note"))
    assert once.says(case, ANYBODY) is not once.says(case, ANYBODY)
    assert "note" == once.says(case, ANYBODY).whole.rule.text
    assert compiled(Policy()).says(case, ANYBODY).whole is None


def test_files_of_a_command_are_judged_by_the_rules_of_files() -> None:
    """A denial of any of them is one; a literal rule of the command covers them too."""
    case = case_of(line_action("echo", writes=("out",)), "/w")
    said = compiled(policy_of(deny="write(o*)", ask="write(x)", allow="bash(echo)"))
    assert "write(o*)" == said.says(case, ANYBODY).deny.rule.text
    assert said.says(case, ANYBODY).always is None
    assert [*case.parts] == [*said.says(case, ANYBODY).covered]
    exact = parse_rule("allow", "bash(echo >out)", literal=True)
    covered = compiled(Policy(rules=(exact,))).says(case, ANYBODY).covered
    assert [*case.parts, *case.writes] == [*covered]


def test_buckets_say_what_they_hold() -> None:
    """A rule for any arguments comes first; of several patterns, the one that sorts first."""
    policy = Policy(
        rules=tuple(parse_rule("deny", text) for text in ("bash(l*)", "bash(ls:*)", "bash(git)"))
    )
    case = case_of(line_action("ls", "git"), "/w")
    bucket = compiled(policy).tool("bash").deny
    assert "bash(git)" == bucket.any(case.parts, ANYBODY).rule.text
    whole = compiled(policy_of(deny="bash")).tool("bash").deny
    assert "bash" == whole.any(case.parts, ANYBODY).rule.text
    assert compiled(Policy()).tool("bash").deny.any(case.parts, ANYBODY) is None
    literal = parse_rule("deny", "bash(ls)", literal=True)
    exact = compiled(Policy(rules=(literal,))).tool("bash").deny
    assert literal == exact.find(case.parts[0], ANYBODY).rule
    assert exact.find(case.parts[1], ANYBODY) is None
    assert [literal] == [one.rule for one in exact.all()]


def test_arguments_as_text_are_held_against_all_patterns() -> None:
    """They have no first word to be looked up by."""
    case = case_of(Action(kind=ActionKind.TOOL, name="note", subject='{"q":1}'), "")
    bucket = compiled(policy_of(deny='note({"q":*)')).tool("note").deny
    assert bucket.find(case.parts[0], ANYBODY) is not None


def test_asks_that_nothing_overrides_stand_apart() -> None:
    """They are looked at before what allows."""
    rule = parse_rule("ask", "bash(ls)", always_ask=True)
    said = compiled(Policy(rules=(rule,))).says(case_of(line_action("ls"), "/w"), ANYBODY)
    assert (rule, None) == (said.always.rule, said.deny)
