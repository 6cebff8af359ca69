"""Guard: what the session's state lets through.

- A message is admitted, or a child opened, only while the session is active or processing.
- A model or tool call starts only for a running turn that is not being cancelled,
  or as a call of the embedding program while the session works.
- A key is destroyed only after `WipeStarted`.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.lifecycle import WORKING
from holdfast.core.verdicts import ALLOW, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "lifecycle"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by the session's state."""
    if action.kind is ActionKind.DESTROY_KEY:
        if view.wiping and not view.wiped:
            return ALLOW
        return Deny(NAME, "not_wiping", "the session is not being wiped")
    if view.state not in WORKING:
        return Deny(NAME, "state", f"the session is {view.state.title}")
    if action.kind in (ActionKind.ADMIT, ActionKind.CHILD) or action.by_host:
        return ALLOW
    if view.turn is None or view.turn.cancel:
        return Deny(NAME, "no_turn", "no turn is running")
    return ALLOW
