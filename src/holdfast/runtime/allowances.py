"""What is granted, as people see it, and the file that workspace allowances move in.

An imported list is only shown at first; it is taken over once a person has
confirmed just that list. What is taken over is signed anew here, never has more
uses or a later end than the file says, and never replaces what is granted
already (rulings, E9).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from holdfast.core.errors import InvalidInput
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect, parse_rule
from holdfast.core.tools import Operation
from holdfast.runtime.seedjson import JsonObject

FORMAT = "holdfast-allowances"
VERSION = 1
ENTRIES_MAX = 1_000
CHARS_MAX = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One thing that is granted.

    Args:
        id: what it is revoked by.
        rule: what it permits, as rule text.
        literal: a `*` in the rule means itself.
        scope: session, workspace or always.
        kind: allowance, escape or capability.
        permissions: what may be done with the paths; none stands for any.
        created_ms, expires_ms: milliseconds since 1970; None is no end.
        uses_max, uses_left: None is any number.
        by: who granted it.
        session, version: the event that authorised it.
        active: it has not expired and is not used up.
    """

    id: str
    rule: str
    literal: bool
    scope: str
    kind: str
    permissions: tuple[str, ...] = ()
    created_ms: int = 0
    expires_ms: int | None = None
    uses_max: int | None = None
    uses_left: int | None = None
    by: str = ""
    session: str = ""
    version: int = 0
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One allowance of a file that is to be taken over.

    Args:
        expires_ms, uses_max: no more than these; None is no limit.
    """

    rule: str
    literal: bool
    permissions: tuple[str, ...] = ()
    expires_ms: int | None = None
    uses_max: int | None = None

    def parsed(self) -> Rule:
        """The rule.

        Raises:
            MalformedRule: it does not parse.
        """
        return parse_rule(RuleEffect.ALLOW, self.rule, literal=self.literal)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceImport:
    """What an import would take over, or has.

    Args:
        shown: the list a person is to see.
        skipped: why others are left out, a line each.
        confirm: what confirms just this list.
        imported: how many were taken over; 0 until confirmed.
    """

    shown: tuple[Offered, ...]
    skipped: tuple[str, ...]
    confirm: str
    imported: int = 0


def allowance_of(grant: Grant, left: int | None, now_ms: int) -> Allowance:
    """Show a grant."""
    return Allowance(
        id=grant.id,
        rule=grant.rule.text,
        literal=grant.rule.literal,
        scope=grant.scope.value,
        kind=grant.kind.value,
        permissions=tuple(one.value for one in grant.operations),
        created_ms=grant.created_ms,
        expires_ms=grant.expires_ms,
        uses_max=grant.uses_max,
        uses_left=left,
        by=grant.by,
        session=grant.session,
        version=grant.version,
        active=grant.live(now_ms) and left != 0,
    )


def exported(allowances: list[Allowance]) -> str:
    """Write the workspace's active allowances as JSON; uses are those that are left."""
    rows = [
        {
            "rule": one.rule,
            "literal": one.literal,
            "permissions": list(one.permissions),
            "expires_ms": one.expires_ms,
            "uses_max": one.uses_left,
        }
        for one in allowances
        if one.active
        and (one.scope, one.kind) == (GrantScope.WORKSPACE.value, GrantKind.ALLOWANCE.value)
    ]
    return json.dumps({"format": FORMAT, "version": VERSION, "allowances": rows}, indent=2)


def written(grants: Iterable[Grant]) -> tuple[JsonObject, ...]:
    """The allowances of a session alone, as its written form carries them (seed E9).

    They are shown there; in whatever reads them they permit nothing.
    """
    return tuple(
        {
            "id": one.id,
            "rule": one.rule.text,
            "literal": one.rule.literal,
            "permissions": [operation.value for operation in one.operations],
            "created_ms": one.created_ms,
            "expires_ms": one.expires_ms,
            "uses_max": one.uses_max,
            "session_only": True,
        }
        for one in grants
        if one.scope is GrantScope.SESSION and one.kind is GrantKind.ALLOWANCE
    )


def offered(data: str) -> tuple[Offered, ...]:
    """Read such a file.

    Raises:
        InvalidInput: it is none, or an entry is not one; the message names it.
        MalformedRule: a rule does not parse.
    """
    if not isinstance(data, str) or len(data) > CHARS_MAX:
        raise InvalidInput(f"a list of allowances is text of at most {CHARS_MAX:,} characters")
    try:
        file = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput("the list of allowances is not JSON") from None
    if not isinstance(file, dict) or set(file) != {"format", "version", "allowances"}:
        raise InvalidInput("this is not a list of allowances")
    rows = file["allowances"]
    if (file["format"], file["version"]) != (FORMAT, VERSION) or not isinstance(rows, list):
        raise InvalidInput(f"a list of allowances of version {VERSION} is expected")
    if len(rows) > ENTRIES_MAX:
        raise InvalidInput(f"a list has at most {ENTRIES_MAX:,} allowances")
    found = tuple(_offered(number, row) for number, row in enumerate(rows, start=1))
    for one in found:
        one.parsed()
    return found


def _offered(number: int, row: object) -> Offered:
    known = {"rule", "literal", "permissions", "expires_ms", "uses_max"}
    if not isinstance(row, dict) or not set(row) <= known or "rule" not in row:
        raise InvalidInput(f"allowance {number} has other fields than: {', '.join(sorted(known))}")
    rule, literal = row["rule"], row.get("literal", True)
    permissions = row.get("permissions", [])
    limits = (row.get("expires_ms"), row.get("uses_max"))
    names = {one.value for one in Operation}
    fits = (
        isinstance(rule, str)
        and isinstance(literal, bool)
        and isinstance(permissions, list)
        and all(isinstance(one, str) and one in names for one in permissions)
        and all(one is None or (type(one) is int and one > 0) for one in limits)
    )
    if not fits:
        raise InvalidInput(f"allowance {number} has a field of a wrong kind")
    return Offered(
        rule=rule,
        literal=literal,
        permissions=tuple(sorted(set(permissions))),
        expires_ms=limits[0],
        uses_max=limits[1],
    )


def planned(
    found: tuple[Offered, ...], there: list[Allowance], now_ms: int, scope: str
) -> AllowanceImport:
    """What of a list is to be shown and taken over.

    Args:
        there: what is granted already; the same rule is never replaced or widened.
        scope: of the store that it goes to; a confirmation is for that alone.
    """
    known = {one.rule for one in there if one.scope == GrantScope.WORKSPACE.value}
    shown: list[Offered] = []
    skipped: list[str] = []
    for one in dict.fromkeys(found):
        if one.rule in known:
            skipped.append(f"{one.rule}: granted here already")
        elif one.expires_ms is not None and one.expires_ms <= now_ms:
            skipped.append(f"{one.rule}: has ended")
        else:
            known.add(one.rule)
            shown.append(one)
    text = json.dumps([scope, [asdict(one) for one in shown]], sort_keys=True)
    return AllowanceImport(
        shown=tuple(shown),
        skipped=tuple(skipped),
        confirm=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
