"""Guard: the session's own tool list, and valid arguments.

- A model or tool must be one that this installation offers.
- A tool must be in the session's list, and its arguments valid.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.verdicts import ALLOW, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "offer"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by what is offered to the session."""
    if action.kind not in (ActionKind.TOOL, ActionKind.MODEL):
        return ALLOW
    if not action.known:
        return Deny(NAME, "unknown", f"there is no {action.kind} named {action.name!r}")
    if action.kind is ActionKind.MODEL:
        return ALLOW
    listed = view.settings.tools
    names = None if listed is None else {name.casefold() for name in listed}
    if names is not None and action.name.casefold() not in names:
        return Deny(NAME, "not_listed", f"{action.name!r} is not one of this session's tools")
    if action.problem:
        return Deny(NAME, "bad_arguments", action.problem)
    return ALLOW
