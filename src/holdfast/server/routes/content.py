"""What detectors see, what is followed, and how a session is labelled."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from holdfast.bootstrap import SessionManager, check_guards, tee_facts
from holdfast.core.findings import Classification, Finding
from holdfast.core.redaction import marker
from holdfast.core.security import Security
from holdfast.runtime.guarding import RiskReport, Trifecta
from holdfast.server.auth import Acting, Commanded, Shown, require
from holdfast.server.conditions import Expected
from holdfast.server.forms import Body, Done, Form, Level, Name, level_name

router = APIRouter(prefix="/api/v1", tags=["content"])
SELF_TEST_S = 60.0
SCANS = [require("privacy:scan")]


class TextForm(Form):
    """A text to look at."""

    text: Body


class Match(Form):
    """One place in a text."""

    rule: str
    level: Level
    start: int
    end: int
    redacted: str


class ClassifiedForm(Form):
    """What a text holds."""

    level: Level
    requires_tee: bool
    matches: list[Match]
    weak: list[str] = Field(description="What could not be looked for as it might be.")


class Analysed(Form):
    """One place in a text, with its kind and how sure that is."""

    category: str
    trigger: str
    redacted_value: str
    level: Level
    confidence: float
    start: int
    end: int


class AnalysedForm(Form):
    """What a text holds, place by place."""

    level: Level
    requires_tee: bool
    matches: list[Analysed]


class ScannedForm(Form):
    """What was found by patterns, and what by the words around it."""

    level: Level
    requires_tee: bool
    regex_matches: list[Match]
    semantic_matches: list[Analysed]


def look(sessions: SessionManager, text: str) -> Classification:
    """What the detectors of the installation see in a text."""
    policy = sessions.policy
    own = policy.security if policy is not None and policy.security else Security()
    return sessions.detectors.classifier(own).classify(text)


def _match(one: Finding) -> Match:
    level = level_name(one.level)
    return Match(
        rule=one.rule, level=level, start=one.start, end=one.end, redacted=marker(one.kind)
    )


def _analysed(one: Finding) -> Analysed:
    return Analysed(
        category=one.kind,
        trigger=one.rule,
        redacted_value=marker(one.kind),
        level=level_name(one.level),
        confidence=float(one.confidence),
        start=one.start,
        end=one.end,
    )


def _needs_tee(found: Classification) -> bool:
    return level_name(found.level) in ("Sensitive", "HighlySensitive", "Critical")


@router.post(
    "/privacy/classify",
    operation_id="privacy_classify",
    response_model=ClassifiedForm,
    dependencies=SCANS,
)
async def classify(sessions: Acting, given: TextForm) -> ClassifiedForm:
    """How sensitive a text is; what was found is named by kind and place, never shown."""
    found = await asyncio.to_thread(look, sessions, given.text)
    return ClassifiedForm(
        level=level_name(found.level),
        requires_tee=_needs_tee(found),
        matches=[_match(one) for one in found.findings],
        weak=list(found.weak),
    )


@router.post(
    "/privacy/analyze",
    operation_id="privacy_analyze",
    response_model=AnalysedForm,
    dependencies=SCANS,
)
async def analyze(sessions: Acting, given: TextForm) -> AnalysedForm:
    """What a text holds, kind by kind."""
    found = await asyncio.to_thread(look, sessions, given.text)
    return AnalysedForm(
        level=level_name(found.level),
        requires_tee=_needs_tee(found),
        matches=[_analysed(one) for one in found.findings],
    )


@router.post(
    "/privacy/scan", operation_id="privacy_scan", response_model=ScannedForm, dependencies=SCANS
)
async def scan(sessions: Acting, given: TextForm) -> ScannedForm:
    """What patterns find in a text, and what the words around a value tell."""
    found = await asyncio.to_thread(look, sessions, given.text)
    spoken = [one for one in found.findings if one.rule.startswith("spoken")]
    return ScannedForm(
        level=level_name(found.level),
        requires_tee=_needs_tee(found),
        regex_matches=[_match(one) for one in found.findings if one not in spoken],
        semantic_matches=[_analysed(one) for one in spoken],
    )


class Entry(Form):
    """A value that is followed, without the value."""

    session_id: str
    fingerprint: str
    kind: str
    level: Level
    pseudonym: str


@router.get(
    "/taint/entries",
    operation_id="taint_entries",
    response_model=list[Entry],
    dependencies=[require("security:read")],
)
async def taints(
    sessions: Acting, session_id: Annotated[str, Query(min_length=1, max_length=128)]
) -> list[Entry]:
    """What is followed in a session: fingerprint, kind and level, never a value."""
    session = await sessions.get_session(session_id)
    return [
        Entry(
            session_id=session.id,
            fingerprint=one.fingerprint,
            kind=one.kind,
            level=level_name(one.level),
            pseudonym=one.pseudonym,
        )
        for one in await sessions.isolation.registry(session.id)
    ]


class LabelForm(Form):
    """The most restrictive label of all that the session has seen."""

    sensitivity: Level
    trusted: bool
    origins: list[str] = Field(description="Who had a hand in it, the first few.")


@router.get(
    "/sessions/{session_id}/label",
    operation_id="label",
    response_model=LabelForm,
    dependencies=[require("sessions:read")],
)
async def label(session: Shown) -> LabelForm:
    """How the session is labelled."""
    found = await session.label()
    return LabelForm(
        sensitivity=level_name(found.sensitivity),
        trusted=found.integrity.name == "TRUSTED",
        origins=list(found.origins),
    )


class RelabelForm(Form):
    """A lower label for everything so far."""

    why: Name = Field(min_length=1)
    sensitivity: Level | None = None
    trusted: bool = False


@router.post(
    "/sessions/{session_id}/label",
    operation_id="relabel",
    response_model=LabelForm,
    dependencies=[require("policy:write")],
)
async def relabel(session: Commanded, wanted: RelabelForm) -> LabelForm:
    """Lower the session's label; it is on record who and why."""
    await session.relabel(why=wanted.why, sensitivity=wanted.sensitivity, trusted=wanted.trusted)
    return await label(session)


@router.get(
    "/sessions/{session_id}/risk",
    operation_id="risk",
    response_model=RiskReport,
    dependencies=[require("sessions:read")],
)
async def risk(session: Shown) -> RiskReport:
    """How much about a person the session was told."""
    return await session.risk()


class ResetForm(Form):
    """Why risk is begun anew."""

    why: Name = Field(min_length=1)


@router.post(
    "/sessions/{session_id}/risk/reset",
    operation_id="reset_risk",
    response_model=Done,
    dependencies=[require("policy:write")],
)
async def reset_risk(session: Commanded, wanted: ResetForm) -> Done:
    """Begin the session's cumulative risk anew."""
    await session.reset_risk(why=wanted.why)
    return Done(changed=True)


@router.get(
    "/sessions/{session_id}/trifecta",
    operation_id="trifecta",
    response_model=Trifecta,
    dependencies=[require("sessions:read")],
)
async def trifecta(session: Shown) -> Trifecta:
    """The session's tools that together could let text steal data."""
    return await session.trifecta()


class Step(Form):
    """A step of a plan, and how often it may still be taken."""

    tool: str
    arguments: str
    left: int
    times: int


@router.get(
    "/sessions/{session_id}/plan",
    operation_id="plan",
    response_model=list[Step],
    dependencies=[require("sessions:read")],
)
async def plan(session: Shown) -> list[Step]:
    """The plan that is fixed."""
    return [
        Step(tool=one.tool, arguments=one.arguments, left=left, times=one.times)
        for one, left in await session.plan()
    ]


class StepForm(Form):
    """A step to be fixed."""

    tool: Name
    arguments: dict[str, Any] = Field(default_factory=dict)


class PlanForm(Form):
    """A plan to be fixed."""

    steps: list[StepForm] = Field(min_length=1, max_length=64)


@router.put(
    "/sessions/{session_id}/plan",
    operation_id="fix_plan",
    response_model=list[Step],
    dependencies=[require("policy:write")],
)
async def fix_plan(session: Shown, expected: Expected, wanted: PlanForm) -> list[Step]:
    """Fix which consequential calls the next turns are to make."""
    steps = [(one.tool, one.arguments) for one in wanted.steps]
    await session.if_version(expected).fix_plan(steps)
    return await plan(session)


# --- the installation -------------------------------------------------------------------


class Guard(Form):
    """A guard, and whether it held up what it is there for."""

    guard: str
    tries: str
    code: str
    hit: bool


class Overview(Form):
    """Whether the guards of this installation are alive."""

    status: Literal["ok", "failed"]
    guards: list[Guard]
    tee: str
    tee_enabled: bool
    sessions_led: int


@router.get(
    "/security/overview",
    operation_id="security_overview",
    response_model=Overview,
    dependencies=[require("security:read")],
)
async def overview(request: Request, sessions: Acting) -> Overview:
    """Drive a message at every guard and say what each did; once a minute at most."""
    test: SelfTest = request.app.state.self_test
    guards = await test.guards()
    return Overview(
        status="ok" if all(one.hit for one in guards) else "failed",
        guards=guards,
        tee=tee_facts(),
        tee_enabled=sessions.is_tee_enabled(),
        sessions_led=sessions.at_work()[0],
    )


class SelfTest:
    """The self-test of the guards; what it said holds for a minute."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._said: list[Guard] = []
        self._until = 0.0

    async def guards(self) -> list[Guard]:
        """What each guard did."""
        async with self._lock:
            if time.monotonic() >= self._until:
                probed = await check_guards()
                self._said = [
                    Guard(guard=one.guard, tries=one.tries, code=one.code, hit=one.hit)
                    for one in probed
                ]
                self._until = time.monotonic() + SELF_TEST_S
            return self._said
