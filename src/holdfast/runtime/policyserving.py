"""What a policy file says of a server, its tokens and its roles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager

from holdfast.core.principals import Roles
from holdfast.runtime.configuration import OPTIONS, Serving

Naming = Callable[[tuple[str, int, str, int]], AbstractContextManager[None]]
"""Says of an error where in the file its cause stands."""


def read_serving(tables: Mapping[str, Mapping[str, object]], naming: Naming) -> Serving:
    """Read the sections, whose types were checked.

    Args:
        tables: the sections that the file has, by name.

    Raises:
        PolicyFileRefused: a value is out of bounds; a role or a task type has no name
            that can be one, is built in, or lists a scope there is not.
    """
    values: dict[tuple[str, str], object] = {}
    for option in OPTIONS:
        if option.section and option.key in tables.get(option.section, {}):
            value = tables[option.section][option.key]
            with naming((option.section, 0, option.key, 0)):
                checked = option.check(value)
                values[option.section, option.key] = (
                    tuple(checked) if isinstance(checked, list) else checked
                )
    named: dict[str, dict[str, frozenset[str]]] = {"roles": {}, "task_types": {}}
    for section, found in named.items():
        for name, scopes in tables.get(section, {}).items():
            one = {name: frozenset(_texts(scopes))}
            with naming((section, 0, name, 0)):
                Roles(own=one) if section == "roles" else Roles(task_types=one)
            found.update(one)
    return Serving(values, Roles(own=named["roles"], task_types=named["task_types"]))


def _texts(value: object) -> Iterable[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
