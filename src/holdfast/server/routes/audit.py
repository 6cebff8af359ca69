"""What the log has for auditors, and proving that nothing was altered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from holdfast.core.auditing import Alert, AuditEvent, Vector
from holdfast.core.auditpages import EVENTS_MAX
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.errors import ScopeDenied
from holdfast.core.principals import EVERY_WORKSPACE, Principal
from holdfast.runtime.audit import AuditReport
from holdfast.server.auth import Acting, Workspace, bearer_of, principal, require
from holdfast.server.exports import NDJSON, AuditStream
from holdfast.server.forms import Count, Form, Name
from holdfast.server.streams import Held

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class Finding(Form):
    """One thing that is not as it was written; a note is worth knowing, no damage."""

    session: str
    version: int
    kind: str
    severity: Literal["finding", "note"]
    text: str


class Verified(Form):
    """What a verification came to."""

    ok: bool
    sessions: int
    events: int
    wiped: int
    findings: list[Finding]
    limits: str


def verified(report: AuditReport) -> Verified:
    """A report of `audit verify` as JSON."""
    findings = [
        Finding(
            session=one.session,
            version=one.version,
            kind=str(one.kind),
            severity=one.severity,
            text=one.text,
        )
        for one in report.findings
    ]
    return Verified(
        ok=report.ok,
        sessions=report.sessions,
        events=report.events,
        wiped=report.wiped,
        findings=findings,
        limits=report.limits,
    )


@router.get(
    "/verify",
    operation_id="audit_verify",
    response_model=Verified,
    dependencies=[require("audit:read")],
)
async def verify(
    sessions: Acting, session_id: Annotated[str, Query(max_length=128)] = ""
) -> Verified:
    """Prove one session, or, for administrators of all workspaces, every one of every store."""
    if session_id:
        found = await sessions.get_session(session_id)
        return verified(await sessions.audit_verify(found.id))
    who = sessions.acts
    if who is None or who.workspace != EVERY_WORKSPACE:
        raise ScopeDenied("the whole store is an administrator's to verify: name a session")
    return verified(await sessions.audit_verify())


# --- an export that is verified by whoever asks --------------------------------------------

READS = "audit:read"
Nonce = Annotated[
    str, Query(pattern=r"^[0-9a-f]{64}$", description="32 random bytes, drawn for this request.")
]


@router.get(
    "/export",
    operation_id="audit_export",
    status_code=200,
    response_class=AuditStream,
    responses={200: {"description": "The export.", "content": {NDJSON: {}}}},
    dependencies=[require(READS)],
)
async def export(
    request: Request,
    sessions: Acting,
    who: Annotated[Principal, Depends(principal)],
    *,
    nonce: Nonce,
    session_id: Annotated[str, Query(max_length=128)] = "",
    workspace: Workspace = "",
) -> AuditStream:
    """The log of one session, or, for administrators of all workspaces, of every one, as
    outsiders may have it: headers, hashes and sealed bodies, signed as the answer to this."""
    question = AuditQuestion(nonce=bytes.fromhex(nonce), session_id=session_id, workspace=workspace)
    token = bearer_of(request.scope["headers"])
    held = Held(request.app.state.streams, token, who, READS)
    lines = sessions.audit_export(question)
    try:
        return AuditStream(lines, await anext(lines), held)
    except BaseException:
        held.give()
        raise


# --- events and alerts ------------------------------------------------------------------

CURSOR_MAX = 2**53
Level = Literal["info", "warning", "high", "critical"]
SessionQuery = Annotated[
    str | None, Query(min_length=1, max_length=128, description="Only this session's.")
]
SeverityQuery = Annotated[Level, Query(description="At least so severe.")]
VectorQuery = Annotated[list[Vector] | None, Query(max_length=len(Vector))]
KindQuery = Annotated[list[Name] | None, Query(max_length=64)]
SinceQuery = Annotated[
    int, Query(ge=0, le=CURSOR_MAX, description="Not before, milliseconds since 1970.")
]
CursorQuery = Annotated[
    int, Query(ge=0, le=CURSOR_MAX, description="Go on from the cursor of an earlier page.")
]
LimitQuery = Annotated[int, Query(ge=1, le=EVENTS_MAX)]


class ShownEvent(Form):
    """What one event of the log means to an auditor: codes and numbers, no content."""

    id: str = Field(description="The event of the log, as exports name it.")
    cursor: Count
    session_id: str
    event: Count = Field(description="The version of the session.")
    time_ms: int
    severity: Level
    vector: Vector
    kind: str
    reason: str
    count: int


class ShownEvents(Form):
    """A page of audit events; it may have none although the log goes on."""

    events: list[ShownEvent]
    cursor: Count
    more: bool = Field(description="The log goes on behind the cursor.")


class ShownStats(Form):
    """How many audit events there are in a stretch of the log."""

    total: Count
    by_severity: dict[Level, Count]
    by_vector: dict[Vector, Count]
    cursor: Count
    more: bool


class ShownAlert(Form):
    """Somebody should look."""

    kind: Literal["critical_event", "rate_exceeded", "rate_exceeded_everywhere"]
    count: int = Field(description="How many such events there were in the window up to it.")
    event: ShownEvent


class ShownAlerts(Form):
    """The alerts that a stretch of the log makes."""

    alerts: list[ShownAlert]
    cursor: Count
    more: bool
    incidents: list[ShownEvent] = Field(
        description="What no log has, the latest of this process; for administrators of all."
    )


def shown(event: AuditEvent) -> ShownEvent:
    """An audit event as JSON."""
    mark = event.mark
    severity: Any = mark.severity.word
    return ShownEvent(
        id=event.id,
        cursor=event.cursor,
        session_id=event.session,
        event=event.version,
        time_ms=event.time_ms,
        severity=severity,
        vector=mark.vector,
        kind=mark.kind,
        reason=mark.reason,
        count=mark.count,
    )


def alerted(alert: Alert) -> ShownAlert:
    """An alert as JSON."""
    kind: Any = alert.kind
    return ShownAlert(kind=kind, count=alert.count, event=shown(alert.event))


@router.get(
    "/events",
    operation_id="audit_events",
    response_model=ShownEvents,
    dependencies=[require("audit:read")],
)
async def events(
    sessions: Acting,
    *,
    session_id: SessionQuery = None,
    severity: SeverityQuery = "info",
    vector: VectorQuery = None,
    kind: KindQuery = None,
    since_ms: SinceQuery = 0,
    cursor: CursorQuery = 0,
    limit: LimitQuery = 100,
) -> ShownEvents:
    """What guards refused, what was found and what changed, in the order of the log."""
    found = await sessions.audit_events(
        session_id=session_id,
        severity=severity,
        vectors=vector or (),
        kinds=kind or (),
        since_ms=since_ms,
        after=cursor,
        limit=limit,
    )
    return ShownEvents(
        events=[shown(one) for one in found.events], cursor=found.cursor, more=found.more
    )


@router.get(
    "/stats",
    operation_id="audit_stats",
    response_model=ShownStats,
    dependencies=[require("audit:read")],
)
async def stats(
    sessions: Acting,
    *,
    session_id: SessionQuery = None,
    severity: SeverityQuery = "info",
    vector: VectorQuery = None,
    kind: KindQuery = None,
    since_ms: SinceQuery = 0,
    cursor: CursorQuery = 0,
) -> ShownStats:
    """How many of these there are, by severity and by vector, in a stretch of the log."""
    found = await sessions.audit_stats(
        session_id=session_id,
        severity=severity,
        vectors=vector or (),
        kinds=kind or (),
        since_ms=since_ms,
        after=cursor,
    )
    severities: dict[Any, int] = dict(found.by_severity)
    return ShownStats(
        total=found.total,
        by_severity=severities,
        by_vector={Vector(name): count for name, count in found.by_vector.items()},
        cursor=found.cursor,
        more=found.more,
    )


@router.get(
    "/alerts",
    operation_id="audit_alerts",
    response_model=ShownAlerts,
    dependencies=[require("audit:read")],
)
async def alerts(
    sessions: Acting,
    *,
    session_id: SessionQuery = None,
    since_ms: SinceQuery = 0,
    cursor: CursorQuery = 0,
    limit: LimitQuery = 100,
) -> ShownAlerts:
    """The alerts that the log makes: critical events, and too many of a kind in a minute."""
    found = await sessions.audit_alerts(
        session_id=session_id, since_ms=since_ms, after=cursor, limit=limit
    )
    return ShownAlerts(
        alerts=[alerted(one) for one in found.alerts],
        cursor=found.cursor,
        more=found.more,
        incidents=[shown(one) for one in found.incidents],
    )
