"""Guard: where content may be processed, and how much of a person may be told.

- A message is refused where the policy rejects it, before it is stored.
- A model call goes to the enclave where the policy says so, and is refused where
  what the session holds may not be seen by its model.
- What needs the author's consent is asked before the call, once for all that was
  said until then. Values that are sent as pseudonyms need none.
- Cumulative risk counts only where content leaves: not for a local model or an enclave.
  It is counted by the user over all sessions, and so is the yes to it.
"""

from __future__ import annotations

from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.risk import points, told, united
from holdfast.core.routing import Destination, evaluate
from holdfast.core.security import RoutingDecision, Security, Zone
from holdfast.core.verdicts import ALLOW, Allow, Ask, Deny, Verdict
from holdfast.core.view import CONSENT, ENCLAVE, SessionView

NAME = "sensitivity"
STAYS = (Zone.LOCAL, Zone.TEE)


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge a message, or a model call, by where what is said goes."""
    security = facts.binding(view.settings.security)
    if action.kind not in (ActionKind.ADMIT, ActionKind.MODEL) or not security.enabled:
        return ALLOW
    if action.to is None:
        return ALLOW if action.kind is ActionKind.ADMIT else _nowhere(action)
    if action.kind is ActionKind.ADMIT:
        return _message(view, facts, action.found or NOTHING, action.to)
    return ALLOW if action.by_host else _call(view, facts, action.to)


def _nowhere(action: Action) -> Verdict:
    """A call to no known model is refused by the guard that knows what is offered."""
    if not action.known:
        return ALLOW
    return Deny(NAME, "no_zone", f"it is not known where {action.name!r} runs")


def _message(view: SessionView, facts: Facts, found: Inspected, to: Destination) -> Verdict:
    security = facts.binding(view.settings.security)
    decision = evaluate(security.data, found.level, found.names, to, swaps=security.taints)
    if decision is RoutingDecision.REJECT:
        what = ", ".join(found.names) or found.level.name.lower()
        return Deny(NAME, "rejected", f"a {to.zone} model may not be told this ({what})")
    if decision is RoutingDecision.PROCESS_IN_TEE:
        return ALLOW
    if found.kinds and _cumulative(view, facts, found, security, to) is RoutingDecision.REJECT:
        kinds = f"{security.reject_kinds} kinds of personal data"
        return Deny(NAME, "cumulative", f"this would make {kinds} that the session was told")
    return ALLOW


def _call(view: SessionView, facts: Facts, to: Destination) -> Verdict:
    security, exposure = facts.binding(view.settings.security), view.exposure
    level, since = exposure.level, exposure.at
    if to.enclave and view.label.sensitivity > level:
        # An enclave is wanted for whatever the session has seen. Nobody noted when it
        # saw the most sensitive of it, so that one consent is good for one turn.
        level, since = view.label.sensitivity, max(since, view.turn.id if view.turn else 0)
    decision = evaluate(security.data, level, exposure.kinds, to, swaps=security.taints)
    if decision is RoutingDecision.REJECT:
        return Deny(NAME, "rejected", f"a {to.zone} model may not see what the session holds")
    confirm = RoutingDecision.REQUIRE_CONFIRMATION
    if decision is confirm and since > view.consent_at:
        named = ", ".join(exposure.kinds) or f"{level.words} content"
        question = f"the session holds {named}; may it go on with a {to.zone} model?"
        return Ask(NAME, "consent", question, about=CONSENT)
    if decision is RoutingDecision.PROCESS_IN_TEE:
        return Allow((ENCLAVE,))
    told_of = view.risk.names | facts.risk.names
    if view.risk.grew_at > view.consent_at and not told_of <= facts.agreed:
        risk = _cumulative(view, facts, NOTHING, security, to)
        if risk is not RoutingDecision.PROCESS_LOCAL:
            kinds = ", ".join(sorted(view.risk.names))
            question = f"the session was told much about a person ({kinds}); may it go on?"
            return Ask(NAME, "cumulative", question, about=CONSENT)
    return ALLOW


def _cumulative(
    view: SessionView, facts: Facts, found: Inspected, security: Security, to: Destination
) -> RoutingDecision:
    """What all that was told comes to: nothing, a question, or a refusal."""
    if to.zone in STAYS:
        return RoutingDecision.PROCESS_LOCAL
    risk = united((told(view.risk, found, facts.now_ms), facts.risk))
    return cumulative(security, points(risk, facts.now_ms, security.half_life_days))


def cumulative(security: Security, weight: float) -> RoutingDecision:
    """What all that was told of people comes to, where content leaves.

    Args:
        weight: its points, see `risk`.
    """
    if security.reject_kinds and weight >= security.reject_kinds:
        return RoutingDecision.REJECT
    if security.warn_kinds and weight >= security.warn_kinds:
        return RoutingDecision.REQUIRE_CONFIRMATION
    return RoutingDecision.PROCESS_LOCAL
