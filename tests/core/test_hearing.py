"""Which grants cover a call, in which order they are taken."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.authority import Authority, ScopedPolicy
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.hearing import granted_literally, grants_for, hear
from holdfast.core.rules import Policy, parse_rule
from holdfast.core.settings import Settings
from holdfast.core.tools import Operation
from holdfast.core.verdicts import Allow
from holdfast.core.view import SessionView

GIT = Action(
    kind=ActionKind.TOOL,
    name="Bash",
    command=CommandLine((Segment(("git", "status"), "git", writes=("out",)),)),
)


def grant(number: int, text: str, *, literal: bool = False, **more: object) -> Grant:
    """An allowance."""
    return Grant(
        id=f"{number:032}",
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.SESSION,
        holder="h",
        rule=parse_rule("allow", text, literal=literal),
        **more,
    )


def taken(action: Action, *grants: Grant) -> Allow | None:
    """What would be taken for all of an action."""
    left = {one.id: 1 for one in grants if one.uses_max}
    authority = Authority(grants=GrantIndex(grants), uses_left=left)
    view = SessionView(settings=Settings(workspace="/w"))
    hearing = hear(view, Facts(now_ms=10, authority=authority), action)
    return grants_for(hearing, hearing.case.all)


def ids(found: Allow | None) -> list[int]:
    """The numbers of the grants."""
    assert found is not None
    return [int(id) for id in found.grants]


def test_an_unlimited_grant_is_taken_before_a_limited_one() -> None:
    """And the more specific one before both (astrid#AW-39)."""
    read = Action(kind=ActionKind.TOOL, name="read", paths=(PathUse("a/b", "a/b"),))
    limited, free = grant(1, "read(a/**)", uses_max=1), grant(2, "read(a/**)")
    assert [2] == ids(taken(read, limited, free))
    exact = grant(3, "read(a/b)", literal=True, uses_max=1)
    found = taken(read, limited, free, exact)
    assert ([3], ((exact.counter, 1),)) == (ids(found), found.takes if found else ())


def test_all_of_a_line_has_to_be_covered() -> None:
    """The files it writes as well, unless the very line was granted."""
    assert taken(GIT, grant(1, "bash(git status:*)")) is None
    assert [1, 2] == ids(taken(GIT, grant(1, "bash(git status:*)"), grant(2, "write(out)")))
    assert [3] == ids(taken(GIT, grant(3, "bash(git status >out)", literal=True)))


def test_what_has_ended_covers_nothing() -> None:
    """Neither an expired grant nor one that is used up, nor one for something else."""
    read = Action(
        kind=ActionKind.TOOL, name="read", paths=(PathUse("a", "a", Operation.READ, "/w/a"),)
    )
    assert taken(read, grant(1, "read(a)", expires_ms=10)) is None
    assert [1] == ids(taken(read, grant(1, "read(a)", expires_ms=11)))
    assert taken(read, grant(1, "read(a)", operations=(Operation.WRITE,))) is None
    assert [1] == ids(taken(read, grant(1, "read(a)", operations=(Operation.READ,))))
    one = grant(1, "read")
    other_role = replace(one, rule=parse_rule("allow", "read", role="r"))
    assert taken(read, other_role) is None


def test_a_program_is_found_by_its_name_wherever_it_lies() -> None:
    """`/usr/bin/git` is the system's git."""
    segment = Segment(("git", "log"), "/usr/bin/git")
    line = Action(kind=ActionKind.TOOL, name="bash", command=CommandLine((segment,)))
    assert [1] == ids(taken(line, grant(1, "bash(git log:*)")))


def test_what_binds_all_inside_it_is_told_by_its_name() -> None:
    """The installation and sessions above; a user's or a workspace's policy does not."""
    names = ("installation", "parent:x", "parents", "user")
    policies = tuple(ScopedPolicy(name, Policy()) for name in names)
    facts = Facts(now_ms=0, authority=Authority(policies=policies))
    hearing = hear(SessionView(), facts, GIT)
    assert [True, True, False, False] == [scope.ceiling for scope in hearing.scopes]


def test_the_sessions_own_policy_is_heard_first() -> None:
    """Then those above it, each with what it says of the call."""
    own = Policy(rules=(parse_rule("allow", "act"),))
    view = SessionView(settings=Settings(permission=own))
    above = ScopedPolicy("parent:p", Policy(rules=(parse_rule("deny", "act"),)))
    facts = Facts(now_ms=0, authority=Authority(policies=(above,)))
    found = hear(view, facts, Action(kind=ActionKind.TOOL, name="act", subject="{}"))
    assert ["session", "parent:p"] == [scope.name for scope in found.scopes]
    assert found.own is not None and found.own.said.whole is not None
    assert [(True, "act")] == [(one.ceiling, one.said.deny.rule.text) for one in found.outer]


def literally(action: Action, *grants: Grant) -> bool:
    """Whether people granted this very call."""
    facts = Facts(now_ms=10, authority=Authority(grants=GrantIndex(grants)))
    return granted_literally(SessionView(settings=Settings(workspace="/w")), facts, action)


def test_a_call_is_granted_literally_in_all_its_parts() -> None:
    """Not by a wider grant, not in part, and not what cannot be seen through."""
    words = grant(1, "bash(git status >out)", literal=True)
    assert not literally(GIT)
    assert literally(GIT, words)
    assert not literally(GIT, grant(1, "bash(git status:*)"), grant(2, "write(out)"))
    assert not literally(GIT, grant(1, "bash"), grant(2, "write"))
    assert not literally(GIT, replace(words, expires_ms=10))
    segments = (*GIT.command.segments, Segment(("ls",), "ls")) if GIT.command else ()
    both = replace(GIT, command=CommandLine(segments))
    assert not literally(both, words)
    assert literally(both, words, grant(2, "bash(ls)", literal=True))
    unclear = replace(GIT, command=CommandLine(segments[:1], unclear="a substitution"))
    assert not literally(unclear, words)
    nothing = replace(GIT, command=CommandLine(()))
    assert not literally(nothing, words, grant(2, "bash"))
