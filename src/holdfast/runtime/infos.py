"""A session's facts from its fold."""

from __future__ import annotations

import json

from holdfast.core.labels import Sensitivity
from holdfast.core.policies import compiled
from holdfast.core.view import SessionView
from holdfast.runtime.config import SessionInfo


def sensitivity_name(value: int) -> str:
    """A sensitivity as the seeds' JSON writes it, e.g. "HighlySensitive"."""
    return Sensitivity(value).name.title().replace("_", "")


def _policy_problem(view: SessionView) -> str:
    """Why the session denies everything: a stored policy that does not parse."""
    policy = view.settings.permission
    problem = compiled(policy).problem if policy is not None else None
    return f"{problem[0]}: {problem[1]}" if problem else ""


def info_of(view: SessionView, damaged: str = "") -> SessionInfo:
    """A session's facts from its fold; `damaged` says why it ends early."""
    model = view.settings.model
    metadata: dict[str, object] = json.loads(view.details.custom)
    return SessionInfo(
        id=view.session_id,
        user_id=view.user_id,
        channel_id=view.channel_id,
        chat_id=view.chat_id,
        state=view.state.title,
        sensitivity_level=sensitivity_name(view.label.sensitivity),
        created_at=view.created_ms // 1000,
        last_activity=view.last_activity_ms // 1000,
        message_count=view.message_count,
        metadata=metadata,
        tee_active=view.tee_active,
        title=view.details.title or view.settings.name,
        tags=view.details.tags,
        updated_at=view.updated_ms // 1000,
        turn_count=view.turn_count,
        tool_call_count=view.tool_call_count,
        approval_count=view.approval_count,
        version=view.version,
        workspace=view.settings.workspace,
        model=model.model if model else "",
        state_reason=view.state_reason,
        waiting_questions=len(view.questions),
        token_count=view.window.tokens,
        git=view.git,
        damaged=damaged or _policy_problem(view),
    )
