"""What a session may do, and how people are asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from holdfast.core.policyform import policy_form
from holdfast.core.settings import ConfirmationPolicy
from holdfast.runtime.asking import Approval
from holdfast.server.auth import Acting, Commanded, Commanding, Shown, require
from holdfast.server.conditions import Expected
from holdfast.server.forms import Count, Done, Form, Name, Positive

router = APIRouter(prefix="/api/v1", tags=["policies"])
READS, WRITES = [require("policy:read")], [require("policy:write")]


class PolicyForm(Form):
    """A permission policy: lists `allow`, `deny`, `ask`, and what holds without a rule."""

    policy: Name | dict[str, Any]


class ShownPolicy(Form):
    """A permission policy."""

    policy: dict[str, Any]


@router.get(
    "/sessions/{session_id}/permissions",
    operation_id="get_permission_policy",
    response_model=ShownPolicy,
    dependencies=READS,
)
async def permissions(session: Shown) -> ShownPolicy:
    """The policy that holds in the session."""
    return ShownPolicy(policy=policy_form(await session.permission_policy()))


@router.put(
    "/sessions/{session_id}/permissions",
    operation_id="set_permission_policy",
    response_model=ShownPolicy,
    dependencies=WRITES,
)
async def set_permissions(session: Shown, expected: Expected, new: PolicyForm) -> ShownPolicy:
    """Replace the session's own policy."""
    await session.if_version(expected).set_permission_policy(new.policy)
    return await permissions(session)


class RuleForm(Form):
    """One rule."""

    effect: Literal["allow", "deny", "ask"]
    rule: Name = Field(min_length=1)
    always: bool = False
    literal: bool = False


@router.post(
    "/sessions/{session_id}/permissions/rules",
    operation_id="add_permission_rule",
    response_model=ShownPolicy,
    dependencies=WRITES,
)
async def add_rule(sessions: Commanding, session: Commanded, rule: RuleForm) -> ShownPolicy:
    """Add a rule to the session's own policy."""
    await sessions.add_permission_rule(
        session.id, rule.effect, rule.rule, always=rule.always, literal=rule.literal
    )
    return await permissions(session)


class CallForm(Form):
    """A tool call that nobody makes."""

    tool: Name
    arguments: dict[str, Any] = Field(default_factory=dict)


class ExplanationForm(Form):
    """What the gate would say of a call, and why."""

    decision: Literal["allow", "deny", "ask"]
    rule: str
    scope: str
    codes: list[str]
    details: list[str]
    grants: list[str]
    role: str
    task_type: str


@router.post(
    "/sessions/{session_id}/permissions/explain",
    operation_id="explain",
    response_model=ExplanationForm,
    dependencies=READS,
)
async def explain(session: Commanded, call: CallForm) -> ExplanationForm:
    """Say what the gate would decide about a call now. Nothing happens."""
    found = await session.explain(call.tool, call.arguments)
    decision: Any = found.decision
    return ExplanationForm(
        decision=decision,
        rule=found.rule.text if found.rule else "",
        scope=found.scope,
        codes=list(found.codes),
        details=list(found.details),
        grants=list(found.grants),
        role=found.role,
        task_type=found.task_type,
    )


class ShownConfirmation(Form):
    """How people are asked."""

    enabled: bool
    attended_s: int
    unattended_s: int | None
    timeout_action: str
    unsafe_auto_approve: list[str]
    quorum: int
    critical: list[str]


def confirmation_shown(policy: ConfirmationPolicy) -> ShownConfirmation:
    """A confirmation policy as JSON."""
    fields = asdict(policy)
    fields["timeout_action"] = policy.timeout_action.value
    fields["unsafe_auto_approve"] = [str(lane.value) for lane in policy.unsafe_auto_approve]
    fields["critical"] = list(policy.critical)
    return ShownConfirmation(**fields)


@router.get(
    "/sessions/{session_id}/confirmation",
    operation_id="get_confirmation_policy",
    response_model=ShownConfirmation,
    dependencies=READS,
)
async def confirmation(session: Shown) -> ShownConfirmation:
    """How people are asked."""
    return confirmation_shown(await session.get_confirmation_policy())


class ConfirmationForm(Form):
    """How people are to be asked; fields that are not named have their default."""

    policy: dict[str, Any]


@router.put(
    "/sessions/{session_id}/confirmation",
    operation_id="set_confirmation_policy",
    response_model=ShownConfirmation,
    dependencies=WRITES,
)
async def set_confirmation(
    session: Shown, expected: Expected, new: ConfirmationForm
) -> ShownConfirmation:
    """Say how people are asked from now on."""
    held = session.if_version(expected)
    return confirmation_shown(await held.set_confirmation_policy(new.policy))


# --- approvals ------------------------------------------------------------------------


@router.get(
    "/approvals",
    operation_id="list_approvals",
    response_model=list[Approval],
    dependencies=[require("approvals:read")],
)
async def list_approvals(
    sessions: Acting,
    state: Literal["open", "due"] = "open",
    session_id: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Approval]:
    """What waits for a person, in one session or in all."""
    return await sessions.list_approvals(state, session_id=session_id, limit=limit)


class AnswerForm(Form):
    """A person's answer to a question."""

    decision: Name = Field(description="One of the approval's choices, or `approve`.")
    note: Name = ""
    pattern: Name = ""
    arguments: dict[str, Any] | None = None
    expires_in_s: Positive | None = None
    max_uses: Positive | None = None
    amount: Count = 0


@router.post(
    "/sessions/{session_id}/approvals/{approval_id}",
    operation_id="answer_approval",
    response_model=Done,
    dependencies=[require("approvals:answer")],
)
async def answer(session: Commanded, approval_id: str, given: AnswerForm) -> Done:
    """Answer a question; the first answer counts."""
    await session.answer_approval(
        approval_id,
        given.decision,
        note=given.note,
        pattern=given.pattern,
        arguments=given.arguments,
        expires_in_s=given.expires_in_s,
        max_uses=given.max_uses,
        amount=given.amount,
    )
    return Done(changed=True)
