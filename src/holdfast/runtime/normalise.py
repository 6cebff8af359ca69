"""Normalising: what a model wrote becomes an `Action` the gate can judge.

Arguments are validated against the registry's schema, paths are resolved
lexically against the workspace, and the digest is taken of that form. What runs
later is that same form, never the raw text (contract 2.2).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.errors import InvalidInput
from holdfast.core.messages import ToolUse
from holdfast.core.tools import Lane, Nature
from holdfast.ports.registry import Registry
from holdfast.ports.tool import Json, Tool
from holdfast.runtime.envelope import Crypto

SPILL_PREFIX = "spill:"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call ready to be judged and, if allowed, run."""

    use: ToolUse
    action: Action
    tool: Tool | None
    arguments: Mapping[str, Json]


def prepare(use: ToolUse, registry: Registry, workspace: str, crypto: Crypto) -> Prepared:
    """Normalise one tool call.

    Args:
        workspace: absolute path, or "" for a session without one.
    """
    tool = registry.get(use.name)
    if tool is None:
        action = Action(
            kind=ActionKind.TOOL,
            name=use.name,
            digest=crypto.digest(b"tool", use.name.encode(), use.arguments.encode()).hex(),
            known=False,
        )
        return Prepared(use, action, None, {})
    spec = tool.spec
    arguments: Mapping[str, Json] = {}
    problem = ""
    try:
        arguments = registry.validate(spec.name, use.arguments)
    except InvalidInput as error:
        problem = error.message
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    has_workspace = bool(workspace) and os.path.isdir(workspace)
    action = Action(
        kind=ActionKind.TOOL,
        name=spec.name,
        digest=crypto.digest(
            b"tool", spec.name.encode(), canonical.encode("utf-8", "surrogatepass")
        ).hex(),
        problem=problem,
        nature=spec.nature,
        lane=spec.lane,
        needs_workspace=spec.needs_workspace,
        has_workspace=has_workspace,
        paths=tuple(_paths(spec.path_params, arguments, workspace)),
    )
    return Prepared(use, action, tool, arguments)


def model_action(name: str, *, known: bool) -> Action:
    """The action of calling the session's model."""
    return Action(
        kind=ActionKind.MODEL, name=name, known=known, nature=Nature.IDEMPOTENT, lane=Lane.GENERATE
    )


def _paths(params: tuple[str, ...], arguments: Mapping[str, Json], workspace: str) -> list[PathUse]:
    uses: list[PathUse] = []
    for param in params:
        value = arguments.get(param)
        items = value if isinstance(value, list) else [value]
        uses.extend(
            PathUse(item, inside(item, workspace))
            for item in items
            if isinstance(item, str) and not item.startswith(SPILL_PREFIX)
        )
    return uses


def inside(path: str, workspace: str) -> str | None:
    """Return a path relative to the workspace, or None if it leads outside.

    Lexical only: links are followed, and refused, when the tool opens the path.
    """
    if not workspace or "\0" in path or path.startswith("~"):
        return None
    root = os.path.normpath(workspace)
    joined = os.path.normpath(os.path.join(root, path or "."))
    if joined == root:
        return "."
    prefix = root if root.endswith(os.sep) else root + os.sep
    return joined[len(prefix) :] if joined.startswith(prefix) else None
