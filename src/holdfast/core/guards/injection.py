"""Guard: what detectors made of a message.

- A message that no detector has looked at is denied: no finding is not a good one.
- One that looks like an injected instruction is denied where the session's
  `InjectionDefense` says so. It is a signal and never the barrier: the flow guard
  does not depend on it.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.findings import Threat
from holdfast.core.security import InjectionDefense
from holdfast.core.verdicts import ALLOW, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "injection"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a message by what was found in it."""
    if action.kind is not ActionKind.ADMIT:
        return ALLOW
    if action.found is None:
        return Deny(NAME, "not_inspected", "no detector has looked at the message")
    security = facts.binding(view.settings.security)
    if security.injection is InjectionDefense.OBSERVE or action.found.threat is not Threat.BLOCKED:
        return ALLOW
    why = ", ".join(action.found.reasons[:3])
    return Deny(NAME, "blocked", f"the message looks like an injected instruction ({why})")
