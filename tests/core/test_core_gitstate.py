"""A workspace's git state as a value."""

from __future__ import annotations

import pytest

from holdfast.core.gitstate import BRANCH_CHARS_MAX, GitState


@pytest.mark.parametrize(
    ("branch", "kept"),
    [(None, None), ("", ""), ("main", "main"), ("x" * 5_000, "x" * BRANCH_CHARS_MAX)],
)
def test_bounded(branch: str | None, kept: str | None) -> None:
    """Only a very long branch is cut; the commit stays."""
    assert GitState(kept, "c0ffee") == GitState(branch, "c0ffee").bounded()
