"""Escapes as JSON: what is written is read, and nothing is invented."""

from __future__ import annotations

import pytest

from holdfast.core.events import Granted, Revoked
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.runtime.escapestate import EscapeEntry, entries_of, entry_of, granted_in, state_of
from holdfast.runtime.seedjson import Json


def grant(
    id: str, pattern: str, *, wide: bool = False, kind: GrantKind = GrantKind.ESCAPE
) -> Grant:
    """A grant for reading."""
    return Grant(
        id=id * 32,
        kind=kind,
        scope=GrantScope.ALWAYS if wide else GrantScope.SESSION,
        holder="s",
        rule=Rule(effect=RuleEffect.ALLOW, tool="*", pattern=pattern, literal=not wide),
        operations=(Operation.READ,),
        expires_ms=5 if wide else None,
    )


def test_what_is_written_is_read() -> None:
    """Path, operations, subtree, scope and end come back."""
    grants = (grant("1", "/a"), grant("2", "/b/**", wide=True), grant("3", "/c/**"))
    state = state_of(grants, {})
    assert ["/b"] == state["remembered_paths"]
    assert tuple(entry_of(one) for one in grants) == entries_of(state)
    assert ["/a", "/b", "/c/**"] == [entry.path for entry in entries_of(state)]
    assert [False, True, False] == [entry.subtree for entry in entries_of(state)]


def test_the_seeds_form() -> None:
    """Remembered paths say nothing of operations; what was imported comes back unchanged."""
    seed: dict[str, Json] = {"remembered_paths": ["/a", "rel", 3], "more": 1}
    assert (EscapeEntry(path="/a", scope=GrantScope.ALWAYS),) == entries_of(seed)
    assert seed == state_of((), seed)
    state = state_of((grant("1", "/x"),), seed)
    assert (["/a"], 1) == (state["remembered_paths"], state["more"])


def test_what_waits_is_kept_beside_what_holds() -> None:
    """An escape that nobody has confirmed is written again, once."""
    waiting = state_of((grant("1", "/a"), grant("2", "/b")), {})
    state = state_of((grant("2", "/b"), grant("3", "/c")), waiting)
    assert ["/b", "/c", "/a"] == [entry.path for entry in entries_of(state)]


@pytest.mark.parametrize(
    "item",
    [
        None,
        "/a",
        {},
        {"path": "a", "operations": ["read"]},
        {"path": 1, "operations": ["read"]},
        {"path": "/a", "operations": "read"},
        {"path": "/a", "operations": ["look"]},
        {"path": "/a", "operations": [["read"]]},
        {"path": "/a", "operations": ["read"], "scope": "ever"},
        {"path": "/a", "operations": ["read"], "expires_ms": "5"},
        {"path": "/a", "operations": ["read"], "expires_ms": True},
    ],
)
def test_what_is_malformed_is_left_out(item: Json) -> None:
    """astrid#T-30: relative paths and what nobody knows grant nothing."""
    good: Json = {"path": "/b", "operations": ["list", "list"]}
    found = entries_of({"escapes": [item, good]})
    assert (EscapeEntry(path="/b", operations=(Operation.LIST,)),) == found
    assert () == entries_of(item)


def test_what_a_log_has_granted() -> None:
    """What was taken back, and what is no escape, is not among it."""
    one, two = grant("1", "/a"), grant("2", "/b")
    other = grant("3", "/c", kind=GrantKind.ALLOWANCE)
    events = [Granted(grant=one), Granted(grant=two), Granted(grant=other)]
    assert (two,) == granted_in([*events, Revoked(id=one.id, holder="s")])
