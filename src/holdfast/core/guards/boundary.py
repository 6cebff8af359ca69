"""Guard: nothing leaves the workspace.

- A tool that needs a workspace has one.
- Every path argument lies inside it. The tool opens it so that this holds again
  at that moment, whatever a link does in between.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.verdicts import Allow, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "boundary"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by the paths it names."""
    if action.kind is not ActionKind.TOOL:
        return Allow()
    if (action.needs_workspace or action.paths) and not action.has_workspace:
        return Deny(NAME, "no_workspace", "the session has no workspace here")
    outside = [path.given for path in action.paths if path.inside is None]
    if outside:
        return Deny(NAME, "path_escape", f"{outside[0]!r} is outside the workspace")
    return Allow()
