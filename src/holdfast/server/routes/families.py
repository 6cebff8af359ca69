"""Forks and children, exports and imports."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from holdfast.runtime.config import SessionInfo
from holdfast.runtime.handle import Session
from holdfast.runtime.takeover import ImportedSession
from holdfast.server.auth import Acting, Commanded, Commanding, Shown, require
from holdfast.server.forms import ConfigForm, Form, Name, NewId, Positive
from holdfast.server.routes.sessions import told

router = APIRouter(prefix="/api/v1/sessions", tags=["families"])
FORMATS = Literal["jsonl", "session_data", "serializable_session"]


class Fork(Form):
    """How a fork is to be."""

    new_id: NewId | None = None
    name: Name | None = None
    at_version: Positive | None = None


@router.post(
    "/{session_id}/fork",
    operation_id="fork_session",
    status_code=201,
    response_model=SessionInfo,
    dependencies=[require("sessions:create")],
)
async def fork(
    sessions: Commanding, session: Commanded, response: Response, wanted: Fork
) -> SessionInfo:
    """Open a new session with this one's visible conversation."""

    async def make(id: str | None) -> Session:
        return await sessions.fork_session(
            session.id, id, name=wanted.name, at_version=wanted.at_version
        )

    return await told(await sessions.born(wanted.new_id, make), response)


class Family(Form):
    """The session above one, and those below it."""

    parent: str | None
    children: list[str]


@router.get(
    "/{session_id}/children",
    operation_id="get_child_sessions",
    response_model=Family,
    dependencies=[require("sessions:read")],
)
async def children(sessions: Acting, session: Shown) -> Family:
    """Whose child the session is, and which children it has."""
    return Family(
        parent=await sessions.parent_session_id(session.id),
        children=await sessions.get_child_sessions(session.id),
    )


class NewChild(Form):
    """A child to be opened; it can do no more than its parent."""

    id: NewId | None = None
    config: ConfigForm | None = None


@router.post(
    "/{session_id}/children",
    operation_id="create_child_session",
    status_code=201,
    response_model=SessionInfo,
    dependencies=[require("sessions:create")],
)
async def create_child(
    request: Request, sessions: Commanding, session: Commanded, response: Response, new: NewChild
) -> SessionInfo:
    """Open a session below this one."""
    roots = request.app.state.settings.workspace_roots
    config = new.config.config(sessions, roots) if new.config else None

    async def make(id: str | None) -> Session:
        return await sessions.create_child_session(session.id, id, config)

    return await told(await sessions.born(new.id, make), response)


@router.get(
    "/{session_id}/export",
    operation_id="export_session",
    dependencies=[require("sessions:export")],
    responses={200: {"description": "The session.", "content": {"application/x-ndjson": {}}}},
    response_class=Response,
)
async def export(
    sessions: Acting,
    session: Shown,
    format: Annotated[FORMATS, Query(description="jsonl keeps everything.")] = "jsonl",
) -> Response:
    """The session as text; whoever has it can read it."""
    text = await sessions.export_text(session.id, format)
    return Response(text, media_type="application/x-ndjson")


@router.post(
    "/import",
    operation_id="import_file",
    status_code=201,
    response_model=ImportedSession,
    dependencies=[require("sessions:import")],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def import_file(
    request: Request,
    sessions: Commanding,
    new_id: Annotated[str | None, Query(max_length=128)] = None,
) -> ImportedSession:
    """Take in an export of ours, or a session file of the seeds, as a new session."""
    data = await request.body()
    with tempfile.TemporaryDirectory(prefix="holdfast-import-") as place:  # only ours to enter
        path = Path(place) / "session.jsonl"
        await asyncio.to_thread(path.write_bytes, data)
        return await sessions.import_file(path, new_id)
