"""The installation's policy file, `holdfast.toml`: reading its text, strictly.

Whatever stands there and is not known, is of another type, does not parse or could
never have an effect is refused with file, key and line: a misspelt word must not
make a rule vanish (a3s#A4). Every key is in `policyschema`, and in
docs/reference/policy-file.md; `policyplaces` finds the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from holdfast.core.accounts import Holder
from holdfast.core.decide.content import check_settings
from holdfast.core.errors import HoldfastError, InvalidInput, NeverMatches, PolicyFileRefused
from holdfast.core.hooks import HookEvent
from holdfast.core.ids import validate_id
from holdfast.core.labels import Sensitivity
from holdfast.core.presets import DEVELOPER, developer_policy
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, check_policy, parse_rule
from holdfast.core.security import Security
from holdfast.core.settings import ConfirmationPolicy, Settings
from holdfast.core.tools import ToolSpec
from holdfast.runtime.budgets import Budget
from holdfast.runtime.capabilities import public_key
from holdfast.runtime.configuration import FREE, IN_FILE, Serving
from holdfast.runtime.confirming import confirmation_of
from holdfast.runtime.hooks import PRIORITY, RETRIES_MAX, TIMEOUT_MS
from holdfast.runtime.policylines import line_of
from holdfast.runtime.policynetwork import ABOUT, Confined, read_confined
from holdfast.runtime.policyschema import LIMITS, SECTIONS, SEVERAL, holds, kind_of, near, spoken
from holdfast.runtime.policysecurity import Checking, read_security
from holdfast.runtime.policyserving import read_serving
from holdfast.runtime.securing import level_of

Specs = Callable[[str], ToolSpec | None]
Key = tuple[str, int, str, int]
"""A section, which of several, a key in it, which item of its list; 0 is all."""

PRESETS: Mapping[str, Callable[[], Policy]] = {DEVELOPER: developer_policy}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHook:
    """A command hook of the file; the fields are those of `Hook` and `CommandHook`."""

    id: str
    event: HookEvent
    command: tuple[str, ...]
    match: str = ""
    priority: int = PRIORITY
    timeout_ms: int = TIMEOUT_MS
    retries_max: int = RETRIES_MAX
    fail_open: bool | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    sees: Sensitivity = Sensitivity.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget:
    """Limits that the sessions of a workspace, a user or the tenant share.

    Args:
        who: the directory or the user; "" for the tenant.
    """

    holder: Holder
    who: str
    budget: Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """What a policy file says.

    Args:
        path: where it was read.
        permission: rules that bind every session; None if the file has none.
        confirmation, budget: for sessions that say nothing of their own.
        shared: limits above the sessions.
        trusted_keys: whose capability tokens are trusted.
        security: how content is looked at, at the least, in every session.
        serving: how a server is set up, and the roles there are.
        confined: what hosts may be reached, and what is wanted of an enclave.
    """

    path: str
    permission: Policy | None = None
    confirmation: ConfirmationPolicy | None = None
    budget: Budget | None = None
    shared: tuple[SharedBudget, ...] = ()
    hooks: tuple[FileHook, ...] = ()
    trusted_keys: tuple[str, ...] = ()
    security: Security | None = None
    serving: Serving = field(default_factory=Serving)
    confined: Confined = field(default_factory=Confined)


def parse_policy(
    text: str,
    path: str,
    specs: Specs = lambda name: None,
    classifier: Checking = lambda security: None,
) -> PolicyFile:
    """Read the text of a policy file.

    Args:
        path: how errors name it.
        specs: what the registry says of a tool, to find rules that never match.
        classifier: makes what content is looked at with, to find packs that are
            unknown and custom rules that cannot be used.

    Raises:
        PolicyFileRefused: naming the key and, where possible, the line.
    """
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyFileRefused(f"is not TOML: {error}", file=path, problem="not_toml") from None
    return _Reader(text, path, specs, classifier).read(data)


class _Reader:
    """Turns the tables of one file into values."""

    def __init__(self, text: str, path: str, specs: Specs, classifier: Checking) -> None:
        self._text = text
        self._path = path
        self._specs = specs
        self._classifier = classifier

    def read(self, data: dict[str, object]) -> PolicyFile:
        """Read all of it."""
        for name in data:
            if name not in SECTIONS:
                text = f"there is no such section{near(name)}"
                self._refuse("unknown_key", (name, 0, "", 0), text)
        shared = self._shared_of(data)
        permission = self._permission(data)
        confirmation = self._confirmation(data)
        lanes = confirmation.unsafe_auto_approve if confirmation else ()
        if lanes and permission and permission.mode is not PolicyMode.UNSAFE_PERMISSIVE:
            key = ("confirmation", 0, "unsafe_auto_approve", 0)
            text = "changes nothing beside [permissions], which has to allow by itself"
            self._refuse("no_effect", key, text)
        budget = None
        for _, table in self._tables(data, "budget"):
            budget = self._budget(("budget", 0, "", 0), table)
        return PolicyFile(
            path=self._path,
            permission=permission,
            confirmation=confirmation,
            budget=budget,
            shared=shared,
            hooks=tuple(self._hooks(data)),
            trusted_keys=self._keys(data),
            security=self._security(data),
            serving=self._serving(data),
            confined=self._confined(data),
        )

    # --- sections ------------------------------------------------------------------

    def _permission(self, data: dict[str, object]) -> Policy | None:
        found: list[tuple[Key, Rule]] = []
        mode, preset = PolicyMode.DEFAULT, Policy()
        for _, table in self._tables(data, "permissions"):
            with self._naming(("permissions", 0, "mode", 0)):
                mode = Policy.preset(str(table.get("mode", mode.value))).mode
            name = table.get("preset")
            if name is not None and name not in PRESETS:
                text = f"there is no preset {name!r}, only: {', '.join(PRESETS)}"
                self._refuse("invalid_input", ("permissions", 0, "preset", 0), text)
            preset = PRESETS[str(name)]() if name is not None else preset
            for effect in ("deny", "always_ask", "allow", "ask"):
                for item, text in enumerate(_texts(table.get(effect, [])), start=1):
                    key = ("permissions", 0, effect, item)
                    always = effect == "always_ask"
                    found.append((key, self._rule(key, "ask" if always else effect, text, always)))
        for number, table in self._tables(data, "rules"):
            key = ("rules", number, "rule", 0)
            for name in ("effect", "rule"):
                if name not in table:
                    self._refuse("missing_key", ("rules", number, name, 0), "is missing")
            always = table.get("always_ask") is True
            rule = self._rule(key, str(table["effect"]), str(table["rule"]), always, table)
            found.append((key, rule))
        if not found and "permissions" not in data:
            return None
        self._check_effective(found)
        policy = Policy(mode=mode).with_rules(*(rule for _, rule in found), *preset.rules)
        with self._naming(("permissions", 0, "", 0)):
            check_policy(policy)
        return policy

    def _rule(
        self,
        key: Key,
        effect: str,
        text: str,
        always: bool,
        more: Mapping[str, object] | None = None,
    ) -> Rule:
        table = more or {}
        with self._naming(key):
            return parse_rule(
                effect,
                text,
                literal=table.get("literal") is True,
                always_ask=always,
                role=str(table.get("role", "")),
                task_type=str(table.get("task_type", "")),
                spec=self._specs(text.partition("(")[0].strip()),
            )
        raise AssertionError("naming passes errors on")

    def _check_effective(self, found: list[tuple[Key, Rule]]) -> None:
        """Refuse a rule that a stronger one of the file always hides."""
        denied = [rule for _, rule in found if rule.effect is RuleEffect.DENY]
        always = [rule for _, rule in found if rule.always_ask]
        for key, rule in found:
            if rule.effect is RuleEffect.DENY:
                continue
            stronger = denied if rule.always_ask else [*denied, *always]
            by = next((other for other in stronger if other.hides(rule)), None)
            if by is not None:
                says = "denied" if by.effect is RuleEffect.DENY else "always asked about"
                text = f"never decides anything: {by.text} is {says}"
                self._refuse(NeverMatches.reason, key, text)

    def _confirmation(self, data: dict[str, object]) -> ConfirmationPolicy | None:
        for _, table in self._tables(data, "confirmation"):
            for item, text in enumerate(_texts(table.get("critical", [])), start=1):
                self._rule(("confirmation", 0, "critical", item), "ask", text, False)
            with self._naming(("confirmation", 0, "", 0)):
                found = confirmation_of(table)
                if min(found.attended_s, found.quorum) < 1:
                    raise InvalidInput("attended_s and quorum are at least 1")
                check_settings(Settings(confirmation=found))
                return found
        return None

    def _budget(self, key: Key, table: Mapping[str, object]) -> Budget:
        section, number, _, _ = key
        limits = {name: value for name, value in table.items() if name in LIMITS}
        for name, value in limits.items():
            with self._naming((section, number, name, 0)):
                Budget(**{name: value})  # type: ignore[arg-type]  # the reader checked its type
        budget = Budget(**limits)  # type: ignore[arg-type]  # as above
        with self._naming((section, number, "", 0)):
            budget.settings()
        return budget

    def _shared_of(self, data: dict[str, object]) -> tuple[SharedBudget, ...]:
        inner = self._nested(data, "budget")
        found: list[SharedBudget] = []
        for holder, names in (
            (Holder.TENANT, ""),
            (Holder.USER, "name"),
            (Holder.WORKSPACE, "path"),
        ):
            section = f"budget.{holder.value}"
            for number, limits in self._tables(inner, section):
                who = str(limits.get(names, "")) if names else ""
                if names and not who:
                    self._refuse("missing_key", (section, number, names, 0), "is missing")
                if holder is Holder.WORKSPACE and not who.startswith("/"):
                    text = "a workspace is an absolute path"
                    self._refuse("invalid_input", (section, number, names, 0), text)
                budget = self._budget((section, number, "", 0), limits)
                found.append(SharedBudget(holder=holder, who=who, budget=budget))
        return tuple(found)

    def _hooks(self, data: dict[str, object]) -> Iterator[FileHook]:
        taken: set[str] = set()
        for number, table in self._tables(data, "hooks"):
            fields = dict(table)
            for name in (one for one in ("event", "command") if not fields.get(one)):
                self._refuse("missing_key", ("hooks", number, name, 0), "is missing")
            with self._naming(("hooks", number, "event", 0)):
                fields["event"] = _event(str(fields["event"]))
            id = str(fields.setdefault("id", f"hook-{number}"))
            with self._naming(("hooks", number, "id", 0)):
                validate_id(id, "Hook id")
                if id in taken:
                    raise InvalidInput(f"there are two hooks {id!r}")
            taken.add(id)
            if match := str(fields.get("match", "")):
                key = ("hooks", number, "match", 0)
                self._rule(key, "ask", match, False)
                if fields["event"] not in (HookEvent.PRE_TOOL_USE, HookEvent.POST_TOOL_USE):
                    self._refuse(NeverMatches.reason, key, "only tool events are about a call")
            command = fields["command"] = tuple(_texts(fields["command"]))
            if "/" in command[0] and not command[0].startswith("/"):
                text = "a program is named by an absolute path, or by a name on PATH"
                self._refuse("invalid_input", ("hooks", number, "command", 0), text)
            with self._naming(("hooks", number, "sees", 0)):
                fields["sees"] = level_of("sees", fields.get("sees", Sensitivity.NORMAL))
            if fields.get("timeout_ms", 1) == 0:
                self._refuse("invalid_input", ("hooks", number, "timeout_ms", 0), "is at least 1")
            yield FileHook(**fields)  # type: ignore[arg-type]  # the reader checked its types

    def _keys(self, data: dict[str, object]) -> tuple[str, ...]:
        found: list[str] = []
        for _, table in self._tables(data, "capabilities"):
            for item, text in enumerate(_texts(table.get("trusted_keys", [])), start=1):
                with self._naming(("capabilities", 0, "trusted_keys", item)):
                    found.append(public_key(text))
        return tuple(found)

    def _security(self, data: dict[str, object]) -> Security | None:
        if "security" not in data:
            return None
        inner = self._nested(data, "security")
        own = {k: v for _, table in self._tables(data, "security") for k, v in table.items()}
        policy = {k: v for _, t in self._tables(inner, "security.data") for k, v in t.items()}
        rules = list(self._tables(inner, "security.rules"))
        for number, table in rules:
            for name in ("name", "pattern"):
                if name not in table:
                    self._refuse("missing_key", ("security.rules", number, name, 0), "is missing")
        return read_security(own, rules, policy, self._naming, self._classifier)

    def _serving(self, data: dict[str, object]) -> Serving:
        tables = {
            name: dict(table) for name in (*IN_FILE, *FREE) for _, table in self._tables(data, name)
        }
        return read_serving(tables, self._naming)

    def _confined(self, data: dict[str, object]) -> Confined:
        data |= {k: v for name in ABOUT for k, v in self._nested(data, name).items()}
        tables = {n: list(self._tables(data, n)) for n in SECTIONS if n.partition(".")[0] in ABOUT}
        return read_confined(tables, self._naming)

    # --- tables --------------------------------------------------------------------

    def _nested(self, data: dict[str, object], section: str) -> dict[str, object]:
        """Take the sections within a section out of it; by their whole names."""
        table = data.get(section)
        if not isinstance(table, dict):
            return {}
        inner = {f"{section}.{name}": value for name, value in table.items()}
        data[section] = {k: v for k, v in table.items() if f"{section}.{k}" not in SECTIONS}
        return {name: value for name, value in inner.items() if name in SECTIONS}

    def _tables(
        self, data: Mapping[str, object], section: str
    ) -> Iterator[tuple[int, Mapping[str, object]]]:
        """The tables of a section, numbered from 1 where there may be several; all checked."""
        if section not in data:
            return
        value = data[section]
        several = section in SEVERAL
        tables = value if several and isinstance(value, list) else [value]
        if several is not isinstance(value, list) or not all(isinstance(t, dict) for t in tables):
            how = f"[[{section}]]" if several else f"[{section}]"
            self._refuse("wrong_type", (section, 0, "", 0), f"is a table, written {how}")
        for place, table in enumerate(tables, start=1):
            number = place if several else 0
            for name, held in table.items():
                kind = kind_of(section, name)
                key = (section, number, name, 0)
                if kind is None:
                    self._refuse("unknown_key", key, f"there is no such key{near(name, section)}")
                elif not holds(kind, held):
                    self._refuse("wrong_type", key, f"is {spoken(kind)}")
            yield number, table

    @contextmanager
    def _naming(self, key: Key) -> Iterator[None]:
        """Say of an error where in the file its cause stands."""
        try:
            yield
        except PolicyFileRefused:
            raise
        except HoldfastError as error:
            self._refuse(error.reason, key, error.message)

    def _refuse(self, problem: str, key: Key, message: str) -> NoReturn:
        section, number, name, item = key
        shown = f"{section}[{number}]" if number else section
        shown += f".{name}" if name else ""
        shown += f"[{item}]" if item else ""
        line = line_of(self._text, key)
        raise PolicyFileRefused(message, file=self._path, problem=problem, key=shown, line=line)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _event(name: str) -> HookEvent:
    try:
        return HookEvent(name)
    except ValueError:
        raise InvalidInput(f"there is no event {name!r}") from None
