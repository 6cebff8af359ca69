"""Grants: what a person, or a signed token, has permitted beyond the policy.

A grant is an allow `Rule` with a scope, an end and a number of uses. It is
signed over all its fields, and its uses are claimed from a counter, so that
they are counted once across processes (seeds E2, E4, E11).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from holdfast.core.rules import Rule
from holdfast.core.tools import Operation


class GrantScope(StrEnum):
    """For whom a grant holds.

    `once` is for one call, `session` until the session ends, `workspace` for all
    sessions of the tenant in that directory, `always` for the user's sessions,
    with a mandatory end.
    """

    ONCE = "once"
    SESSION = "session"
    WORKSPACE = "workspace"
    ALWAYS = "always"


class GrantKind(StrEnum):
    """What a grant permits: a tool call, a path outside, or by a signed token."""

    ALLOWANCE = "allowance"
    ESCAPE = "escape"
    CAPABILITY = "capability"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One grant.

    Args:
        id: 32 hexadecimal characters.
        holder: the scope of the store it is kept under, see `runtime.authority`.
        rule: what it permits; for an escape its pattern is the path.
        operations: what may be done with the paths; none stands for any.
        created_ms, expires_ms: milliseconds since 1970; None means no end.
        uses_max: None means any number; `counter` counts them.
        by: who granted it.
        session, version: the `Answered` or `Granted` event that authorised it.
        issuer: of a capability, the public key that signed it, hex.
    """

    id: str
    kind: GrantKind
    scope: GrantScope
    holder: str
    rule: Rule
    operations: tuple[Operation, ...] = ()
    created_ms: int = 0
    expires_ms: int | None = None
    uses_max: int | None = None
    by: str = ""
    session: str = ""
    version: int = 0
    issuer: str = ""

    @property
    def counter(self) -> str:
        """The counter its uses are claimed from.

        A token's outlives the session it was used in, or it could be used again
        after a wipe.
        """
        return f"{'cap' if self.kind is GrantKind.CAPABILITY else 'grant'}:{self.id}"

    def live(self, now_ms: int) -> bool:
        """Whether it has not expired; uses are checked when they are claimed."""
        return self.expires_ms is None or now_ms < self.expires_ms


_BORDER = re.compile(r"[ :/]")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=,-][A-Za-z0-9_@%+=:,./ -]*\Z")
BORDERS_MAX = 32
KEYS_KNOWN = 4_096


class GrantIndex:
    """Grants, ordered and found quickly; it never changes.

    Iterating gives the most specific first, of equals the unlimited before the
    limited, then by id, so that the same grant is taken every time (astrid#AW-39).
    A grant that has expired is still in it: `Grant.live` tells.

    Args:
        grants: any number, in any order.
    """

    __slots__ = ("_all", "_escapes", "_literal", "_tools", "_wide", "_wild")

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self._all = tuple(sorted(grants, key=specificity))
        literal: dict[tuple[str, str], list[Grant]] = {}
        wide: dict[tuple[str, str], list[int]] = {}
        wild: list[int] = []
        escapes: list[Grant] = []
        tools: set[str] = set()
        for place, grant in enumerate(self._all):
            rule = grant.rule
            if grant.kind is GrantKind.ESCAPE:
                escapes.append(grant)
            elif "*" in rule.tool:
                wild.append(place)
            elif rule.literal and rule.pattern is not None:
                literal.setdefault((rule.tool, rule.pattern), []).append(grant)
            else:
                tools.add(rule.tool)
                wide.setdefault((rule.tool, _key(rule.pattern or "")), []).append(place)
        self._literal = {key: tuple(found) for key, found in literal.items()}
        self._wide = {key: tuple(found) for key, found in wide.items()}
        self._wild = tuple(wild)
        self._escapes = tuple(escapes)
        self._tools = frozenset(tools)

    def __iter__(self) -> Iterator[Grant]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GrantIndex) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return f"GrantIndex({len(self._all)} grants)"

    def literal(self, tool: str, subject: str) -> tuple[Grant, ...]:
        """Literal grants for just this: a command's `segment_text`, a path or a subject."""
        return self._literal.get((tool.casefold(), subject), ())

    def wide(self, tool: str, subject: str) -> tuple[Grant, ...]:
        """Grants with a pattern that may match a subject, bare tools among them.

        A superset of those that match, much smaller than `for_tool`: patterns that
        begin with other words or folders than the subject does are left out.
        """
        name = tool.casefold()
        if name not in self._tools:
            return self._ordered(name, ())
        wide = self._wide
        places: tuple[int, ...] = ()
        for key in dict.fromkeys(_keys(subject)):
            places += wide.get((name, key), ())
        return self._ordered(name, places)

    def for_tool(self, name: str) -> tuple[Grant, ...]:
        """All grants with a pattern, and of the bare tool; literal ones are looked up."""
        name = name.casefold()
        if name not in self._tools:
            return self._ordered(name, ())
        places = tuple(
            place for (tool, _), found in self._wide.items() if tool == name for place in found
        )
        return self._ordered(name, places)

    def escapes(self, path: str = "") -> tuple[Grant, ...]:
        """Escape grants of just this absolute path, or all of them."""
        if not path:
            return self._escapes
        return tuple(grant for grant in self._escapes if grant.rule.pattern == path)

    def _ordered(self, name: str, places: tuple[int, ...]) -> tuple[Grant, ...]:
        if self._wild:
            rules = self._all
            fits = (place for place in self._wild if name_matches(rules[place].rule.tool, name))
            places = (*places, *fits)
        return tuple(self._all[place] for place in sorted(places))


def specificity(grant: Grant) -> tuple[bool, bool, int, int, bool, str]:
    """The order of grants: literal, patterned, bare; longer first; unlimited first."""
    rule = grant.rule
    return (
        not rule.literal,
        rule.pattern is None,
        -len((rule.pattern or "").replace("*", "")),
        -len(rule.tool.replace("*", "")),
        grant.uses_max is not None,
        grant.id,
    )


def name_matches(pattern: str, name: str) -> bool:
    """Whether a tool's name fits a rule's, where `*` stands for any characters."""
    if "*" not in pattern:
        return pattern == name
    first, *middle, last = pattern.split("*")
    if len(name) < len(first) + len(last):
        return False
    if not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


@lru_cache(maxsize=KEYS_KNOWN)  # an index is made anew whenever one of its grants changes
def _key(pattern: str) -> str:
    """The words or folders that whatever fits a pattern begins with, or ""."""
    lead, star, _ = pattern.partition("*")
    if star:
        borders = [found.start() for found in _BORDER.finditer(lead)]
        lead = lead[: borders[-1]] if borders else ""
    lead = lead.rstrip(" :/")
    plain = _PLAIN.match(lead) and not any(odd in lead for odd in ("//", "/.", "  "))
    few = len(_BORDER.findall(lead)) < BORDERS_MAX
    return lead.casefold() if plain and few else ""


def _keys(subject: str) -> list[str]:
    """All keys of patterns that may fit a subject."""
    text = subject.casefold()
    found = ["", text]
    for border in _BORDER.finditer(text):
        found.append(text[: border.start()])
        if len(found) > BORDERS_MAX + 1:
            break
    return found


NO_GRANTS = GrantIndex()
