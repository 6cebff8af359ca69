"""The boundary guard: nothing leaves the workspace unless a person let it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.guards.boundary import check
from holdfast.core.ids import EffectRef
from holdfast.core.judge import judge
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import OpenEffect, SessionView

READ, WRITE, DELETE = Operation.READ, Operation.WRITE, Operation.DELETE
INSIDE = PathUse("a/b", "a/b", WRITE, "/ws/a/b")
OUTSIDE = PathUse("../x", None, WRITE, "/x")
HOMELESS = Deny("boundary", "no_workspace", "the session has no workspace here")
ESCAPE = Ask(
    "boundary",
    "path_escape",
    "write wants to write '/x', which is outside the workspace",
    "escape",
)


def action(*paths: PathUse, name: str = "write", needs: bool = False, has: bool = True) -> Action:
    """A call that names these paths."""
    return Action(
        kind=ActionKind.TOOL,
        name=name,
        digest="d",
        needs_workspace=needs,
        has_workspace=has,
        paths=paths,
    )


def escape(path: str, *operations: Operation, literal: bool = True, **more: Any) -> Grant:
    """An escape grant."""
    grant = Grant(
        id="1" * 32,
        kind=GrantKind.ESCAPE,
        scope=GrantScope.SESSION,
        holder="s",
        rule=Rule(effect=RuleEffect.ALLOW, tool="*", pattern=path, literal=literal),
        operations=operations,
    )
    return replace(grant, **more)


def judged(act: Action, *grants: Grant, private: tuple[str, ...] = ()) -> Verdict:
    """What the guard says when these are granted."""
    left = {grant.id: grant.uses_max for grant in grants if grant.uses_max is not None}
    authority = Authority(grants=GrantIndex(grants), uses_left=left)
    return check(SessionView(), Facts(now_ms=100, authority=authority, private=private), act)


def code(verdict: Verdict) -> str:
    """The reason of a refusal or question, or "" for a yes."""
    return "" if isinstance(verdict, Allow) else verdict.reason


@pytest.mark.parametrize(
    ("needs", "has", "paths", "expected"),
    [
        (False, False, (), Allow()),
        (False, True, (), Allow()),
        (True, True, (), Allow()),
        (True, False, (), HOMELESS),
        (False, False, (INSIDE,), HOMELESS),
        (False, True, (INSIDE,), Allow()),
        (False, True, (OUTSIDE,), ESCAPE),
        (True, True, (INSIDE, OUTSIDE, INSIDE), ESCAPE),
        (True, False, (OUTSIDE,), HOMELESS),
    ],
)
def test_tools(needs: bool, has: bool, paths: tuple[PathUse, ...], expected: Verdict) -> None:
    """A tool needs its workspace; a path outside it is a question."""
    assert expected == judged(action(*paths, needs=needs, has=has))


@pytest.mark.parametrize("kind", [kind for kind in ActionKind if kind is not ActionKind.TOOL])
def test_other_kinds_name_no_paths(kind: ActionKind) -> None:
    """Only tools are judged by paths."""
    act = Action(kind=kind, needs_workspace=True, paths=(OUTSIDE,))
    assert Allow() == check(SessionView(), Facts(now_ms=0), act)


def test_what_cannot_be_resolved_is_refused() -> None:
    """A path without a real one is no question: nobody could tell what is asked."""
    assert "bad_path" == code(judged(action(PathUse("a\0b", None))))


def test_each_path_is_asked_about() -> None:
    """Two ways out are two questions in one."""
    verdict = judged(action(OUTSIDE, PathUse("/y", None, READ, "/y")))
    assert isinstance(verdict, Ask)
    assert ("boundary.path_escape",) * 2 == verdict.codes


def test_a_grant_is_for_a_path_and_an_operation() -> None:
    """astrid#AW-9: to have read a path does not let it be written or deleted."""
    grant = escape("/x", READ)
    assert Allow(grants=(grant.id,)) == judged(action(replace(OUTSIDE, operation=READ)), grant)
    for operation in set(Operation) - {READ}:
        use = replace(OUTSIDE, operation=operation)
        assert "path_escape" == code(judged(action(use), grant))
    both = escape("/x", READ, WRITE)
    assert "" == code(judged(action(OUTSIDE), both))


@pytest.mark.parametrize("real", ["/x/y", "/", "/xy", "/X", "/x ", "/y"])
def test_a_literal_grant_is_for_that_path_only(real: str) -> None:
    """Neither what lies beneath, nor above, nor beside it."""
    use = PathUse(real, None, WRITE, real)
    assert "path_escape" == code(judged(action(use), escape("/x", WRITE)))


@pytest.mark.parametrize(
    ("pattern", "real", "expected"),
    [
        ("/data/**", "/data/a", ""),
        ("/data/**", "/data/a/b", ""),
        ("/data/**", "/data", ""),
        ("/data/**", "/database", "path_escape"),
        ("/data/*", "/data/a", "path_escape"),
        ("/**/a", "/data/a", "path_escape"),
        ("/data/", "/data/a", "path_escape"),
        (None, "/data/a", "path_escape"),
    ],
)
def test_a_chosen_folder(pattern: str | None, real: str, expected: str) -> None:
    """Only `folder/**` widens an escape; every other pattern covers nothing."""
    rule = Rule(effect=RuleEffect.ALLOW, tool="*", pattern=pattern)
    grant = escape("", WRITE, rule=rule)
    assert expected == code(judged(action(PathUse(real, None, WRITE, real)), grant))


def test_a_literal_star_is_a_star() -> None:
    """astrid#AW-1: `*` in an approved path means itself."""
    grant = escape("/data/**", WRITE)
    assert "" == code(judged(action(PathUse("x", None, WRITE, "/data/**")), grant))
    assert "path_escape" == code(judged(action(PathUse("x", None, WRITE, "/data/a")), grant))


@pytest.mark.parametrize(
    "more",
    [
        {"expires_ms": 100},
        {"kind": GrantKind.ALLOWANCE},
        {"rule": Rule(effect=RuleEffect.DENY, tool="*", pattern="/x", literal=True)},
        {"rule": Rule(effect=RuleEffect.ALLOW, tool="read", pattern="/x", literal=True)},
    ],
)
def test_what_is_no_live_escape_permits_nothing(more: dict[str, Any]) -> None:
    """An end, another kind of grant or another tool: it asks."""
    assert "path_escape" == code(judged(action(OUTSIDE), escape("/x", WRITE, **more)))


def test_a_counted_grant_is_claimed() -> None:
    """astrid#AW-39: one without a number of uses goes first; else a use is reserved."""
    counted = escape("/x", WRITE, id="0" * 32, uses_max=1)
    free = escape("/x", WRITE, id="f" * 32)
    claimed = Allow(takes=((counted.counter, 1),), grants=(counted.id,))
    assert claimed == judged(action(OUTSIDE), counted)
    for grants in ((counted, free), (free, counted)):
        assert Allow(grants=(free.id,)) == judged(action(OUTSIDE), *grants)


def test_a_grant_that_is_used_up_permits_nothing() -> None:
    """It is asked about instead of failing when the use is claimed."""
    counted = escape("/x", WRITE, uses_max=2)
    for left, expected in ((1, ""), (0, "path_escape")):
        authority = Authority(grants=GrantIndex([counted]), uses_left={counted.id: left})
        facts = Facts(now_ms=100, authority=authority)
        assert expected == code(check(SessionView(), facts, action(OUTSIDE)))


FORBIDDEN = [
    "/proc", "/proc/self/environ", "/sys/kernel", "/dev/sda", "/etc/shadow", "/etc/shadow-",
    "/ETC/Shadow", "/private/etc/shadow", "/h/u/.ssh", "/h/u/.ssh/id_rsa",
    "/h/u/.SSH/new", "/r/.gnupg/x", "/h/u/.aws/credentials", "/u/.s\u200bsh/id",
    "/etc/ssh/ssh_host_rsa_key", "/etc/sudoers.d/x", "/ws/.ssh/id", "/u/.ssh./id",
    "/data/s.db", "/data/s.db-wal", "/data/s.db.keys", "/DATA/s.db", "/data/s.db/x",
]  # fmt: skip


@pytest.mark.parametrize("real", FORBIDDEN)
@pytest.mark.parametrize("operation", list(Operation))
def test_forbidden_for_good(real: str, operation: Operation) -> None:
    """astrid#AW-6: the folder itself, case variants and whatever was granted included."""
    inside = real.removeprefix("/ws/") if real.startswith("/ws/") else None
    grants = (escape(real, *Operation), escape("/**", *Operation, literal=False))
    verdict = judged(
        action(PathUse("x", inside, operation, real)), *grants, private=("/data/s.db",)
    )
    assert "hard_forbidden_path" == code(verdict)
    assert isinstance(verdict, Deny)


@pytest.mark.parametrize(
    "real",
    [
        "/dev/shm/x",
        "/process",
        "/devel/x",
        "/dev-box/x",
        "/etc/passwd",
        "/etc/shadowy",
        "/h/u/.sshd",
        "/data/s.dbx",
        "/etc",
    ],
)
def test_places_beside_the_forbidden_ones(real: str) -> None:
    """A common beginning is not a folder; these are questions."""
    use = PathUse("x", None, READ, real)
    assert "path_escape" == code(judged(action(use), private=("/data/s.db",)))


@pytest.mark.parametrize("real", ["/", "/etc", "/data"])
def test_a_forbidden_place_is_not_deleted_with_its_folder(real: str) -> None:
    """Deleting what it lies in is deleting it."""
    use = PathUse("x", None, DELETE, real)
    assert "hard_forbidden_path" == code(judged(action(use), private=("/data/s.db",)))


@pytest.mark.parametrize(
    ("inside", "operation", "expected"),
    [
        (".git/hooks/pre-commit", WRITE, "protected_path"),
        (".git/config", WRITE, "protected_path"),
        (".git", DELETE, "protected_path"),
        ("sub/.git/hooks/x", WRITE, "protected_path"),
        (".GIT/config", WRITE, "protected_path"),
        (".git./config", WRITE, "protected_path"),
        (".g\u200cit/config", WRITE, "protected_path"),
        ("holdfast.toml", WRITE, "protected_path"),
        (".holdfast/x", WRITE, "protected_path"),
        (".git/hooks/x", Operation.EXECUTE, "protected_path"),
        (".git/config", READ, ""),
        ("holdfast.toml", Operation.LIST, ""),
        (".gitignore", WRITE, ""),
        ("a/holdfast.toml.txt", WRITE, ""),
    ],
)
def test_protected_places(inside: str, operation: Operation, expected: str) -> None:
    """What runs or rules later is changed only when asked; reading it is free."""
    act = action(PathUse(inside, inside, operation, f"/ws/{inside}"))
    assert expected == code(judged(act))
    if expected:
        assert "" == code(judged(act, escape(f"/ws/{inside}", operation)))


def test_no_mode_answers_for_the_person() -> None:
    """unsafe_auto_approve does not cover ways out and protected places."""
    view = SessionView()
    view = replace(view, settings=replace(view.settings, unsafe_auto_approve=True))
    for use in (OUTSIDE, PathUse(".git/config", ".git/config", WRITE, "/ws/.git/config")):
        guards = (("boundary", check),)
        assert isinstance(judge(view, Facts(now_ms=0), action(use), guards), Ask)


def test_a_use_that_another_call_has_claimed_is_gone() -> None:
    """Two calls of one answer do not claim the same last use: the append would refuse both."""
    counted = escape("/x", WRITE, uses_max=1)
    authority = Authority(grants=GrantIndex([counted]), uses_left={counted.id: 1}, read_at=4)
    facts = Facts(now_ms=100, authority=authority)
    runs = OpenEffect(
        ref=EffectRef(4, 1),
        effect="tool",
        name="act",
        digest="d",
        attempt=1,
        engine="e",
        version=5,
        takes=((counted.counter, 1),),
    )
    assert "" == code(check(SessionView(), facts, action(OUTSIDE)))
    assert "path_escape" == code(check(SessionView(open=(runs,)), facts, action(OUTSIDE)))
