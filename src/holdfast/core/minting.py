"""Minting only narrows: what a new token may have at most (CW-8).

- Whoever makes a token out of another one gives away at most what that one has: its
  scopes, its role, its workspace, its session, its end.
- A task type takes away and never adds; below a token with one there is only that one.
- A name is part of that: what an author wrote is shown to that author in clear. A token
  gives its own name and those below it, `agent:planner/searcher` for `agent:planner`; any
  other takes one that may revoke it (docs/adr/0037-names-below.md).
- What nobody knows (a scope, a role) is malformed, and what is more than there is to give
  is denied: the two are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from holdfast.core.errors import InvalidInput, ScopeDenied
from holdfast.core.principals import (
    DEFAULT_TASK_TYPE,
    EVERY_WORKSPACE,
    Principal,
    Roles,
    check_scopes,
    check_task_type,
    common,
    is_below,
    within,
)

CREATE = "tokens:create"
REVOKE = "tokens:revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a token is to have.

    Args:
        scopes: None is all that the role has and whoever makes it may give.
        task_type: None is that of whoever makes it.
        workspace: the tenant; "*" is every one.
        every_session: all of the workspace's, not one alone.
        principal: who bears it: "agent:<id>" or "user:<id>", or a name below.
    """

    role: str
    scopes: Iterable[str] | None = None
    task_type: str | None = None
    workspace: str = ""
    every_session: bool = False
    principal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """What a token gets."""

    scopes: frozenset[str]
    task_type: str


def minted(wanted: Wanted, roles: Roles, by: Principal | None) -> Minted:
    """Decide what a token gets.

    Args:
        by: who makes it; None is the installation's own program, which may everything.

    Raises:
        InvalidInput: a role, a scope or a task type is not known, or the role has not
            all of the scopes.
        ScopeDenied: it is more than `by` has.
    """
    whole = roles.scopes(wanted.role)
    scopes = whole if wanted.scopes is None else check_scopes(wanted.scopes)
    if not within(scopes, whole):
        raise InvalidInput(f"the role {wanted.role!r} does not have all of these scopes")
    task_type = None if wanted.task_type is None else check_task_type(wanted.task_type)
    if wanted.workspace == EVERY_WORKSPACE and not wanted.every_session:
        raise InvalidInput("a token for every workspace is not for one session")
    if by is not None:
        _check_maker(wanted, roles, by)
        if wanted.scopes is None:
            scopes = common(scopes, by.scopes)
        elif not within(scopes, by.scopes):
            raise ScopeDenied("a token cannot give more scopes than it has")
        task_type = _task_type_below(by, task_type)
    found = task_type or DEFAULT_TASK_TYPE
    return Minted(scopes=roles.left_by(found, scopes), task_type=found)


def _check_maker(wanted: Wanted, roles: Roles, by: Principal) -> None:
    if not by.may(CREATE):
        raise ScopeDenied(f"this needs the scope {CREATE}")
    own = wanted.principal == by.id or is_below(wanted.principal, by.id)
    if not own and not by.may(REVOKE):
        raise ScopeDenied(
            f"a token in a name that is neither {by.id} nor below it, as {by.id}/helper is, "
            f"needs the scope {REVOKE}"
        )
    try:
        below = roles.below(wanted.role, by.role)
    except InvalidInput:  # the maker's own role is known no more
        below = False
    if not below:
        raise ScopeDenied("a token cannot give a role above its own")
    if by.workspace not in (EVERY_WORKSPACE, wanted.workspace):
        raise ScopeDenied("a token cannot give what is in another workspace")
    if by.session and wanted.every_session:
        raise ScopeDenied("a token for one session cannot give more sessions")


def _task_type_below(by: Principal, asked: str | None) -> str:
    """The task type below a token: its own, if it has one.

    Raises:
        ScopeDenied: another one was asked for.
    """
    if by.task_type == DEFAULT_TASK_TYPE:
        return asked or DEFAULT_TASK_TYPE
    if asked not in (None, by.task_type):
        raise ScopeDenied("a token with a task type gives no other one")
    return by.task_type
