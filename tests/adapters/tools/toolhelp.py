"""What the tests of the tools share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.core.errors import BlobNotFound
from holdfast.ports.tool import Json, Tool, ToolContext, ToolOutcome


@dataclass
class Bench:
    """A workspace with something secret beside it, and what a runtime offers tools."""

    base: Path
    emitted: list[str] = field(default_factory=list)
    spilled: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace = self.base / "workspace"
        self.workspace.mkdir()
        self.outside = self.base / "outside"
        self.outside.mkdir()
        self.secret = self.outside / "secret.txt"
        self.secret.write_text("OUTSIDE-SECRET\n")

    async def _spill(self, data: bytes) -> str:
        handle = f"spill:{len(self.spilled) + 1}"
        self.spilled[handle] = data
        return handle

    async def _read_spill(self, handle: str) -> bytes:
        if handle not in self.spilled:
            raise BlobNotFound
        return self.spilled[handle]

    def context(
        self,
        effect_id: str = "effect-1",
        *,
        timeout_s: float = 60.0,
        unsandboxed_allowed: bool = False,
        workspace: str | None = "",
    ) -> ToolContext:
        """Return a context for one call."""
        return ToolContext(
            session_id="session-1",
            workspace=str(self.workspace) if workspace == "" else workspace,
            effect_id=effect_id,
            timeout_s=timeout_s,
            emit=self.emitted.append,
            spill=self._spill,
            read_spill=self._read_spill,
            unsandboxed_allowed=unsandboxed_allowed,
        )

    def call(self, tool: Tool, arguments: Mapping[str, Json], **more: object) -> ToolOutcome:
        """Run a tool to its end."""
        return asyncio.run(tool.run(arguments, self.context(**more)))
