"""Proving that nothing was altered."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from holdfast.core.errors import ScopeDenied
from holdfast.core.principals import EVERY_WORKSPACE
from holdfast.runtime.audit import AuditReport
from holdfast.server.auth import Acting, require
from holdfast.server.forms import Form

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
