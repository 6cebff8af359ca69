"""Principals: who acts, by which scopes, in which workspace (seeds C1, C5; ruling C6).

A scope is `resource:verb`, `resource:*` or `*`. A role is a named set of scopes, and one
role is above another if it has all of its scopes. Whatever is made out of a principal,
a child's token for one, has at most what the principal has.
A principal's id is a name, and what stands below it, `agent:planner/searcher` below
`agent:planner`, is its own to name; whatever is below a name is an agent's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from holdfast.core.errors import InvalidInput

EVERYTHING: Final = "*"
EVERY_WORKSPACE: Final = "*"
DEFAULT_TASK_TYPE: Final = "default"
BELOW: Final = "/"
"""What stands between a name and what is below it."""

PERSON: Final = "user:"
NOT_PEOPLE: Final = ("agent:", "model:", "tool:", "runtime:")
"""With what the ids of principals begin that are no people, whatever their token permits."""

SCOPES_MAX: Final = 64
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}\Z")

VERBS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "sessions": ("read", "create", "write", "delete", "export", "import"),
        "messages": ("read", "send"),
        "approvals": ("read", "answer"),
        "allowances": ("read", "write"),
        "budgets": ("read", "write"),
        "policy": ("read", "write"),
        "privacy": ("scan",),
        "security": ("read",),
        "audit": ("read",),
        "tokens": ("read", "create", "revoke"),
        "config": ("read", "write"),
        "metrics": ("read",),
    }
)
"""Every resource and what can be done to it."""

_VIEWER = frozenset(
    {
        "sessions:read",
        "messages:read",
        "approvals:read",
        "allowances:read",
        "budgets:read",
        "policy:read",
    }
)
_AGENT = _VIEWER | {
    "sessions:create",
    "sessions:write",
    "messages:send",
    "privacy:scan",
    "tokens:create",
}
_APPROVER = _VIEWER | {"approvals:answer"}
_OPERATOR = (
    _AGENT
    | _APPROVER
    | {
        "sessions:*",
        "allowances:*",
        "budgets:*",
        "policy:*",
        "security:read",
        "audit:read",
        "tokens:*",
        "metrics:read",
    }
)

ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "viewer": _VIEWER,
        "agent": _AGENT,
        "approver": _APPROVER,
        "operator": _OPERATOR,
        "admin": frozenset({EVERYTHING}),
    }
)
"""The built-in roles: viewer below agent and approver, both below operator, that below admin."""


def is_person(principal: str) -> bool:
    """Whether a principal may be a person: no agent, model or tool, and nobody's agent.

    Args:
        principal: the id; a name without a known beginning is what the embedding program
            calls its people.
    """
    folded = principal.casefold()
    return not folded.startswith(NOT_PEOPLE) and not (folded.startswith(PERSON) and BELOW in folded)


def is_below(principal: str, other: str) -> bool:
    """Whether a principal's id is a name below another's; case counts, as in every name."""
    return principal.startswith(other + BELOW)


def top_of(principal: str) -> str:
    """The name that a principal's id is below, however far, or the id itself."""
    return principal.partition(BELOW)[0]


def check_scope(text: str) -> str:
    """Return a scope if it is one that exists.

    Raises:
        InvalidInput: it is not; what nobody knows is refused, never ignored.
    """
    if text == EVERYTHING:
        return text
    resource, colon, verb = text.partition(":") if isinstance(text, str) else ("", "", "")
    if colon and resource in VERBS and (verb == EVERYTHING or verb in VERBS[resource]):
        return text
    raise InvalidInput(f"there is no scope {str(text)[:64]!r}")


def check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return scopes as a set if all of them exist.

    Raises:
        InvalidInput: one does not, or there are more than 64.
    """
    if isinstance(scopes, str):
        raise InvalidInput("scopes are a list of texts")
    found = frozenset(check_scope(one) for one in scopes)
    if len(found) > SCOPES_MAX:
        raise InvalidInput(f"there are more than {SCOPES_MAX} scopes")
    return found


def check_task_type(text: str) -> str:
    """Return a task type if it is a name: lower case letters, digits, "-" and "_".

    Raises:
        InvalidInput: it is not.
    """
    if not isinstance(text, str) or not _NAME.match(text):
        raise InvalidInput("a task type is at most 32 lower case letters, digits, '-' and '_'")
    return text


def covers(scopes: Iterable[str], scope: str) -> bool:
    """Whether one of the scopes permits all that `scope` does."""
    resource, _, _ = scope.partition(":")
    return any(one in (EVERYTHING, scope, f"{resource}:*") for one in scopes)


def within(inner: Iterable[str], outer: Iterable[str]) -> bool:
    """Whether all of the inner scopes are permitted by the outer ones."""
    outside = frozenset(outer)
    return all(covers(outside, one) for one in inner)


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of an installation: the built-in ones, and its own.

    Args:
        own: further roles by name, with their scopes.
        task_types: what a task type leaves of the scopes; one that is not named here
            leaves all of them. It can only take away.
    """

    own: Mapping[str, frozenset[str]] = field(default_factory=dict)
    task_types: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, scopes in (*self.own.items(), *self.task_types.items()):
            if not _NAME.match(name):
                raise InvalidInput(f"{name[:64]!r} is no name for a role or a task type")
            check_scopes(scopes)
        for name in self.own:
            if name in ROLES:
                raise InvalidInput(f"the role {name!r} is built in")

    def scopes(self, role: str) -> frozenset[str]:
        """The scopes of a role.

        Raises:
            InvalidInput: there is no such role.
        """
        found = ROLES.get(role) if role in ROLES else self.own.get(role)
        if found is None:
            raise InvalidInput(f"there is no role {str(role)[:64]!r}")
        return found

    def below(self, lower: str, upper: str) -> bool:
        """Whether one role has nothing that the other does not have (order is inclusion)."""
        return within(self.scopes(lower), self.scopes(upper))

    def left_by(self, task_type: str, scopes: frozenset[str]) -> frozenset[str]:
        """What a task type leaves of some scopes: what both permit."""
        limits = self.task_types.get(task_type)
        return scopes if limits is None else common(scopes, limits)


def common(one: Iterable[str], other: Iterable[str]) -> frozenset[str]:
    """The scopes that both permit."""
    first, second = frozenset(one), frozenset(other)
    return frozenset(
        [scope for scope in first if covers(second, scope)]
        + [scope for scope in second if covers(first, scope)]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """By whose token something is asked: what the log keeps of it.

    Args:
        token: id of the token's row, 32 hex digits.
        role, task_type: of the token; rules may be bound to them.
    """

    token: str
    role: str
    task_type: str = DEFAULT_TASK_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, as a validated token says.

    Args:
        id: a stable name, "agent:<id>" or "user:<id>", or one below such a name.
        workspace: the tenant it belongs to; "*" is every one, of the installation's
            administrator alone.
        session: the one session, with its children, that it may touch; "" is all of
            the workspace's.
        role, scopes: what it may do: what the scopes permit. The role is a name for rules.
        task_type: what it is at; it only takes away.
        token: id of the token's row, 32 hex digits; it is no secret.
        generation: of the token.
        expires_ms: when the token ends, in milliseconds since 1970.
    """

    id: str
    workspace: str
    session: str = ""
    role: str = "viewer"
    scopes: frozenset[str] = frozenset()
    task_type: str = DEFAULT_TASK_TYPE
    token: str = ""
    generation: int = 0
    expires_ms: int = 0

    def may(self, scope: str) -> bool:
        """Whether the scopes permit it."""
        return covers(self.scopes, scope)

    def of(self, workspace: str) -> bool:
        """Whether it belongs to a workspace."""
        return self.workspace in (EVERY_WORKSPACE, workspace)

    @property
    def counted(self) -> str:
        """Under what its requests and streams are counted.

        Whoever is below a name counts as it: otherwise each could give itself more
        (CW-14).
        """
        return f"{self.workspace}\0{top_of(self.id)}"

    @property
    def bearer(self) -> Bearer | None:
        """What the log keeps of it; None if it has no token."""
        if not self.token:
            return None
        return Bearer(token=self.token, role=self.role, task_type=self.task_type)
