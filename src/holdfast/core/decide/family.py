"""Deciding about children: opening one is an action of its parent (seed B7)."""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.children import DEPTH_MAX, LIVING_MAX
from holdfast.core.commands import OpenChild
from holdfast.core.decide.common import Draft
from holdfast.core.errors import Denied, NotNow
from holdfast.core.events import ChildOpened, Refused
from holdfast.core.judge import judge
from holdfast.core.lifecycle import WORKING
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict

NAME = "family"


def open_child(draft: Draft, command: OpenChild) -> None:
    """Judge the opening of a child and put it on record.

    Raises:
        NotNow: the session is paused or has ended.
    """
    view = draft.view
    if view.state not in WORKING:
        raise NotNow(f"the session is {view.state.title}; it opens no children")
    action = Action(kind=ActionKind.CHILD, name="child", subject=command.session_id)
    verdict = _limits(len(view.lineage), command.living)
    if isinstance(verdict, Allow):
        verdict = judge(view, draft.facts, action, draft.guards)
    if isinstance(verdict, Allow):
        draft.add(ChildOpened(session_id=command.session_id))
        return
    detail = verdict.question if isinstance(verdict, Ask) else verdict.detail
    draft.add(Refused(action="child", guard=verdict.guard, reason=verdict.reason))
    draft.error = Denied(detail)


def _limits(depth: int, living: int) -> Verdict:
    if depth + 1 > DEPTH_MAX:
        return Deny(NAME, "depth", f"children are nested at most {DEPTH_MAX} deep")
    if living + 1 > LIVING_MAX:
        return Deny(NAME, "fan_out", f"a session has at most {LIVING_MAX} living children")
    return Allow()
