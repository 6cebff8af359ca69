"""Guard: critical actions need the yes of several people, whatever else allows them.

Which ones is said by the rules of `ConfirmationPolicy.critical`. No rule, grant,
lane or `unsafe_auto_approve` stands in for those people: the question has a code
of its own, and an answer covers just the codes it was asked for. A command or
arguments that cannot be seen through count as critical where a rule might match.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.fitting import fitting_rule
from holdfast.core.verdicts import ALLOW, Ask, Verdict
from holdfast.core.view import SessionView

NAME = "critical"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Ask for several people's yes to a critical action."""
    confirmation = view.settings.confirmation
    if action.kind is not ActionKind.TOOL or not confirmation.critical:
        return ALLOW
    rule = fitting_rule(confirmation.critical, view.settings.workspace, action)
    if not rule:
        return ALLOW
    people = confirmation.quorum
    question = f"{action.name} is critical ({rule}): {people} different people must say yes"
    return Ask(NAME, "quorum", question, quorum=people)
