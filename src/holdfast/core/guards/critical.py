"""Guard: critical actions need the yes of several people, whatever else allows them.

Which ones is said by the rules of `ConfirmationPolicy.critical`, the session's own and
those of the sessions above it as they are now (contract 1.7). No rule, grant,
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
    if action.kind is not ActionKind.TOOL:
        return ALLOW
    own = view.settings.confirmation
    said = [(own.critical, own.quorum)] if own.critical else []
    # What those above call critical is so beneath them.
    said += [(one.critical, one.quorum) for one in facts.authority.policies if one.critical]
    if not said:
        return ALLOW
    workspace = view.settings.workspace
    fitting = ((fitting_rule(rules, workspace, action), quorum) for rules, quorum in said)
    found = [(quorum, rule) for rule, quorum in fitting if rule]
    if not found:
        return ALLOW
    people, rule = max(found)
    question = f"{action.name} is critical ({rule}): {people} different people must say yes"
    return Ask(NAME, "quorum", question, quorum=people)
