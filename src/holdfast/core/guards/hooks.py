"""Guard: what the hooks before a call said.

- A call that hooks look at first is denied until they have spoken of this very
  action, so that no path leads round them.
- A blocked call is denied. Nothing a hook says permits anything.
- A session that was made with a hook engine is denied everything where that
  engine is not registered.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.hooks import HookEvent
from holdfast.core.verdicts import ALLOW, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "hooks"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by what hooks said of it."""
    if action.kind is ActionKind.DESTROY_KEY:
        return ALLOW
    authority = facts.authority
    engine = view.settings.hook_engine
    if engine and engine not in authority.hook_engines:
        return Deny(NAME, "missing_engine", f"the hook engine {engine!r} is not registered here")
    if action.kind not in (ActionKind.TOOL, ActionKind.MODEL):
        return ALLOW
    if action.problem or not action.known:
        return ALLOW
    if action.kind is ActionKind.MODEL or HookEvent.PRE_TOOL_USE not in authority.hooked:
        return ALLOW
    found = [one for one in authority.found.values() if one.digest == action.digest]
    if not found:
        return Deny(NAME, "not_asked", "the hooks before this call have not spoken")
    blocked = [one.blocked for one in found if one.blocked]
    return Deny(NAME, "blocked", min(blocked)) if blocked else ALLOW
