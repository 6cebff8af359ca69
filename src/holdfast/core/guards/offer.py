"""Guard: the session's own tool list, and what may run unasked.

- A model or tool must be one that this installation offers.
- A tool must be in the session's list, and its arguments valid.
- Only read-only tools run unasked; all others need a session that was created
  with `unsafe_auto_approve`.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.tools import Nature
from holdfast.core.verdicts import Allow, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "offer"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by what is offered to the session."""
    if action.kind not in (ActionKind.TOOL, ActionKind.MODEL):
        return Allow()
    if not action.known:
        return Deny(NAME, "unknown", f"there is no {action.kind} named {action.name!r}")
    if action.kind is ActionKind.MODEL:
        return Allow()
    listed = view.settings.tools
    names = None if listed is None else {name.casefold() for name in listed}
    if names is not None and action.name.casefold() not in names:
        return Deny(NAME, "not_listed", f"{action.name!r} is not one of this session's tools")
    if action.problem:
        return Deny(NAME, "bad_arguments", action.problem)
    if action.nature is not Nature.READ_ONLY and not view.settings.unsafe_auto_approve:
        return Deny(
            NAME,
            "unsafe_refused",
            f"{action.name!r} can change things and this session was not created "
            "with unsafe_auto_approve",
        )
    return Allow()
