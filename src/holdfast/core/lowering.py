"""`evolve` for what people put right: plans that are fixed, labels that are lowered."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.events import PlanFixed, Relabelled
from holdfast.core.risk import NO_RISK
from holdfast.core.view import Recorded, SessionView, put


def plan_fixed(view: SessionView, recorded: Recorded) -> SessionView:
    """A plan holds from now on; its steps have not been taken yet."""
    event = recorded.event
    assert isinstance(event, PlanFixed)
    left = tuple(step.times for step in event.steps)
    return put(view, plan_at=recorded.version, plan_left=left)


def relabelled(view: SessionView, recorded: Recorded) -> SessionView:
    """What was there by now has at most this label; the risk may begin anew."""
    event = recorded.event
    assert isinstance(event, Relabelled)
    if event.risk:
        view = put(view, risk=NO_RISK)
    if event.label is None:
        return view
    exposure = view.exposure
    if event.label.sensitivity < exposure.level:
        exposure = replace(exposure, level=event.label.sensitivity)
    endorsed = (recorded.version, replace(event.label, origins=()))
    return put(view, label=event.label, endorsed=endorsed, exposure=exposure)
