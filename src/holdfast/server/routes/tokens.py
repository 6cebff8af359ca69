"""Tokens: made, refreshed and revoked by those whose own permits it (seed C)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from holdfast.core.tokens import IssuedToken, TokenInfo, TokenPage
from holdfast.server.auth import Acting, Commanding, bearer_of, require
from holdfast.server.forms import Count, Done, Form, Name

router = APIRouter(prefix="/api/v1/tokens", tags=["tokens"])


class NewToken(Form):
    """A token to be made; it gives no more than the one that asks has."""

    agent_id: Name = Field(
        min_length=1,
        description='A name, "user:<name>" for a person, or one below a name, "<name>/<part>".',
    )
    role: Name = "agent"
    scopes: list[Name] | None = Field(default=None, max_length=64)
    task_type: Name | None = None
    expires_in: float | None = Field(default=None, gt=0, le=31_536_000, description="Seconds.")
    session: Name | None = Field(
        default=None, description='Opened or joined; "" is all of the workspace\'s.'
    )
    metadata: dict[str, Any] | None = None


class Issued(Form):
    """A token that was just made. Its text is told here, and to whoever repeats the request."""

    id: str
    session_id: str
    agent_id: str
    workspace_id: str
    role: str
    scopes: list[str]
    task_type: str
    guard_token: str
    created_at: datetime
    expires_at: datetime
    metadata: dict[str, Any]
    generation: int


def _issued(one: IssuedToken) -> Issued:
    return Issued(
        id=one.id,
        session_id=one.session_id,
        agent_id=one.agent_id,
        workspace_id=one.workspace_id,
        role=one.role,
        scopes=sorted(one.scopes),
        task_type=one.task_type,
        guard_token=one.guard_token,
        created_at=one.created_at,
        expires_at=one.expires_at,
        metadata=dict(one.metadata),
        generation=one.generation,
    )


@router.post(
    "",
    operation_id="create_token",
    status_code=201,
    response_model=Issued,
    dependencies=[require("tokens:create")],
)
async def create(sessions: Commanding, wanted: NewToken) -> Issued:
    """Make a token, and the session it is for if there is none with that id."""
    made = await sessions.tokens.create(
        wanted.agent_id,
        wanted.role,
        wanted.scopes,
        wanted.task_type,
        wanted.expires_in,
        session=wanted.session,
        workspace=sessions.tenant,
        metadata=wanted.metadata,
        by=sessions.acts,
    )
    return _issued(made)


@router.get(
    "",
    operation_id="list_tokens",
    response_model=TokenPage,
    dependencies=[require("tokens:read")],
)
async def list_tokens(
    sessions: Acting,
    agent_id: Annotated[str | None, Query(min_length=1, max_length=512)] = None,
    session: Annotated[str | None, Query(max_length=128)] = None,
    cursor: Annotated[str, Query(max_length=512)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> TokenPage:
    """The live tokens of the workspace, a page at a time; never their text."""
    sessions.unbound("list the tokens of its workspace")
    return await sessions.tokens.list(
        agent_id=agent_id, session=session, cursor=cursor, limit=limit
    )


@router.post(
    "/refresh",
    operation_id="refresh_token",
    response_model=Issued,
    dependencies=[require("sessions:read")],
)
async def refresh(request: Request, sessions: Acting) -> Issued:
    """Have one's own token replaced; the old one ends at once."""
    return _issued(await sessions.tokens.refresh(bearer_of(request.scope["headers"])))


@router.get(
    "/{token_id}",
    operation_id="get_token",
    response_model=TokenInfo,
    dependencies=[require("tokens:read")],
)
async def get_token(sessions: Acting, token_id: str) -> TokenInfo:
    """All of a token but its text."""
    return await sessions.tokens.info(token_id, by=sessions.acts)


@router.delete(
    "/{token_id}",
    operation_id="revoke_token",
    response_model=Done,
    dependencies=[require("tokens:revoke")],
)
async def revoke(sessions: Acting, token_id: str) -> Done:
    """Revoke a token and those made with it, or all of a session."""
    await sessions.tokens.revoke(token_id, by=sessions.acts)
    return Done(changed=True)


class Revoked(Form):
    """How many tokens were revoked."""

    revoked: Count


@router.delete(
    "",
    operation_id="revoke_all_for_agent",
    response_model=Revoked,
    dependencies=[require("tokens:revoke")],
)
async def revoke_all(
    sessions: Acting, agent_id: Annotated[str, Query(min_length=1, max_length=512)]
) -> Revoked:
    """Revoke every token of an agent, those that are being made too."""
    found = await sessions.tokens.revoke_all_for_agent(agent_id, by=sessions.acts)
    return Revoked(revoked=found)
