"""What is granted to a session, and what it may spend."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from holdfast.runtime.allowances import Allowance
from holdfast.runtime.budgets import AccountInfo
from holdfast.server.auth import Acting, Commanded, Shown, require
from holdfast.server.conditions import Expected
from holdfast.server.forms import BudgetForm, Done, Form, Name, Positive

router = APIRouter(prefix="/api/v1", tags=["grants"])


@router.get(
    "/sessions/{session_id}/allowances",
    operation_id="allowances",
    response_model=list[Allowance],
    dependencies=[require("allowances:read")],
)
async def allowances(session: Shown) -> list[Allowance]:
    """All that is granted to the session, the most specific first."""
    return await session.allowances()


class GrantForm(Form):
    """What is allowed in advance."""

    rule: Name = Field(min_length=1)
    scope: Literal["session", "workspace", "always"] = "session"
    literal: bool = False
    permissions: list[Name] = Field(default=[], max_length=16)
    expires_in_s: Positive | None = None
    max_uses: Positive | None = None


@router.post(
    "/sessions/{session_id}/allowances",
    operation_id="grant_allowance",
    response_model=Allowance,
    dependencies=[require("allowances:write")],
)
async def grant(session: Commanded, wanted: GrantForm) -> Allowance:
    """Allow in advance what would be asked about."""
    return await session.grant_allowance(
        wanted.rule,
        wanted.scope,
        literal=wanted.literal,
        permissions=wanted.permissions,
        expires_in_s=wanted.expires_in_s,
        max_uses=wanted.max_uses,
    )


@router.delete(
    "/sessions/{session_id}/allowances/{allowance_id}",
    operation_id="revoke_allowance",
    response_model=Done,
    dependencies=[require("allowances:write")],
)
async def revoke(
    session: Shown, allowance_id: str, why: Annotated[str, Query(max_length=512)] = ""
) -> Done:
    """Take back what was granted."""
    await session.revoke_allowance(allowance_id, why)
    return Done(changed=True)


@router.get(
    "/sessions/{session_id}/budget",
    operation_id="budget",
    response_model=list[AccountInfo],
    dependencies=[require("budgets:read")],
)
async def budget(session: Shown) -> list[AccountInfo]:
    """Every account with a limit that the session draws on."""
    return await session.budget()


class NewLimits(Form):
    """Limits that change; those that are not named stay."""

    limits: BudgetForm = Field(default_factory=BudgetForm)
    drop: list[Name] = Field(default=[], max_length=32)


@router.put(
    "/sessions/{session_id}/budget",
    operation_id="set_budget",
    response_model=list[AccountInfo],
    dependencies=[require("budgets:write")],
)
async def set_budget(session: Shown, expected: Expected, new: NewLimits) -> list[AccountInfo]:
    """Change the limits of the session; what is spent stays spent."""
    await session.if_version(expected).set_budget(new.limits.budget(), drop=new.drop)
    return await session.budget()


@router.get(
    "/budgets/{holder}",
    operation_id="shared_budget",
    response_model=list[AccountInfo],
    dependencies=[require("budgets:read")],
)
async def shared_budget(
    sessions: Acting,
    holder: Literal["user", "tenant"],
    who: Annotated[str, Query(max_length=512)] = "",
) -> list[AccountInfo]:
    """The accounts of a user, or of the whole workspace."""
    sessions.unbound("look at what others share")
    return await sessions.budget(holder, who)


@router.put(
    "/budgets/{holder}",
    operation_id="set_shared_budget",
    response_model=list[AccountInfo],
    dependencies=[require("budgets:write")],
)
async def set_shared_budget(
    sessions: Acting,
    holder: Literal["user", "tenant"],
    new: NewLimits,
    who: Annotated[str, Query(max_length=512)] = "",
) -> list[AccountInfo]:
    """Change the limits of a user, or of the whole workspace."""
    sessions.unbound("change what others share")
    await sessions.set_budget(holder, who, new.limits.budget(), drop=new.drop)
    return await sessions.budget(holder, who)
