"""The gate: every action crosses `judge`, the join of independent guards.

The strictest verdict wins and the order of the guards does not matter. A guard
that fails is a denial, never an Allow. A new guard is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.actions import Action
from holdfast.core.facts import Facts
from holdfast.core.guards import boundary, lifecycle, offer
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict, join_all
from holdfast.core.view import SessionView

Guard = Callable[[SessionView, Facts, Action], Verdict]

GUARDS: tuple[tuple[str, Guard], ...] = (
    (lifecycle.NAME, lifecycle.check),
    (boundary.NAME, boundary.check),
    (offer.NAME, offer.check),
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
    return join_all(_ask(name, guard, view, facts, action) for name, guard in guards)


def _ask(name: str, guard: Guard, view: SessionView, facts: Facts, action: Action) -> Verdict:
    try:
        verdict = guard(view, facts, action)
        assert isinstance(verdict, Allow | Ask | Deny), "a guard answers with a verdict"
        return verdict
    except Exception as failure:  # fail closed: a guard that fails has denied
        return Deny(name, "guard_failed", f"the guard failed: {type(failure).__name__}")
