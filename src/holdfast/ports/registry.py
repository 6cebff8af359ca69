"""The registry port: which tools this installation offers.

The registry is the only authority on what a tool is (contract 1.6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast.core.tools import ToolSpec
from holdfast.ports.tool import Json, Tool


class Registry(Protocol):
    """Tools by name; names are matched without regard to case."""

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        ...

    def specs(self) -> Sequence[ToolSpec]:
        """All tools, sorted by name."""
        ...

    def validate(self, name: str, arguments: str) -> Mapping[str, Json]:
        """Parse and check a call's arguments.

        Args:
            arguments: JSON text as the model wrote it.

        Raises:
            InvalidInput: one line that says where and what is wrong.
        """
        ...
