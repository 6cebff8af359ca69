"""Where a session is kept."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.ports.store import StreamRow
from holdfast.runtime.backend import Backend


@dataclass(frozen=True, slots=True)
class Located:
    """Where a session is kept."""

    backend: Backend
    row: StreamRow

    @property
    def stream(self) -> int:
        """Its stream."""
        return self.row.stream
