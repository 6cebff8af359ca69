"""SafeClaw's routes: the seeds' session JSON first, exactly; more keys after (ruling A12)."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from holdfast.bootstrap import SessionManager, tee_facts
from holdfast.core.errors import HoldfastError
from holdfast.core.findings import Threat
from holdfast.core.pseudonyms import hidden_in
from holdfast.runtime.config import SessionInfo, WipeReceipt
from holdfast.runtime.handle import Session
from holdfast.runtime.runrecords import record_of
from holdfast.server.auth import Acting, Commanded, Commanding, Shown, require
from holdfast.server.forms import Done, Form, Level, Name, Prompt, State, level_name
from holdfast.server.routes.audit import Verified, verified
from holdfast.server.talking import converse

router = APIRouter(prefix="/api/v1/gateway/sessions", tags=["gateway"])
WAIT_S = 300.0


class Risk(Form):
    """How much about a person the session was told, and what that comes to."""

    score: float
    types: dict[str, int]
    decision: Literal["Allow", "RequireConfirmation", "Reject"]


class GatewaySession(Form):
    """A session: the seeds' nine keys in their order, then ours."""

    id: str
    user_id: str
    channel_id: str
    state: State
    sensitivity_level: Level
    tee_active: bool
    message_count: int
    created_at: int = Field(description="Epoch seconds.")
    last_activity: int = Field(description="Epoch seconds.")
    chat_id: str
    cumulative_risk: Risk
    security_level: Literal["tee_hardware", "vm_isolation", "process_only"] = Field(
        description="What keeps others out of the server's memory, as it sees it; not attested."
    )
    taint_count: int
    pending_confirmations: list[str]
    metadata: dict[str, Any]


@cache
def security_level() -> str:
    """What keeps others on this machine out of this process, as it sees it."""
    return tee_facts().partition(" ")[0]


async def shape(sessions: SessionManager, session: Session) -> GatewaySession:
    """A session as SafeClaw's JSON."""
    info: SessionInfo = await session.info()
    risk = await session.risk()
    return GatewaySession.model_validate(
        {
            "id": info.id,
            "user_id": info.user_id,
            "channel_id": info.channel_id,
            "state": info.state,
            "sensitivity_level": info.sensitivity_level,
            "tee_active": info.tee_active,
            "message_count": info.message_count,
            "created_at": info.created_at,
            "last_activity": info.last_activity,
            "chat_id": info.chat_id,
            "cumulative_risk": {
                "score": risk.points,
                "types": dict(risk.kinds),
                "decision": risk.decision.title().replace("_", ""),
            },
            "security_level": security_level(),
            "taint_count": len(await sessions.isolation.registry(session.id)),
            "pending_confirmations": [one.id for one in await session.approvals()],
            "metadata": dict(info.metadata),
        }
    )


@router.get(
    "",
    operation_id="gateway_list_sessions",
    response_model=list[GatewaySession],
    dependencies=[require("sessions:read")],
)
async def list_sessions(
    request: Request,
    response: Response,
    sessions: Acting,
    *,
    user_id: Annotated[str | None, Query(max_length=512)] = None,
    state: Annotated[list[State] | None, Query(max_length=8)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str, Query(max_length=512)] = "",
) -> list[GatewaySession]:
    """List sessions, active and processing ones unless states are named.

    What follows is linked in the header `Link`.
    """
    page = await sessions.list_sessions(
        states=state or ("Active", "Processing"), user_id=user_id, limit=limit, cursor=cursor
    )
    if page.cursor:
        following = request.url.include_query_params(cursor=page.cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    found = []
    for row in page.sessions:
        try:
            found.append(await shape(sessions, await sessions.get_session(row.id)))
        except HoldfastError:
            continue  # wiped since the page was read, or damaged: `audit verify` names it
    return found


@router.get(
    "/{session_id}",
    operation_id="gateway_get_session",
    response_model=GatewaySession,
    dependencies=[require("sessions:read")],
)
async def get_session(sessions: Acting, session: Shown) -> GatewaySession:
    """One session, in whatever state."""
    return await shape(sessions, session)


class Chat(Form):
    """A user in a chat of a channel."""

    user_id: Name = Field(min_length=1)
    channel_id: Name
    chat_id: Name


@router.post(
    "",
    operation_id="gateway_open_session",
    response_model=GatewaySession,
    responses={201: {"model": GatewaySession, "description": "It was opened."}},
    dependencies=[require("sessions:create")],
)
async def open_session(sessions: Commanding, response: Response, chat: Chat) -> GatewaySession:
    """The session of a user in a chat; opened if there is none."""
    there = await sessions.get_user_session(chat.user_id, chat.channel_id, chat.chat_id)
    if there is None:
        response.status_code = 201
        there = await sessions.get_or_create_session(chat.user_id, chat.channel_id, chat.chat_id)
    return await shape(sessions, there)


class Words(Form):
    """A message of the user."""

    content: Prompt


class Classified(Form):
    """What detectors made of the message."""

    level: Level
    kinds: list[str]
    threat: Threat


class Routed(Form):
    """What became of a message (seed A10).

    `decision` is ProcessLocal or ProcessInTee once it was answered, RequireConfirmation
    while a person is asked, and Processing if the answer takes longer than the request.
    A message that is refused is a problem with status 403.
    """

    decision: Literal["ProcessLocal", "ProcessInTee", "RequireConfirmation", "Processing"]
    response: str | None = None
    confirmation_id: str | None = None
    sensitivity_level: Level = Field(description="Of the session.")
    classification: Classified
    redactions: int = Field(description="Places of the response where a stand-in is shown.")
    audit_ids: list[str] = Field(description="What of the run the audit routes tell, by `id`.")


@router.post(
    "/{session_id}/messages",
    operation_id="gateway_send_message",
    response_model=Routed,
    dependencies=[require("messages:send")],
)
async def send_message(sessions: Commanding, session: Commanded, words: Words) -> Routed:
    """Send a message through the whole pipeline and wait for its answer."""
    id = sessions.command_id()
    said = await converse(session, words.content, id=id, wait_s=WAIT_S)
    info = await session.info()
    result = said.result
    record = await record_of(session.where, id, None if result is None else result.version)
    decision: Any = "Processing"
    if said.question:
        decision = "RequireConfirmation"
    elif result is not None:
        decision = "ProcessInTee" if record.enclave else "ProcessLocal"
    level: Any = info.sensitivity_level
    return Routed(
        decision=decision,
        response=None if result is None else result.text,
        confirmation_id=f"{session.id}:{said.question}" if said.question else None,
        sensitivity_level=level,
        classification=Classified(
            level=level_name(record.level), kinds=list(record.kinds), threat=record.threat
        ),
        redactions=0 if result is None else hidden_in(result.text),
        audit_ids=list(record.audit_ids),
    )


class Confirmation(Form):
    """A person's answer."""

    approve: bool


@router.post(
    "/{session_id}/confirmations/{confirmation_id}",
    operation_id="gateway_confirm",
    response_model=Done,
    dependencies=[require("approvals:answer")],
)
async def confirm(
    sessions: Commanding, session: Commanded, confirmation_id: str, answer: Confirmation
) -> Done:
    """Answer what a message or a call waits for."""
    asked = {one.id: one for one in await session.approvals()}
    found = asked.get(confirmation_id) or asked.get(f"{session.id}:{confirmation_id}")
    choices = found.choices if found else ()
    yes = next((one for one in choices if one not in ("deny", "edit")), "once")
    decision = yes if answer.approve else "deny"
    if found is not None:
        await sessions.answer_approval(found.id, decision)
    else:  # it is not open: this says what became of it
        await session.answer_approval(confirmation_id, decision)
    return Done(changed=True)


@router.post(
    "/{session_id}/pause",
    operation_id="gateway_pause",
    response_model=GatewaySession,
    dependencies=[require("sessions:write")],
)
async def pause(sessions: Commanding, session: Commanded) -> GatewaySession:
    """Pause."""
    await session.pause()
    return await shape(sessions, session)


@router.post(
    "/{session_id}/resume",
    operation_id="gateway_resume",
    response_model=GatewaySession,
    dependencies=[require("sessions:write")],
)
async def resume(sessions: Commanding, session: Commanded) -> GatewaySession:
    """Resume a paused session; nothing happens to one that is not."""
    await session.resume()
    return await shape(sessions, session)


@router.delete(
    "/{session_id}",
    operation_id="gateway_terminate",
    response_model=WipeReceipt,
    dependencies=[require("sessions:delete")],
)
async def terminate(sessions: Acting, session: Shown) -> WipeReceipt:
    """Wipe a session, and what came from it; returns the attestation."""
    return await sessions.terminate_session(session.id)


@router.get(
    "/{session_id}/audit",
    operation_id="gateway_audit",
    response_model=Verified,
    dependencies=[require("audit:read")],
)
async def audit(sessions: Acting, session: Shown) -> Verified:
    """Prove the session's log: its chain, its contents, what was made of them."""
    return verified(await sessions.audit_verify(session.id))
