"""Actions: anything that crosses the session's boundary, normalised by the shell.

The core never parses a path, a command line or a schema: it sees what the shell
found (architecture 3), so that every decision can be replayed from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.tools import Lane, Nature


class ActionKind(StrEnum):
    """What crosses the boundary."""

    ADMIT = "admit"
    MODEL = "model"
    TOOL = "tool"
    DESTROY_KEY = "destroy_key"


@dataclass(frozen=True, slots=True)
class PathUse:
    """A path argument as the shell resolved it, lexically, against the workspace.

    Args:
        given: as the model wrote it.
        inside: relative to the workspace, or None if it leads outside.
    """

    given: str
    inside: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action.

    Args:
        name: the tool's or model's name.
        digest: keyed hash of the normalised action; what a yes is bound to.
        known: the installation's registry or configuration offers it.
        problem: why its arguments are not valid, or "" if they are.
        nature, lane, needs_workspace: as the registry declares them.
        paths: every path argument.
        has_workspace: the session has a workspace that exists here.
        by_host: the embedding program calls, outside of a turn.
    """

    kind: ActionKind
    name: str = ""
    digest: str = ""
    known: bool = True
    problem: str = ""
    nature: Nature = Nature.ONCE
    lane: Lane = Lane.EXECUTE
    needs_workspace: bool = False
    has_workspace: bool = False
    by_host: bool = False
    paths: tuple[PathUse, ...] = ()
