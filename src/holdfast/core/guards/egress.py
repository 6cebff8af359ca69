"""Guard: what is secret must not go where it may not be.

- A value that was registered as sensitive and stands in the arguments of a tool
  that writes or sends, plain or encoded, is asked about if it is more sensitive
  than that tool may be given. That the receiver is one the user named is no reason
  to send it.
- So is a call to a tool that sends to others, written while the model was told
  things that are more sensitive.
- What is confined to the workspace does not leave it.
"""

from __future__ import annotations

from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.flows import UNDECLARED, Sink
from holdfast.core.hearing import granted_literally
from holdfast.core.provenance import to_be_examined
from holdfast.core.verdicts import ALLOW, Ask, Verdict
from holdfast.core.view import SessionView

NAME = "egress"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a tool call by what it would carry away; `flow` denies what is not examined."""
    security = facts.binding(view.settings.security)
    if not to_be_examined(security, view.label, action):
        return ALLOW
    flow = action.flow or UNDECLARED
    if flow.confined:
        return ALLOW
    found = facts.examined.get(action.digest)
    if found is None or view.settings.unsafe_auto_approve:
        return ALLOW
    tainted = sorted({kind for kind, level in found.taints if level > flow.accepts})
    labelled = flow.sink is Sink.EGRESS and found.label > flow.accepts
    if not (tainted or labelled) or granted_literally(view, facts, action):
        return ALLOW
    if tainted:
        named = ", ".join(tainted)
        return Ask(NAME, "tainted", f"{action.name}: it would be given {named} of this session")
    question = f"{action.name}: it was written with {found.label.words} content in view"
    return Ask(NAME, "label", question)
