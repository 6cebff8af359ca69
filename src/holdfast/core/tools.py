"""What a tool declares about itself, and the lanes its calls belong to.

The installation's registry is the only source of these facts; what a remote
server says of its own tools never counts (contract 1.6).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.flows import UNDECLARED, Flow


class Nature(StrEnum):
    """What may be done when a call's outcome is unknown (contract 1.6)."""

    READ_ONLY = "read_only"
    IDEMPOTENT = "idempotent"
    RECONCILABLE = "reconcilable"
    ONCE = "once"


class Operation(StrEnum):
    """What a tool does with a path; approvals bind to it (astrid#AW-9)."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    DELETE = "delete"
    EXECUTE = "execute"


class Lane(StrEnum):
    """Priority lanes, highest first (seed D5)."""

    CONTROL = "control"
    QUERY = "query"
    EXECUTE = "execute"
    GENERATE = "generate"


LANE_ALIASES = {"skill": Lane.EXECUTE, "prompt": Lane.GENERATE}

LANE_OF_TOOL = {
    "read": Lane.QUERY,
    "glob": Lane.QUERY,
    "grep": Lane.QUERY,
    "ls": Lane.QUERY,
    "write": Lane.EXECUTE,
    "edit": Lane.EXECUTE,
    "bash": Lane.EXECUTE,
}


def lane_of(tool: str) -> Lane:
    """Return the lane of a tool; an unknown tool belongs to `execute`."""
    return LANE_OF_TOOL.get(tool.casefold(), Lane.EXECUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What a tool is, as the installation's registry declares it.

    Args:
        name: unique, case-insensitive.
        description: for the model.
        parameters: JSON schema of the arguments, as JSON text; an object with
            `additionalProperties` false.
        nature: what a call with an unknown outcome allows.
        path_params: arguments that name files, relative to the workspace.
        path_operations: (argument, operation) of those; a path argument without
            one counts as a write, or as a read of a read-only tool.
        command_param: the argument that is a shell command line, or "".
        host_params: arguments that name a host or URL.
        needs_workspace: refuses to run in a session without a workspace.
        timeout_s: default limit of one call, in seconds.
        flow: what it reads and where it sends; undeclared, the worst is assumed.
        online: the same in a session whose tools may reach hosts; None means that
            this makes no difference to it.
    """

    name: str
    description: str
    parameters: str
    nature: Nature = Nature.ONCE
    path_params: tuple[str, ...] = ()
    path_operations: tuple[tuple[str, Operation], ...] = ()
    command_param: str = ""
    host_params: tuple[str, ...] = ()
    needs_workspace: bool = False
    timeout_s: float = 120.0
    flow: Flow = UNDECLARED
    online: Flow | None = None

    @property
    def lane(self) -> Lane:
        """The lane its calls belong to."""
        if self.nature is Nature.READ_ONLY:
            return Lane.QUERY
        return lane_of(self.name)
