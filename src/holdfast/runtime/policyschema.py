"""Which keys a policy file has, and what each holds (docs/reference/policy-file.md)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from holdfast.runtime.budgets import Budget
from holdfast.runtime.configuration import FREE, IN_FILE

LIMITS: Mapping[str, str] = {
    name: "money" if name.endswith("usd") else "whole number"
    for name in Budget.__dataclass_fields__
}
"""Limits of a session."""

_OWN = ("action_usd", "warn_percent")
_SHARED = {k: v for k, v in LIMITS.items() if k not in _OWN and not k.startswith("run_")}

_HOST = {"host": "text", "ports": "whole numbers", "methods": "texts", "schemes": "texts"}

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "permissions": {
        "mode": "text",
        "preset": "text",
        "allow": "texts",
        "ask": "texts",
        "deny": "texts",
        "always_ask": "texts",
    },
    "rules": {
        "effect": "text",
        "rule": "text",
        "always_ask": "true or false",
        "literal": "true or false",
        "role": "text",
        "task_type": "text",
    },
    "confirmation": {
        "enabled": "true or false",
        "attended_s": "whole number",
        "unattended_s": "whole number",
        "timeout_action": "text",
        "unsafe_auto_approve": "texts",
        "quorum": "whole number",
        "critical": "texts",
    },
    "budget": LIMITS,
    "budget.user": {"name": "text", **_SHARED},
    "budget.workspace": {"path": "text", **_SHARED},
    "budget.tenant": _SHARED,
    "hooks": {
        "id": "text",
        "event": "text",
        "command": "texts",
        "match": "text",
        "priority": "whole number",
        "timeout_ms": "whole number",
        "retries_max": "whole number",
        "fail_open": "true or false",
        "sees": "text",
        "env": "table of texts",
    },
    "capabilities": {"trusted_keys": "texts"},
    "security": {
        "enabled": "true or false",
        "flow": "text",
        "injection": "text",
        "reader": "text",
        "redaction": "text",
        "packs": "texts",
        "hosts": "texts",
        "dangerous": "texts",
        "warn_kinds": "whole number",
        "reject_kinds": "whole number",
        "half_life_days": "whole number",
        "extraction": "true or false",
    },
    "security.rules": {"name": "text", "pattern": "text", "level": "text"},
    "security.data": {
        "tee_threshold": "text",
        "allow_highly_sensitive": "true or false",
        "type_rules": "table of texts",
        "fallback": "text",
    },
    "network": {"bytes_max": "whole number", "unsafe_addresses": "texts"},
    "network.rules": _HOST,
    "model_network": {"unsafe_addresses": "texts"},
    "model_network.rules": _HOST,
    "tee": {
        "enabled": "true or false",
        "mode": "text",
        "required": "true or false",
        "allow_simulated": "true or false",
        "socket": "text",
        "anchor": "text",
        "memory_mb": "whole number",
        "backend": "text",
        "measurements": "texts",
        "hardware": "true or false",
        "minimum_tcb": "table of whole numbers",
        "software_keys": "texts",
    },
    "tee.model": {"provider": "text", "model": "text", "base_url": "text", "key": "text"},
    **IN_FILE,
    **{name: {} for name in FREE},
}
"""Every key of the file and what it holds."""

SEVERAL = frozenset(
    {"rules", "hooks", "budget.user", "budget.workspace", "security.rules"}
    | {"network.rules", "model_network.rules"}
)
"""Sections that are written `[[so]]`, any number of times."""

_TYPES: Mapping[str, type] = {
    "text": str,
    "money": str,
    "texts": list,
    "true or false": bool,
    "whole number": int,
    "whole numbers": list,
    "table of texts": dict,
    "table of whole numbers": dict,
}

_SPOKEN = {
    "texts": "a list of texts",
    "whole numbers": "a list of whole numbers",
    "true or false": "true or false",
    "money": 'a text such as "2.00", in US dollars',
}


def kind_of(section: str, key: str) -> str | None:
    """What a key of a section holds, or None if there is no such key."""
    return SECTIONS[section].get(key) or FREE.get(section)


def near(name: str, section: str = "") -> str:
    """A hint at a key of the section, or at a section, that is written like a name; or ""."""
    known = SECTIONS[section] if section else SECTIONS
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def spoken(kind: str) -> str:
    """A kind in words, after "is"."""
    return _SPOKEN.get(kind, f"a {kind}")


def holds(kind: str, value: object) -> bool:
    """Whether a value of the file is of a kind; a `whole number` is none below zero."""
    if type(value) is not _TYPES[kind]:
        return False
    held = list(value.values()) if isinstance(value, dict) else value
    if isinstance(held, list):
        inner = "whole number" if kind.endswith("whole numbers") else "text"
        return all(holds(inner, one) for one in held)
    return not (isinstance(value, int) and value < 0)
