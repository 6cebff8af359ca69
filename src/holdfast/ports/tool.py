"""The tools port: how the runtime runs a tool.

Contract
- `run` does the work once. It is cancelled by task cancellation and must then
  stop everything it started (whole process groups) before it re-raises.
- Whatever `run` reports through `context.emit` is kept if it is cancelled.
- A failure of the tool is a `ToolOutcome` with `is_error`, not an exception;
  an exception is a bug of the tool and is reported as a failure of the call.
- Arguments have been validated against the schema before the gate; a tool may
  rely on their types. Paths have been judged by where they led; the tool opens
  what `judged` says they led to, follows no link, and so reaches nothing else.
- `reconcile` is asked only of tools whose nature is reconcilable.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from holdfast.core.extraction import Extraction
from holdfast.core.network import NetworkPolicy
from holdfast.core.plans import PlanStep
from holdfast.core.tools import Operation, ToolSpec

Json = object
"""Any JSON value: None, bool, int, float, str, list or dict of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escape:
    """A path outside the workspace that this call may open.

    Args:
        path: the resolved path, absolute, as it was judged.
        operations: what may be done with it.
        subtree: all that lies beneath it as well.
    """

    path: str
    operations: tuple[Operation, ...]
    subtree: bool = False


class ByteMeter(Protocol):
    """Counts the bytes that a session exchanges with the network, both ways."""

    async def take(self, size: int, bytes_max: int | None) -> bool:
        """Count bytes that are about to be passed on; False if they may not be.

        They are counted for good before it returns. What does not fit is not passed
        on, and nothing fits after it; where counting fails, nothing fits either.

        Args:
            bytes_max: the session's limit; None for none, and then nothing is kept.
        """
        ...

    async def spent(self, bytes_max: int | None) -> bool:
        """Whether nothing more may be exchanged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a call is given beside its arguments.

    Args:
        session_id: the session's id.
        workspace: absolute path of the workspace directory, or None.
        effect_id: stable over attempts; use it as the idempotency key.
        epoch: the lease epoch; a fencing token for tools that can check one.
        attempt: 1 for the first.
        timeout_s: limit of this call in seconds.
        emit: takes a piece of output as it appears.
        spill: keeps a large output and returns a handle for it (`spill:` and an
            id) that the read tool and `read_spill` accept.
        read_spill: returns what a handle stands for.
        unsandboxed_allowed: bash may run where no sandbox exists.
        judged: the real path of each path argument as the gate judged it; None
            where no gate was asked, and links inside the workspace are followed.
        escapes: what may be opened outside the workspace.
        private: files of the installation, which are passed over.
        network: what a command of this session may reach; None for nothing.
        meter: counts what this session's commands exchange with the network; None where
            nobody does, and each call is counted by itself.
        quarantine: of a call that extracts: puts a question about its source to a model
            that sees nothing else, and returns where an id has to stand in that source, and
            the answer; else None.
    """

    session_id: str
    workspace: str | None
    effect_id: str
    epoch: int = 0
    attempt: int = 1
    timeout_s: float = 120.0
    emit: Callable[[str], None]
    spill: Callable[[bytes], Awaitable[str]]
    read_spill: Callable[[str], Awaitable[bytes]]
    unsandboxed_allowed: bool = False
    judged: Mapping[str, str] | None = None
    escapes: tuple[Escape, ...] = ()
    private: tuple[str, ...] = ()
    network: NetworkPolicy | None = None
    meter: ByteMeter | None = None
    quarantine: Callable[[str], Awaitable[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """What a call came to.

    Args:
        content: what the model reads.
        is_error: the call failed.
        exit_code: 0 for success, else the process's or 1 (124: time limit).
        metadata: facts for people and programs, never for the model.
    """

    content: str
    is_error: bool = False
    exit_code: int = 0
    metadata: Mapping[str, Json] = field(default_factory=dict)


class Reconciliation(StrEnum):
    """What a tool knows of a call whose outcome was lost."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The answer to `reconcile`; `outcome` is there when it was done."""

    state: Reconciliation
    outcome: ToolOutcome | None = None


@runtime_checkable
class Tool(Protocol):
    """One tool."""

    @property
    def spec(self) -> ToolSpec:
        """What the tool declares about itself."""
        ...

    async def run(self, arguments: Mapping[str, Json], context: ToolContext) -> ToolOutcome:
        """Do the work."""
        ...


@runtime_checkable
class PlanningTool(Tool, Protocol):
    """A tool by which a model declares its plan; the runtime fixes it before it runs."""

    def plan(self, arguments: Mapping[str, Json]) -> tuple[PlanStep, ...]:
        """The steps that a call declares.

        Raises:
            InvalidInput: they are none.
        """
        ...


@runtime_checkable
class ExtractingTool(Tool, Protocol):
    """A tool that reads closed values; the runtime makes its quarantined model call."""

    def extraction(self, arguments: Mapping[str, Json]) -> Extraction:
        """What a call reads, and what its value is for.

        Raises:
            InvalidInput: it is no extraction.
        """
        ...


@runtime_checkable
class ReconcilableTool(Tool, Protocol):
    """A tool that can tell what became of an earlier attempt."""

    async def reconcile(self, arguments: Mapping[str, Json], context: ToolContext) -> Reconciled:
        """Say whether the effect `context.effect_id` happened."""
        ...
