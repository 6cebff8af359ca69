"""The seeds' file forms (seeds D15 and E9) as plans of sessions.

What has no place in a session of ours, or must not act, is kept as inert JSON
under the form's own names; `seeds` writes it out again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from holdfast.core.errors import ImportRefused, InvalidInput
from holdfast.core.events import CostRecord, Details, Totals
from holdfast.core.messages import Message, Role, ToolResult
from holdfast.core.policyform import policy_of
from holdfast.core.quantities import MICROS_PER_USD, Usage
from holdfast.core.rules import Policy
from holdfast.core.settings import EXTRA_CHARS_MAX, Settings, StorageType
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seedjson import (
    Fields,
    Json,
    JsonObject,
    as_count,
    as_number,
    as_text,
    refuse,
    write,
)
from holdfast.runtime.seedserial import SerializableSession
from holdfast.runtime.takeover import Plan, Run

SEED_KEYS = (
    "config", "context_usage", "total_usage", "total_cost", "model_name", "cost_records",
    "thinking_budget", "tool_names", "updated_at", "llm_config", "tasks", "parent_id", "allowances",
    "budget_snapshot", "escape_state", "workspace_path", "model", "git_state", "created_at",
    "allow_rules",
)  # fmt: skip
"""Inert names that an export and another import carry along."""

_CONFIG_KEYS = frozenset({
    "name", "workspace", "system_prompt", "max_context_length", "auto_compact",
    "auto_compact_threshold", "storage_type", "queue_config", "confirmation_policy",
    "permission_policy", "security_config", "parent_id", "planning_enabled", "goal_tracking",
})  # fmt: skip


def plan_of_data(data: SessionData, notes: Iterable[str] = ()) -> Plan:
    """Plan a session from seed D15's record.

    Raises:
        ImportRefused: no session may be made from it; the field is named.
    """
    data = data.importable()
    inert: JsonObject = {
        "config": data.config,
        "context_usage": data.context_usage,
        "total_usage": data.total_usage,
        "total_cost": data.total_cost,
        "model_name": data.model_name,
        "cost_records": [*data.cost_records],
        "tool_names": [*data.tool_names],
        "thinking_budget": data.thinking_budget,
        "updated_at": data.updated_at,
        "llm_config": data.llm_config,
        "tasks": [*data.tasks],
        "parent_id": data.parent_id,
    }
    usage = Fields(data.total_usage, "total_usage")
    return Plan(
        session_id=data.id,
        source="session_data",
        runs=_runs(data.messages),
        totals=Totals(
            messages=_count_users(data.messages),
            rounds=Fields(data.context_usage, "context_usage").count("turns"),
            tool_calls=_count_results(data.messages),
            usage=_usage(usage, data.total_cost, "total_cost"),
            last_prompt_tokens=Fields(data.context_usage).count("used_tokens"),
        ),
        records=tuple(_record(record, i) for i, record in enumerate(data.cost_records)),
        created_ms=data.created_at * 1000,
        activity_ms=data.updated_at * 1000,
        settings=_settings(data),
        workspace=str(data.config.get("workspace") or ""),
        prompt=str(data.config.get("system_prompt") or ""),
        state=data.state,
        inert={name: value for name, value in inert.items() if value is not None},
        notes=(*notes, *_model_note(data.model_name or (data.llm_config or {}).get("model"))),
    )


def _settings(data: SessionData) -> Settings:
    config = Fields(data.config, "config")
    unknown = {name: value for name, value in data.config.items() if name not in _CONFIG_KEYS}
    extra = write(unknown)
    return Settings(
        name=config.text("name"),
        max_context_length=config.count("max_context_length"),
        auto_compact_threshold=config.number("auto_compact_threshold"),
        storage_type=StorageType(config.text("storage_type")),
        thinking=data.thinking_enabled,
        permission=_permission(data.config.get("permission_policy")),
        thinking_tokens=data.thinking_budget or None,
        extra=extra if len(extra) <= EXTRA_CHARS_MAX else "{}",
    )


def _permission(value: Json) -> Policy | None:
    try:
        return policy_of(value)
    except InvalidInput as error:
        raise refuse("config.permission_policy", error.message) from None


def plan_of_serializable(data: SerializableSession, notes: Iterable[str] = ()) -> Plan:
    """Plan a session from seed E9's form; grants, budget and escapes stay inert.

    Raises:
        ImportRefused: its time is out of range.
    """
    inert: JsonObject = {
        "created_at": data.created_at,
        "allowances": [*data.allowances],
        "budget_snapshot": data.budget_snapshot,
        "escape_state": data.escape_state,
        "workspace_path": data.workspace_path,
        "model": data.model,
    }
    try:
        created_ms = int(data.created.timestamp() * 1000)
    except (OverflowError, ValueError):
        raise ImportRefused("created_at: out of range") from None
    meta = data.metadata
    return Plan(
        session_id=data.id,
        source="serializable_session",
        user_id=data.user_id,
        runs=_runs(data.messages),
        totals=Totals(
            messages=_count_users(data.messages),
            turns=meta.turn_count,
            tool_calls=meta.tool_call_count,
            approvals=meta.approval_count,
            last_prompt_tokens=data.token_count,
        ),
        created_ms=created_ms,
        activity_ms=created_ms,
        workspace=data.workspace_path or "",
        prompt=data.system_prompt,
        details=Details(title=meta.title or "", tags=meta.tags, custom=write(meta.custom)),
        git=data.git_state,
        inert={name: value for name, value in inert.items() if value is not None},
        notes=(*notes, *_model_note(data.model), *_grant_note(data)),
    )


def _model_note(model: Json) -> tuple[str, ...]:
    if not model:
        return ()
    return (f"its model {model!r} is kept but not used; the default model answers until you say",)


def _grant_note(data: SerializableSession) -> tuple[str, ...]:
    if data.allowances or data.escape_state or data.budget_snapshot:
        return ("its allowances, escape paths and budget are kept and grant nothing",)
    return ()


def _runs(messages: tuple[Message, ...]) -> tuple[Run, ...]:
    return (Run(messages),) if messages else ()


def _count_users(messages: Iterable[Message]) -> int:
    return sum(message.role is Role.USER for message in messages)


def _count_results(messages: Iterable[Message]) -> int:
    return sum(isinstance(part, ToolResult) for message in messages for part in message.parts)


def _usage(fields: Fields, cost: float | None, where: str) -> Usage:
    dollars = cost or 0.0
    if not 0 <= dollars <= 1e9:
        raise ImportRefused(f"{where}: not an amount of dollars")
    return Usage(
        input_tokens=fields.maybe("prompt_tokens", as_count) or 0,
        output_tokens=fields.maybe("completion_tokens", as_count) or 0,
        cache_read_tokens=fields.maybe("cache_read_tokens", as_count) or 0,
        cache_write_tokens=fields.maybe("cache_write_tokens", as_count) or 0,
        cost_micros=round(dollars * MICROS_PER_USD),
        estimated=cost is None,
    )


def _record(record: JsonObject, index: int) -> CostRecord:
    fields = Fields(record, f"cost_records[{index}]")
    stamp = fields.maybe("timestamp", as_text)
    try:
        moment = datetime.fromisoformat(stamp.upper()) if stamp else None
        time_ms = int(moment.timestamp() * 1000) if moment and moment.tzinfo else 0
    except (ValueError, OverflowError):
        raise ImportRefused(f"{fields.at('timestamp')}: not a time") from None
    cost = fields.maybe("cost_usd", as_number)
    return CostRecord(
        model=fields.text("model", ""),
        provider=fields.text("provider", ""),
        usage=_usage(fields, cost, fields.at("cost_usd")),
        time_ms=time_ms,
    )
