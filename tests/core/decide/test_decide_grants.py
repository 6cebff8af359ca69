"""Deciding about grants: what is recorded, under which scope, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.authority import Authority
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.commands import Answer, Command, Revoke
from holdfast.core.commands import Grant as GrantCommand
from holdfast.core.decide import decide
from holdfast.core.decide.common import Draft
from holdfast.core.decide.grants import ALWAYS_MS, EXPIRES_MAX_MS, grant_from_answer
from holdfast.core.errors import (
    ApproverRefused,
    GrantNotFound,
    HoldfastError,
    InvalidInput,
    NotNow,
)
from holdfast.core.events import Event, Granted, Revoked
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.ids import EffectRef
from holdfast.core.lifecycle import SessionState
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.core.view import Question, SessionView

NOW = 5_000
VIEW = SessionView(
    version=7, session_id="one", tenant="t", user_id="u", state=SessionState.ACTIVE, updated_ms=1
)
HOLDERS = {GrantScope.SESSION: "s1", GrantScope.WORKSPACE: "w:1", GrantScope.ALWAYS: "u:1"}
ALLOW = Rule(effect=RuleEffect.ALLOW, tool="ring")


def wanted(**changes: object) -> Grant:
    """A grant as somebody asks for it."""
    plain = Grant(
        id="ab" * 16,
        kind=GrantKind.ALLOWANCE,
        scope=GrantScope.SESSION,
        holder="t:somebody-else",
        rule=ALLOW,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # any field of the class


def facts(*grants: Grant, holders: dict[GrantScope, str] | None = None) -> Facts:
    """Facts in which these grants hold."""
    authority = Authority(
        grants=GrantIndex(grants), holders=HOLDERS if holders is None else holders
    )
    return Facts(now_ms=NOW, authority=authority)


def decided(command: Command, *grants: Grant, view: SessionView = VIEW) -> tuple[Event, ...]:
    """The events of a command."""
    return decide(view, facts(*grants), command, by="7").events


def refused(command: Command, kind: type[HoldfastError], **options: object) -> None:
    """Check that a command is refused."""
    with pytest.raises(kind):
        decided(command, **options)  # type: ignore[arg-type]  # any field of the class


def granted(**changes: object) -> Grant:
    """What becomes of a grant that is asked for."""
    (event,) = decided(GrantCommand(grant=wanted(**changes)))
    assert isinstance(event, Granted)
    return event.grant


def test_the_session_says_where_a_grant_is_kept() -> None:
    """Holder, session, version and time are the session's; what was sent does not count."""
    for scope, holder in HOLDERS.items():
        made = granted(scope=scope, session="other", version=1, created_ms=9)
        assert (holder, "one", 8, NOW, "7") == (
            made.holder,
            made.session,
            made.version,
            made.created_ms,
            made.by,
        )


def test_always_has_an_end() -> None:
    """30 days when none is given; none lasts longer than 366 days."""
    assert NOW + ALWAYS_MS == granted(scope=GrantScope.ALWAYS).expires_ms
    assert NOW + 1 == granted(scope=GrantScope.ALWAYS, expires_ms=NOW + 1).expires_ms
    assert granted().expires_ms is None
    for end in (NOW, NOW - 1, NOW + EXPIRES_MAX_MS + 1):
        refused(GrantCommand(grant=wanted(expires_ms=end)), InvalidInput)


@pytest.mark.parametrize(
    "changes",
    [
        {"uses_max": 0},
        {"uses_max": -1},
        {"uses_max": 10**9},
        {"id": "short"},
        {"id": "XY" * 16},
        {"rule": Rule(effect=RuleEffect.DENY, tool="ring")},
        {"rule": Rule(effect=RuleEffect.ASK, tool="ring", always_ask=True)},
        {"scope": GrantScope.ONCE},
    ],
)
def test_what_cannot_be_granted_is_refused(changes: dict[str, object]) -> None:
    """Odd ids and uses, rules that do not allow, and a scope that keeps nothing."""
    refused(GrantCommand(grant=wanted(**changes)), InvalidInput)


def test_nothing_is_granted_where_there_is_no_scope() -> None:
    """A session without a workspace grants nothing for one."""
    command = GrantCommand(grant=wanted(scope=GrantScope.WORKSPACE))
    with pytest.raises(InvalidInput, match="workspace"):
        decide(VIEW, facts(holders={GrantScope.SESSION: "s1"}), command)


def test_an_ended_session_grants_nothing() -> None:
    """After its end there is nobody left to grant to."""
    ended = replace(VIEW, state=SessionState.TERMINATED)
    refused(GrantCommand(grant=wanted()), NotNow, view=ended)


def test_only_people_grant() -> None:
    """Models, tools and agents are refused, whatever the case."""
    for who in ("agent:x", "MODEL:x", "tool:x", "user:ann/x"):
        refused(GrantCommand(grant=wanted(by=who)), ApproverRefused)


def test_issuing_a_token_is_on_record_and_grants_nothing() -> None:
    """Its event has no holder, so that no row is written."""
    made = granted(kind=GrantKind.CAPABILITY, scope=GrantScope.ONCE, expires_ms=NOW + 5)
    assert ("", 8) == (made.holder, made.version)


def test_revoking_names_the_row() -> None:
    """The event has the holder under which the grant is kept."""
    there = wanted(holder="w:1", scope=GrantScope.WORKSPACE)
    assert (Revoked(id=there.id, holder="w:1", why="x", by="7"),) == decided(
        Revoke(id=there.id, holder="", why="x"), there
    )
    refused(Revoke(id="0" * 32, holder=""), GrantNotFound)
    with pytest.raises(GrantNotFound):
        decided(Revoke(id=there.id, holder="s1"), there)


def test_clearing_takes_the_sessions_own() -> None:
    """Without an id all that is for this session only is taken back (seed E7)."""
    mine = [wanted(id=f"{n:032x}", holder="s1") for n in range(3)]
    other = wanted(holder="w:1", scope=GrantScope.WORKSPACE)
    events = decided(Revoke(id="", holder=""), *mine, other)
    assert [one.id for one in mine] == sorted(
        event.id for event in events if isinstance(event, Revoked)
    )
    assert 3 == len(events)


# --- answers --------------------------------------------------------------------------


ACTION = Action(kind=ActionKind.TOOL, name="ring", digest="d", subject='{"tone":"*"}')


def question(*codes: str, patterns: tuple[str, ...] = ()) -> Question:
    """A question about one call."""
    return Question(
        id=7,
        ref=EffectRef(5, 1),
        about="approval",
        name="ring",
        digest="d",
        choices=("once", "session", "workspace", "always", "deny"),
        due_ms=None,
        asked_ms=1,
        codes=codes or ("permission.default",),
        patterns=patterns,
    )


def answered(
    decision: str, action: Action = ACTION, *codes: str, **terms: object
) -> tuple[Grant, ...]:
    """What an answer grants."""
    draft = Draft(replace(VIEW, version=8), facts())
    given = Answer(question=7, decision=decision, by="ann", **terms)  # type: ignore[arg-type]  # any field of the class
    return grant_from_answer(draft, question(*codes), given, action)


def test_once_and_no_grant_nothing() -> None:
    """Only the three lasting decisions make grants."""
    for decision in ("once", "deny", "edit"):
        assert () == answered(decision)


def test_an_answer_grants_the_literal_arguments() -> None:
    """Scope, holder, end and uses are the answer's; the rule is the very call (AW-1)."""
    (made,) = answered("session", expires_ms=NOW + 9, uses_max=3)
    assert ("s1", GrantScope.SESSION, NOW + 9, 3, "ann", "one", 8) == (
        made.holder,
        made.scope,
        made.expires_ms,
        made.uses_max,
        made.by,
        made.session,
        made.version,
    )
    assert (True, '{"tone":"*"}') == (made.rule.literal, made.rule.pattern)
    (made,) = answered("always")
    assert NOW + ALWAYS_MS == made.expires_ms


def test_a_chosen_pattern_is_granted_instead() -> None:
    """One that the question did not offer falls back to what is literal."""
    (made,) = answered("session", pattern="ring")
    assert ("ring", False) == (made.rule.text, made.rule.literal)
    (made,) = answered("session", pattern="*")
    assert made.rule.literal


def test_each_command_and_path_has_its_grant() -> None:
    """Ids differ, operations are those of the call."""
    line = CommandLine((Segment(("git", "status"), "git"), Segment(("ls",), "ls")))
    made = answered("workspace", replace(ACTION, name="bash", command=line))
    assert ["git status", "ls"] == [one.rule.pattern for one in made]
    assert 2 == len({one.id for one in made})
    paths = (PathUse("a", "a", Operation.WRITE), PathUse("b", "b", Operation.WRITE))
    made = answered("session", replace(ACTION, name="write", paths=paths))
    assert [(Operation.WRITE,)] * 2 == [one.operations for one in made]


def test_an_escape_grants_the_path_and_not_the_tool() -> None:
    """A yes about a path outside grants just that path and operation."""
    path = PathUse("/x/y", None, Operation.READ, real="/x/y")
    action = replace(ACTION, name="read", paths=(path,))
    (made,) = answered("session", action, "boundary.path_escape")
    assert (GrantKind.ESCAPE, "/x/y", (Operation.READ,)) == (
        made.kind,
        made.rule.pattern,
        made.operations,
    )
    both = answered("session", action, "boundary.path_escape", "permission.default")
    assert {GrantKind.ESCAPE, GrantKind.ALLOWANCE} == {one.kind for one in both}
    assert 2 == len({one.id for one in both})


def test_what_has_nothing_literal_is_allowed_once_only() -> None:
    """An unclear command, arguments that are too long, a budget: no lasting yes."""
    unclear = replace(ACTION, command=CommandLine((), "substitution"))
    for action, code in (
        (unclear, "permission.default"),
        (replace(ACTION, subject=""), "permission.default"),
        (ACTION, "budget.session"),
    ):
        with pytest.raises(InvalidInput, match="once"):
            answered("session", action, code)


def test_bad_terms_of_an_answer_are_refused() -> None:
    """An end in the past and no uses grant nothing."""
    for terms in ({"expires_ms": NOW}, {"uses_max": 0}):
        with pytest.raises(InvalidInput):
            answered("session", **terms)
