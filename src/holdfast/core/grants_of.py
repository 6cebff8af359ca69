"""What a yes about paths grants beyond the call itself (seeds E5, E9; astrid#AW-9, AW-42).

An escape names the resolved path, which need not exist, and just the operation
that was asked about. A folder with all beneath it is granted only where the
person chose that pattern.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.actions import Action, PathUse
from holdfast.core.grants import Grant
from holdfast.core.places import protected
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation

Escaped = tuple[Rule, tuple[Operation, ...]]
"""A path, or a folder with all beneath it, and what may be done there."""

CODES = frozenset(["boundary.path_escape", "boundary.protected_path"])
"""Questions whose answers may grant escapes."""


def escaping(action: Action) -> tuple[PathUse, ...]:
    """The paths of an action that the boundary guard asks about."""
    return tuple(
        use
        for use in action.paths
        if use.real and (use.inside is None or protected(use.inside, use.operation))
    )


def escape_rules(action: Action, pattern: str = "") -> tuple[Escaped, ...]:
    """Return what has to be granted so that this action's paths are not asked about again.

    Args:
        pattern: the rule a person chose, as text, `tool(folder/**)`, of a folder that
            one of the paths lies in; the paths it does not cover, and all where it
            is "" or another one, are granted literally.
    """
    uses = escaping(action)
    folder = pattern.removesuffix(")").partition("(")[2]
    offered = {f"{use.real.rpartition('/')[0]}/**" for use in uses if use.inside is None} - {"/**"}
    operations: dict[tuple[str, bool], set[Operation]] = {}
    for use in uses:
        beneath = folder in offered and use.real.startswith(folder.removesuffix("**"))
        wide = use.inside is None and beneath
        key = (folder, False) if wide else (use.real, True)
        operations.setdefault(key, set()).add(use.operation)
    return tuple(
        (
            Rule(effect=RuleEffect.ALLOW, tool="*", pattern=path, literal=literal),
            tuple(sorted(wanted)),
        )
        for (path, literal), wanted in sorted(operations.items())
    )


def escape_grants(
    action: Action, pattern: str, make: Callable[[int, Rule, tuple[Operation, ...]], Grant]
) -> tuple[Grant, ...]:
    """Return the escapes that a yes to this action grants.

    Args:
        pattern: as of `escape_rules`.
        make: makes the grant of its number among them, its rule and operations.
    """
    return tuple(
        make(number, rule, operations)
        for number, (rule, operations) in enumerate(escape_rules(action, pattern))
    )
