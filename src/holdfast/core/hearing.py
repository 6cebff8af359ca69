"""An action before the policies that hold for a session, and the grants that may cover it.

The guard `permission` decides; here is what it decides on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.actions import Action
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant
from holdfast.core.matching import Case, Part, case_of, matcher
from holdfast.core.policies import Compiled, Said, compiled
from holdfast.core.verdicts import Allow
from holdfast.core.view import SessionView

SESSION = "session"
PARENT = "parent"
"""A scope that is this, or begins with it and a colon, is a session above this one."""

INSTALLATION = "installation"
"""The scope of the policy file: like a parent, what is inside it never widens it."""

_CEILINGS = (PARENT, INSTALLATION)


@dataclass(slots=True)
class Scope:
    """A policy, whose it is and what it says; a ceiling has to permit by itself."""

    name: str
    rules: Compiled
    said: Said
    ceiling: bool = False


@dataclass(slots=True)
class Hearing:
    """One action before the scopes.

    Args:
        who: role and task type of whoever acts.
        own: the session's own policy; outer: those above it.
        scopes: all of them, the session's own first.
    """

    view: SessionView
    action: Action
    case: Case
    authority: Authority
    now_ms: int
    who: tuple[str, str]
    own: Scope | None
    outer: list[Scope]
    scopes: list[Scope]


def hear(view: SessionView, facts: Facts, action: Action) -> Hearing:
    """Bring an action before the policies that hold for a session."""
    authority, settings = facts.authority, view.settings
    case, who = case_of(action, settings.workspace), (authority.role, authority.task_type)
    own = None
    if settings.permission is not None:
        rules = compiled(settings.permission)
        own = Scope(SESSION, rules, rules.says(case, who))
    outer = []
    for one in authority.policies:
        rules = compiled(one.policy)
        ceiling = one.scope.partition(":")[0] in _CEILINGS
        outer.append(Scope(one.scope, rules, rules.says(case, who), ceiling))
    return Hearing(
        view=view,
        action=action,
        case=case,
        authority=authority,
        now_ms=facts.now_ms,
        who=who,
        own=own,
        outer=outer,
        scopes=outer if own is None else [own, *outer],
    )


def granted_literally(view: SessionView, facts: Facts, action: Action) -> bool:
    """Whether people granted this very call before, in its very words."""
    if not len(facts.authority.grants):
        return False
    hearing = hear(view, facts, action)
    case = hearing.case
    if case.unclear or not case.parts:
        return False
    return all(_literal_grant(hearing, part) is not None for part in case.parts)


# --- grants ----------------------------------------------------------------------


def grants_for(hearing: Hearing, left: Iterable[Part]) -> Allow | None:
    """The grants that cover what no rule does, or None if they do not cover all of it.

    The most specific first, of equals the unlimited before the limited, then by id
    (astrid#AW-39). A literal grant of a command covers the files it is redirected to.
    """
    taken: dict[str, Grant] = {}
    todo = dict.fromkeys(left)
    for part in hearing.case.parts:
        grant = None
        if any(file in todo for file in part.files):
            grant = _literal_grant(hearing, part)
        if grant is not None:
            taken[grant.id] = grant
            todo = {one: None for one in todo if one is not part and one not in part.files}
    for part in todo:
        grant = _literal_grant(hearing, part) or _wide_grant(hearing, part)
        if grant is None:
            return None
        taken[grant.id] = grant
    uses = {(grant.counter, 1) for grant in taken.values() if grant.uses_max is not None}
    return Allow((), tuple(sorted(uses)), tuple(sorted(taken)))


def _literal_grant(hearing: Hearing, part: Part) -> Grant | None:
    found = hearing.authority.grants.literal(part.tool, part.text)
    return next((grant for grant in found if _usable(hearing, grant, part)), None)


def _wide_grant(hearing: Hearing, part: Part) -> Grant | None:
    index = hearing.authority.grants
    # A program that lies somewhere may be found by its name or by its place.
    places = "/" in part.program
    found = index.for_tool(part.tool) if places else index.wide(part.tool, part.text)
    return next(
        (one for one in found if matcher(one.rule).fits(part) and _usable(hearing, one, part)),
        None,
    )


def _usable(hearing: Hearing, grant: Grant, part: Part) -> bool:
    if part.kind == "path" and grant.operations and part.operation not in grant.operations:
        return False
    rule, (role, task_type) = grant.rule, hearing.who
    if rule.role not in ("", role) or rule.task_type not in ("", task_type):
        return False
    return hearing.authority.usable(grant, hearing.view, hearing.now_ms)
