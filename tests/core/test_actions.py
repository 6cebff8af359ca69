"""Actions: the cautious reading of what is not said."""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.tools import Lane, Nature


def test_unsaid_is_cautious() -> None:
    """A tool nobody described may happen once only, in the lane of what changes things."""
    action = Action(kind=ActionKind.TOOL)
    assert (Nature.ONCE, Lane.EXECUTE, False, "") == (
        action.nature,
        action.lane,
        action.has_workspace,
        action.digest,
    )


def test_path_outside_has_no_inside() -> None:
    """None stands for a path that leads outside."""
    assert PathUse("../x", None).inside is None
