"""What a workspace's repository was at, as a value (seed E10)."""

from __future__ import annotations

from dataclasses import dataclass, replace

BRANCH_CHARS_MAX = 256


@dataclass(frozen=True, slots=True)
class GitState:
    """The branch and commit of a workspace.

    Args:
        branch: the branch's name; `HEAD` when no branch is checked out; None
            when it could not be told.
        commit: the commit's full id; None before the first commit.
    """

    branch: str | None = None
    commit: str | None = None

    def bounded(self) -> GitState:
        """Return it with a branch's name cut to what the fold keeps."""
        return replace(self, branch=self.branch[:BRANCH_CHARS_MAX] if self.branch else self.branch)
