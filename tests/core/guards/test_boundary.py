"""The boundary guard: nothing leaves the workspace."""

from __future__ import annotations

import pytest

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.facts import Facts
from holdfast.core.guards.boundary import check
from holdfast.core.verdicts import Allow, Deny, Verdict
from holdfast.core.view import SessionView

INSIDE, OUTSIDE = PathUse("a/b", "a/b"), PathUse("../x", None)
HOMELESS = Deny("boundary", "no_workspace", "the session has no workspace here")
ESCAPE = Deny("boundary", "path_escape", "'../x' is outside the workspace")


@pytest.mark.parametrize(
    ("needs", "has", "paths", "expected"),
    [
        (False, False, (), Allow()),
        (False, True, (), Allow()),
        (True, True, (), Allow()),
        (True, False, (), HOMELESS),
        (False, False, (INSIDE,), HOMELESS),
        (False, True, (INSIDE,), Allow()),
        (False, True, (OUTSIDE,), ESCAPE),
        (True, True, (INSIDE, OUTSIDE, INSIDE), ESCAPE),
        (True, False, (OUTSIDE,), HOMELESS),
    ],
)
def test_tools(needs: bool, has: bool, paths: tuple[PathUse, ...], expected: Verdict) -> None:
    """A tool needs its workspace, and each of its paths lies inside."""
    action = Action(kind=ActionKind.TOOL, needs_workspace=needs, has_workspace=has, paths=paths)
    assert expected == check(SessionView(), Facts(now_ms=0), action)


@pytest.mark.parametrize("kind", [kind for kind in ActionKind if kind is not ActionKind.TOOL])
def test_other_kinds_name_no_paths(kind: ActionKind) -> None:
    """Only tools are judged by paths."""
    action = Action(kind=kind, needs_workspace=True, paths=(OUTSIDE,))
    assert Allow() == check(SessionView(), Facts(now_ms=0), action)
