"""`[security]` of the policy file: how content is looked at, at the least, in every session.

A session's own settings are joined with these, and the stricter of each holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar

from holdfast.core.decide.content import check_settings
from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.rules import parse_rule
from holdfast.core.security import (
    STRATEGIES,
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
)
from holdfast.core.settings import Settings
from holdfast.runtime.securing import level_of

M = TypeVar("M", bound=StrEnum)
Table = Mapping[str, object]
Key = tuple[str, int, str, int]
Naming = Callable[[Key], AbstractContextManager[None]]
"""Says of an error within it where in the file its cause stands."""
Checking = Callable[[Security], object]
"""Tries settings out; raises `InvalidInput` where a rule, a pack or a kind cannot be."""

SECTION, RULES, DATA = "security", "security.rules", "security.data"


def read_security(
    own: Table,
    rules: Iterable[tuple[int, Table]],
    data: Table,
    naming: Naming,
    check: Checking,
) -> Security:
    """Turn the tables of a file into settings; their types were checked before.

    Args:
        own: `[security]`; rules: `[[security.rules]]`, numbered; data: `[security.data]`.

    Raises:
        InvalidInput: within `naming`, a value that cannot be.
    """
    found = Security()
    for name, value in own.items():
        with naming((SECTION, 0, name, 0)):
            found = _with(found, name, value)
    policy = DataPolicy()
    for name, value in data.items():
        with naming((DATA, 0, name, 0)):
            policy = _with_data(policy, name, value)
    for item, text in enumerate(found.dangerous, start=1):
        with naming((SECTION, 0, "dangerous", item)):
            parse_rule("deny", text)
    for item, name in enumerate(found.packs, start=1):
        with naming((SECTION, 0, "packs", item)):
            check(Security(packs=(name,)))
    custom: list[CustomRule] = []
    for number, table in rules:
        with naming((RULES, number, "pattern", 0)):
            custom.append(_rule(table))
            check(Security(rules=tuple(custom)))
    found = replace(found, data=policy, rules=tuple(custom))
    with naming((SECTION, 0, "", 0)):
        check(replace(found, data=DataPolicy()))
        check_settings(Settings(security=found))
    with naming((DATA, 0, "type_rules", 0)):
        check(found)
    return found


def _with(security: Security, name: str, value: object) -> Security:
    """The same with one key of `[security]`."""
    known: dict[str, Callable[[], Security]] = {
        "enabled": lambda: replace(security, enabled=value is True),
        "flow": lambda: replace(security, flow=_member(FlowMode, value)),
        "injection": lambda: replace(security, injection=_member(InjectionDefense, value)),
        "reader": lambda: replace(security, reader=level_of(name, value)),
        "redaction": lambda: replace(security, redaction=_strategy(value)),
        "packs": lambda: replace(security, packs=_texts(value, fold=True)),
        "hosts": lambda: replace(security, hosts=tuple(sorted(set(_texts(value, fold=True))))),
        "dangerous": lambda: replace(security, dangerous=_texts(value)),
        "warn_kinds": lambda: replace(security, warn_kinds=_number(value)),
        "reject_kinds": lambda: replace(security, reject_kinds=_number(value)),
        "half_life_days": lambda: replace(security, half_life_days=_number(value)),
        "extraction": lambda: replace(security, extraction=value is True),
    }
    changed = known[name]()
    if changed.problem:
        raise InvalidInput("is out of range")
    return changed


def _with_data(policy: DataPolicy, name: str, value: object) -> DataPolicy:
    """The same with one key of `[security.data]`."""
    known: dict[str, Callable[[], DataPolicy]] = {
        "tee_threshold": lambda: replace(policy, tee_threshold=level_of(name, value)),
        "allow_highly_sensitive": lambda: replace(policy, allow_highly_sensitive=value is True),
        "type_rules": lambda: replace(policy, type_rules=_type_rules(value)),
        "fallback": lambda: replace(policy, fallback=_member(Fallback, value)),
    }
    return known[name]()


def _type_rules(value: object) -> tuple[tuple[str, RoutingDecision], ...]:
    assert isinstance(value, dict), "the reader checked its type"
    return tuple(sorted((str(kind), _member(RoutingDecision, one)) for kind, one in value.items()))


def _rule(table: Table) -> CustomRule:
    level = level_of("level", table.get("level", Sensitivity.SENSITIVE))
    return CustomRule(name=str(table["name"]), pattern=str(table["pattern"]), level=level)


def _member(kind: type[M], value: object) -> M:
    try:
        return kind(str(value))
    except ValueError:
        raise InvalidInput(f"is one of: {', '.join(kind)}") from None


def _strategy(value: object) -> str:
    if value not in STRATEGIES:
        raise InvalidInput(f"is one of: {', '.join(STRATEGIES)}")
    return str(value)


def _texts(value: object, *, fold: bool = False) -> tuple[str, ...]:
    assert isinstance(value, list), "the reader checked its type"
    return tuple(str(one).casefold() if fold else str(one) for one in value)


def _number(value: object) -> int:
    assert isinstance(value, int), "the reader checked its type"
    return value
