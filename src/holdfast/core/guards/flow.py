"""Guard: strangers' words must not steer what has consequences.

Once untrusted content has been read, a call that changes or sends something is
judged by where it comes from, whatever the content looks like:

- in both modes a call is asked about that no plan foresees, or of which a target, an
  id, an amount, or a link or address within its text was not given by the user or a
  trusted source. No plan foresees nothing. What people granted before in its very
  words needs neither;
- a value that an extraction read may be an id or an amount of a planned call, where
  extraction is switched on and the plan fixed what is read for which argument; it is
  never a target, nor a link within a text;
- `provenance` lets pass what is confined to the workspace, which the boundary guard
  has judged, and what changes nothing and names nothing that a stranger named.

A call that was not examined is denied.
"""

from __future__ import annotations

from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.flows import UNDECLARED, Role
from holdfast.core.hearing import granted_literally
from holdfast.core.labels import Integrity
from holdfast.core.provenance import Examined, Use, to_be_examined
from holdfast.core.security import FlowMode, Security
from holdfast.core.tools import Nature
from holdfast.core.verdicts import ALLOW, Ask, Deny, Verdict
from holdfast.core.view import SessionView

NAME = "flow"
CLOSED_ROLES = (Role.ID, Role.AMOUNT)
"""What a value may be that was extracted."""


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a tool call by whose words led to it."""
    security = facts.binding(view.settings.security)
    if not to_be_examined(security, view.label, action):
        return ALLOW
    flow = action.flow or UNDECLARED
    found = facts.examined.get(action.digest)
    if found is None or found.digest != action.digest:
        return Deny(NAME, "not_examined", "it was not looked up where its arguments come from")
    if view.label.integrity is Integrity.TRUSTED or view.settings.unsafe_auto_approve:
        return ALLOW
    if granted_literally(view, facts, action):
        return ALLOW
    strict = security.flow is FlowMode.STRICT
    if flow.confined and not strict:
        return ALLOW
    return _by_provenance(view, security, action, found)


def _by_provenance(
    view: SessionView, security: Security, action: Action, found: Examined
) -> Verdict:
    strict = security.flow is FlowMode.STRICT
    uses = [use for use in found.uses if not _extracted(view, security, found, use)]
    if uses:
        told = "; ".join(use.text for use in uses[:4])
        return Ask(NAME, "provenance", f"{action.name}: {told}")
    if action.nature is Nature.READ_ONLY and not strict:  # it carries nothing away
        return ALLOW
    if _planned(view, found):
        return ALLOW
    if view.plan_at:
        return Ask(NAME, "not_planned", f"{action.name}: the plan does not foresee this call")
    return _influenced(action)


def _extracted(view: SessionView, security: Security, found: Examined, use: Use) -> bool:
    """Whether a value stands for itself although a stranger wrote it: see the module."""
    if not (use.closed and security.extraction is True):
        return False
    return use.role in CLOSED_ROLES and _planned(view, found)


def _planned(view: SessionView, found: Examined) -> bool:
    """Whether the step that a call fits may still be taken; a call beside it may have been it."""
    return 1 <= found.step <= len(view.plan_left) and view.plan_left[found.step - 1] > 0


def _influenced(action: Action) -> Ask:
    question = f"{action.name}: the session has read what strangers wrote before it wants this"
    return Ask(NAME, "influenced", question)
