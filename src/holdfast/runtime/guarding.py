"""What a handle says of content: plans, labels, risk and the settings of its guards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.core.commands import Configure, FixPlan, Relabel
from holdfast.core.errors import InvalidInput
from holdfast.core.events import PlanFixed, PlanStep
from holdfast.core.flows import Reads, Sink
from holdfast.core.guards import sensitivity as where
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.risk import points
from holdfast.core.security import RoutingDecision
from holdfast.core.tools import ToolSpec
from holdfast.runtime.controls import Controls
from holdfast.runtime.offer import offered
from holdfast.runtime.perform import clean
from holdfast.runtime.readers import Reading
from holdfast.runtime.securing import SecurityConfig, level_of, security_of

ALLOWED = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReport:
    """How much about a person a session was told (seed A7).

    Args:
        kinds: each kind and how many different values of it were told.
        points: their weight now; 3 asks and 5 refuses by default.
        decision: what that comes to where content leaves: allow, require_confirmation
            or reject. Other sessions of the user may make it more.
    """

    kinds: Mapping[str, int]
    points: float
    decision: str = ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trifecta:
    """The tools of a session by what makes them dangerous together.

    Args:
        untrusted: bring in strangers' words; private: bring in what is more than
            ordinary; egress: send to others.
    """

    untrusted: tuple[str, ...]
    private: tuple[str, ...]
    egress: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all three come together: then text alone may steal data."""
        return bool(self.untrusted and self.private and self.egress)


def trifecta_of(specs: Sequence[ToolSpec], *, workspace: bool) -> Trifecta:
    """Sort tools by what they declare; a workspace counts as private data."""
    reading = [spec for spec in specs if spec.flow.confined or spec.flow.sink is Sink.NONE]
    private = [spec for spec in specs if spec.flow.produces > Sensitivity.NORMAL]
    if workspace:
        private += [spec for spec in reading if spec.needs_workspace]
    return Trifecta(
        untrusted=_names([spec for spec in specs if spec.flow.reads is Reads.UNTRUSTED]),
        private=_names(private),
        egress=_names(
            [one for one in specs if one.flow.sink is Sink.EGRESS and not one.flow.confined]
        ),
    )


def _names(specs: Sequence[ToolSpec]) -> tuple[str, ...]:
    return tuple(sorted({spec.name for spec in specs}))


class Guarding(Controls):
    """Plans, labels and content security of one session."""

    async def fix_plan(
        self, steps: Sequence[PlanStep | tuple[str, Mapping[str, object]] | str]
    ) -> None:
        """Fix which consequential calls the next turns are to make.

        Best done before a turn: once untrusted content has been read, a plan can be
        fixed only between turns, and what it foresees counts as granted by whoever
        calls this.

        Args:
            steps: `PlanStep`s, names of tools, or (tool, arguments that are fixed).

        Raises:
            InvalidInput: a step is malformed, or there are too many.
            NotNow: a turn that has read untrusted content is running.
        """
        fixed = tuple(_step(step) for step in steps)
        await self.submit(FixPlan(steps=fixed, by=self._core.principal))

    async def plan(self, *, by: str | None = None) -> list[tuple[PlanStep, int]]:
        """The steps of the plan, and how often each may still be taken.

        Args:
            by: as of `history`.
        """
        view = await self.view()
        if not view.plan_at:
            return []
        journal = self._where.backend.journal(self._where.row)
        event = (await journal.event_at(view.plan_at)).event
        assert isinstance(event, PlanFixed), "the fold says that the plan is there"
        async with Reading(self._core, self._where, by).shows(view) as shows:
            steps = event.steps if shows is None else [await shows.record(e) for e in event.steps]
        return list(zip(steps, view.plan_left, strict=True))

    async def label(self) -> Label:
        """The most restrictive label of all that the session has seen."""
        return (await self.view()).label

    async def uses_tee(self) -> bool:
        """Whether the session has used an enclave, by a call or a mark; it stays so (seed A3)."""
        return (await self.view()).tee_active

    async def mark_tee_active(self) -> bool:
        """Note that the session has used an enclave; nothing takes it back (seed A3).

        Calls that the runtime makes there are noted by themselves; this is for what the
        program did. It leads no call anywhere: that is the data policy's.

        Returns: True if it is new.

        Raises:
            NotNow, KeyDestroyed: the session has ended, or was wiped.
        """
        if await self.uses_tee():
            return False
        return (await self.submit(Configure(tee_active=True))).first > 0

    async def relabel(
        self,
        *,
        why: str,
        sensitivity: Sensitivity | str | None = None,
        trusted: bool = False,
        by: str | None = None,
    ) -> None:
        """Lower the session's label for everything so far; it is on record who and why.

        Args:
            sensitivity: the highest level from now on; None leaves it.
            trusted: what strangers wrote so far is vouched for.

        Raises:
            InvalidInput: nothing would be lowered, or there is no reason.
            NotNow: a turn is running.
            ApproverRefused: not a person asks.
        """
        level = None if sensitivity is None else level_of("sensitivity", sensitivity)
        integrity = Integrity.TRUSTED if trusted else None
        await self._relabel(Relabel(sensitivity=level, integrity=integrity, why=clean(why)), by)

    async def update_sensitivity(self, level: Sensitivity | str) -> bool:
        """Raise the session's level; it never sinks by this (seed A3). True if it rose."""
        found = level_of("level", level)
        if found <= (await self.view()).label.sensitivity:
            return False
        return (await self.submit(Configure(raise_to=found))).first > 0

    async def reset_risk(self, *, why: str, by: str | None = None) -> None:
        """Begin the session's cumulative risk anew (seed A7); it is on record who and why."""
        await self._relabel(Relabel(risk=True, why=clean(why)), by)

    async def _relabel(self, command: Relabel, by: str | None) -> None:
        who = by or self._core.principal
        lowered = Relabel(
            sensitivity=command.sensitivity,
            integrity=command.integrity,
            risk=command.risk,
            why=command.why,
            by=who,
        )
        await self.submit(lowered, by=who)

    async def risk(self) -> RiskReport:
        """How much about a person the session was told (seed A7)."""
        view = await self.view()
        security = self._core.trust.binding(view.settings.security)
        kinds = {kind: count for kind, count, _ in view.risk.kinds}
        weight = points(view.risk, self._core.clock.now_ms(), security.half_life_days)
        found = where.cumulative(security, weight)
        decision = ALLOWED if found is RoutingDecision.PROCESS_LOCAL else found.value
        return RiskReport(kinds=kinds, points=weight, decision=decision)

    async def set_security(self, config: SecurityConfig) -> None:
        """Change how content is looked at and where it may go (seed D3).

        What the installation says holds all the same.

        Raises:
            InvalidInput: a value is out of range, a pack is unknown, or a rule of the
                classifier cannot be used.
        """
        security = security_of(config)
        self._core.detectors.check(self._core.trust.binding(security))
        await self.submit(Configure(security=security))

    async def trifecta(self) -> Trifecta:
        """The session's tools that together could let text steal data."""
        view = await self.view()
        specs = offered(view, self._core.registry.specs())
        return trifecta_of(specs, workspace=bool(view.settings.workspace))


def _step(step: PlanStep | tuple[str, Mapping[str, object]] | str) -> PlanStep:
    if isinstance(step, PlanStep):
        return step
    if isinstance(step, str):
        return PlanStep(tool=step)
    try:
        tool, arguments = step
        text = json.dumps(dict(arguments), allow_nan=False)
    except (TypeError, ValueError):
        raise InvalidInput("a step is a tool's name, or that and its fixed arguments") from None
    return PlanStep(tool=str(tool), arguments=text)
