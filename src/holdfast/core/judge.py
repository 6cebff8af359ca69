"""The gate: every action crosses `judge`, the join of independent guards.

The strictest verdict wins and the order of the guards does not matter. A guard
that fails is a denial, never an Allow. A new guard is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.guards import (
    boundary,
    budget,
    commands,
    critical,
    egress,
    flow,
    hooks,
    injection,
    lifecycle,
    offer,
    permission,
    restricted,
    sensitivity,
)
from holdfast.core.verdicts import ALLOW, Allow, Ask, Deny, Verdict, join
from holdfast.core.view import SessionView

Guard = Callable[[SessionView, Facts, Action], Verdict]
VERDICTS = (Allow, Ask, Deny)

GUARDS: tuple[tuple[str, Guard], ...] = (
    (lifecycle.NAME, lifecycle.check),
    (boundary.NAME, boundary.check),
    (budget.NAME, budget.check),
    (critical.NAME, critical.check),
    (egress.NAME, egress.check),
    (flow.NAME, flow.check),
    (commands.NAME, commands.check),
    (hooks.NAME, hooks.check),
    (injection.NAME, injection.check),
    (offer.NAME, offer.check),
    (permission.NAME, permission.check),
    (restricted.NAME, restricted.check),
    (sensitivity.NAME, sensitivity.check),
)


def judge(
    view: SessionView,
    facts: Facts,
    action: Action | None,
    guards: tuple[tuple[str, Guard], ...] = GUARDS,
) -> Verdict:
    """Decide whether an action may happen.

    An action the shell could not normalise (None) is denied, and so is
    everything where no guard stands.
    """
    if action is None:
        return Deny("judge", "not_normalised", "the action could not be understood")
    if not guards:
        return Deny("judge", "no_guards", "no guard is in place")
    found: Verdict = ALLOW
    for name, guard in guards:
        try:
            verdict = guard(view, facts, action)
            if verdict is ALLOW:  # most guards have nothing to say of most actions
                continue
            assert isinstance(verdict, VERDICTS), "a guard answers with a verdict"
        except Exception as failure:  # fail closed: a guard that fails has denied
            verdict = Deny(name, "guard_failed", f"the guard failed: {type(failure).__name__}")
        found = verdict if found is ALLOW else join(found, verdict)
    return found
