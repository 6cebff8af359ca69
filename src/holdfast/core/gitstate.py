"""Git state of a workspace (seed E10)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GitState:
    """Branch and commit; a detached head has branch "HEAD"."""

    branch: str | None = None
    commit: str | None = None
