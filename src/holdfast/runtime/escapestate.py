"""Escapes as JSON: the `escape_state` of a session's written form (seed E9).

    {"remembered_paths": ["/abs"],
     "escapes": [{"path": "/abs", "operations": ["read"], "subtree": false,
                  "scope": "session", "expires_ms": null}]}

`remembered_paths` is the seed's form: paths that were allowed always, without a
word on operations (astrid#AW-9); ours says which. What is read from a file
permits nothing until a person has confirmed it (rulings, Gate section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.core.events import Event, Granted, Revoked
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.tools import Operation
from holdfast.runtime.seedjson import Json, JsonObject

ENTRIES_MAX = 10_000
WHOLE = "/**"


@dataclass(frozen=True, slots=True, kw_only=True)
class EscapeEntry:
    """One escape as it is written out.

    Args:
        path: absolute.
        operations: what may be done with it; empty if the file does not say.
        subtree: all that lies beneath it as well.
        expires_ms: when it ends, milliseconds since 1970; None means no end.
    """

    path: str
    operations: tuple[Operation, ...] = ()
    subtree: bool = False
    scope: GrantScope = GrantScope.SESSION
    expires_ms: int | None = None

    def to_dict(self) -> JsonObject:
        """The entry as JSON."""
        return {
            "path": self.path,
            "operations": [operation.value for operation in self.operations],
            "subtree": self.subtree,
            "scope": self.scope.value,
            "expires_ms": self.expires_ms,
        }


def entry_of(grant: Grant) -> EscapeEntry:
    """A grant as an entry."""
    pattern = grant.rule.pattern or ""
    wide = not grant.rule.literal and pattern.endswith(WHOLE)
    return EscapeEntry(
        path=pattern.removesuffix(WHOLE) if wide else pattern,
        operations=grant.operations,
        subtree=wide,
        scope=grant.scope,
        expires_ms=grant.expires_ms,
    )


def state_of(grants: Iterable[Grant], inert: JsonObject) -> JsonObject:
    """Write escapes, together with what an import has kept and nobody has confirmed.

    Without escapes it is what was imported, unchanged.
    """
    live = [entry_of(grant) for grant in grants]
    if not live:
        return inert
    kept = [entry for entry in entries_of(inert) if entry.operations and entry not in live]
    remembered = {entry.path for entry in live if entry.scope is GrantScope.ALWAYS}
    remembered |= {entry.path for entry in entries_of(inert) if not entry.operations}
    return {
        **inert,
        "remembered_paths": [*sorted(remembered)],
        "escapes": [entry.to_dict() for entry in (*live, *kept)],
    }


def entries_of(state: Json) -> tuple[EscapeEntry, ...]:
    """Read what a file says; what is not an absolute path, or malformed, is left out."""
    if not isinstance(state, dict):
        return ()
    found = [*_written(state.get("escapes"))]
    known = {entry.path for entry in found}
    remembered = state.get("remembered_paths")
    found.extend(
        EscapeEntry(path=path, scope=GrantScope.ALWAYS)
        for path in (remembered if isinstance(remembered, list) else [])
        if isinstance(path, str) and path.startswith("/") and path not in known
    )
    return tuple(dict.fromkeys(found[:ENTRIES_MAX]))


def _written(items: Json) -> Iterator[EscapeEntry]:
    for item in items if isinstance(items, list) else []:
        entry = _entry(item) if isinstance(item, dict) else None
        if entry is not None:
            yield entry


def _entry(item: JsonObject) -> EscapeEntry | None:
    path, operations, ends = item.get("path"), item.get("operations"), item.get("expires_ms")
    if not isinstance(path, str) or not path.startswith("/") or not isinstance(operations, list):
        return None
    if ends is not None and (not isinstance(ends, int) or isinstance(ends, bool)):
        return None
    try:
        return EscapeEntry(
            path=path,
            operations=tuple(sorted({Operation(str(one)) for one in operations})),
            subtree=item.get("subtree") is True,
            scope=GrantScope(str(item.get("scope", GrantScope.SESSION))),
            expires_ms=ends,
        )
    except ValueError:  # an operation or scope nobody knows: nothing is guessed
        return None


def granted_in(events: Iterable[Event]) -> tuple[Grant, ...]:
    """The escapes that a log granted and did not take back."""
    found: dict[str, Grant] = {}
    for event in events:
        if isinstance(event, Granted) and event.grant.kind is GrantKind.ESCAPE:
            found[event.grant.id] = event.grant
        elif isinstance(event, Revoked):
            found.pop(event.id, None)
    return tuple(found.values())
