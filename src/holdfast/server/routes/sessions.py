"""Sessions: create, list, read, change, end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from holdfast.runtime.config import ContextUsage, SessionInfo, WipeReceipt
from holdfast.runtime.costs import CostSummary
from holdfast.runtime.handle import Session
from holdfast.runtime.listing import SessionPage
from holdfast.server.auth import Acting, Commanded, Commanding, Shown, require
from holdfast.server.conditions import Expected, tagged
from holdfast.server.forms import (
    Body,
    ConfigForm,
    Count,
    Done,
    Form,
    Level,
    ModelForm,
    Name,
    NewId,
    Positive,
    State,
)

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])


class NewSession(Form):
    """A session to be created."""

    id: NewId | None = None
    user_id: Name | None = None
    channel_id: Name = ""
    chat_id: Name = ""
    config: ConfigForm = Field(default_factory=ConfigForm)


@router.post(
    "",
    operation_id="create_session",
    status_code=201,
    response_model=SessionInfo,
    dependencies=[require("sessions:create")],
)
async def create_session(
    request: Request, response: Response, sessions: Commanding, new: NewSession
) -> SessionInfo:
    """Create a session; the same Idempotency-Key again gives the same one."""
    config = new.config.config(sessions, request.app.state.settings.workspace_roots)

    async def make(id: str | None) -> Session:
        return await sessions.create_session(
            id, config, user_id=new.user_id, channel_id=new.channel_id, chat_id=new.chat_id
        )

    return await told(await sessions.born(new.id, make), response)


async def told(session: Session, response: Response) -> SessionInfo:
    """A session's facts, with its version as the entity tag."""
    info = await session.info()
    tagged(response, info.version)
    return info


@router.get(
    "",
    operation_id="list_sessions",
    response_model=SessionPage,
    dependencies=[require("sessions:read")],
)
async def list_sessions(
    sessions: Acting,
    *,
    state: Annotated[list[State] | None, Query(max_length=8)] = None,
    user_id: Annotated[str | None, Query(max_length=512)] = None,
    title: Annotated[str | None, Query(max_length=512)] = None,
    tag: Annotated[list[str] | None, Query(max_length=32)] = None,
    min_sensitivity: Level = "Public",
    cursor: Annotated[str, Query(max_length=512)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SessionPage:
    """List sessions, newest change first, a page at a time."""
    levels: Sequence[str] = ("Public", "Normal", "Sensitive", "HighlySensitive", "Critical")
    return await sessions.list_sessions(
        states=state or (),
        user_id=user_id,
        title=title,
        tags=tag or (),
        min_sensitivity=levels.index(min_sensitivity),
        cursor=cursor,
        limit=limit,
    )


@router.get(
    "/{session_id}",
    operation_id="get_session",
    response_model=SessionInfo,
    dependencies=[require("sessions:read")],
)
async def get_session(session: Shown, response: Response) -> SessionInfo:
    """All facts of a session in one consistent read."""
    return await told(session, response)


class Changes(Form):
    """What is to be changed; what is not named stays."""

    title: Name | None = None
    tags: list[Name] | None = Field(default=None, max_length=64)
    custom: dict[Name, Any] | None = Field(
        default=None, description="Entries of the free metadata; null removes one."
    )
    system_prompt: Body | None = None
    queue_policy: Literal["enqueue", "steer", "interrupt", "reject"] | None = None
    thinking: bool | None = None
    thinking_budget: Count | None = None
    model: ModelForm | None = None
    sensitivity_level: Level | None = Field(
        default=None, description="Raises the session's level; it never sinks by this."
    )


@router.patch(
    "/{session_id}",
    operation_id="change_session",
    response_model=SessionInfo,
    dependencies=[require("sessions:write")],
)
async def change_session(
    sessions: Acting, session: Shown, response: Response, expected: Expected, changes: Changes
) -> SessionInfo:
    """Change a session, all that is named or nothing, if it still is as `If-Match` says."""
    await session.if_version(expected).change(
        title=changes.title,
        tags=changes.tags,
        custom=changes.custom,
        system_prompt=changes.system_prompt,
        queue_policy=changes.queue_policy,
        thinking=changes.thinking,
        thinking_budget=changes.thinking_budget,
        model=changes.model.settings(sessions) if changes.model else None,
        sensitivity_level=changes.sensitivity_level,
    )
    return await told(session, response)


@router.delete(
    "/{session_id}",
    operation_id="terminate_session",
    response_model=WipeReceipt,
    dependencies=[require("sessions:delete")],
)
async def terminate_session(
    sessions: Acting,
    session: Shown,
    expected: Expected,
    keep: Annotated[list[str] | None, Query(max_length=64)] = None,
    hidden: bool = False,
) -> WipeReceipt:
    """Wipe a session, its forks and its children; what is named in `keep` stays.

    With `hidden` it is taken out of all listings.
    """
    end = sessions.destroy_session if hidden else sessions.terminate_session
    return await end(session.id, keep=keep or (), if_version=expected)


class Why(Form):
    """A reason, for the record."""

    reason: Name = ""


CHANGES = [require("sessions:write")]


@router.post(
    "/{session_id}/pause", operation_id="pause_session", response_model=Done, dependencies=CHANGES
)
async def pause(session: Commanded, why: Why | None = None) -> Done:
    """Pause."""
    return Done(changed=await session.pause(why.reason if why else ""))


@router.post(
    "/{session_id}/resume", operation_id="resume_session", response_model=Done, dependencies=CHANGES
)
async def resume(session: Commanded) -> Done:
    """Resume; only a paused one is changed."""
    return Done(changed=await session.resume())


@router.post(
    "/{session_id}/cancel",
    operation_id="cancel_operation",
    response_model=Done,
    dependencies=CHANGES,
)
async def cancel(session: Commanded) -> Done:
    """End the running turn."""
    return Done(changed=await session.cancel())


@router.post(
    "/{session_id}/end",
    operation_id="end_session",
    response_model=SessionInfo,
    dependencies=CHANGES,
)
async def end(session: Commanded, response: Response) -> SessionInfo:
    """Complete a session and keep it."""
    await session.end()
    return await told(session, response)


@router.post(
    "/{session_id}/reopen",
    operation_id="reopen_session",
    response_model=SessionInfo,
    dependencies=CHANGES,
)
async def reopen(session: Commanded, response: Response) -> SessionInfo:
    """Make a completed or failed session active again."""
    await session.reopen()
    return await told(session, response)


@router.post(
    "/{session_id}/clear",
    operation_id="clear_session",
    response_model=SessionInfo,
    dependencies=CHANGES,
)
async def clear(session: Commanded, response: Response) -> SessionInfo:
    """Clear what the model sees; nothing else changes."""
    await session.clear()
    return await told(session, response)


class Back(Form):
    """Where to go back to."""

    to_version: Positive


@router.post(
    "/{session_id}/rewind",
    operation_id="rewind_session",
    response_model=SessionInfo,
    dependencies=CHANGES,
)
async def rewind(session: Commanded, response: Response, back: Back) -> SessionInfo:
    """Show the model only what was there at a version."""
    await session.rewind(back.to_version)
    return await told(session, response)


class Waiting(Form):
    """Why a session does not go on by itself; nothing if it does."""

    reasons: list[str]


READS = [require("sessions:read")]


@router.get(
    "/{session_id}/waiting",
    operation_id="waiting_for",
    response_model=Waiting,
    dependencies=READS,
)
async def waiting(session: Shown) -> Waiting:
    """Why the session does not go on by itself."""
    return Waiting(reasons=await session.waiting_for())


@router.get(
    "/{session_id}/context",
    operation_id="context_usage",
    response_model=ContextUsage,
    dependencies=READS,
)
async def context(session: Shown) -> ContextUsage:
    """How full the context is."""
    return await session.context_usage()


@router.get(
    "/{session_id}/cost",
    operation_id="cost_summary",
    response_model=CostSummary,
    dependencies=READS,
)
async def cost(session: Shown) -> CostSummary:
    """Calls, tokens and cost, by model and by day."""
    return await session.cost_summary()
