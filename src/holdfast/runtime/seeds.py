"""Sessions to and from the seeds' file forms (seeds D15 and E9).

In: a `Plan`; what has no place in a session of ours, or must not act, is kept
as inert JSON under the form's own names. Out: the view, the visible history and
the cost records; what was kept inert comes back. A session that nothing has
happened to since its import is written as it was read.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.core.errors import ImportRefused
from holdfast.core.events import CostRecord, Details, EffectEnded, Imported, Totals
from holdfast.core.gitstate import GitState
from holdfast.core.messages import Message, Role, ToolResult
from holdfast.core.quantities import MICROS_PER_USD, Usage
from holdfast.core.settings import EXTRA_CHARS_MAX, Settings, StorageType
from holdfast.core.view import SessionView
from holdfast.runtime.journal import Journal
from holdfast.runtime.manager import Core
from holdfast.runtime.offer import offered
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seedjson import Fields, Json, JsonObject, as_count, as_number, as_text, write
from holdfast.runtime.seedserial import SerializableSession, SessionMetadata
from holdfast.runtime.takeover import Plan, Run

SEED_KEYS = (
    "config", "context_usage", "total_usage", "total_cost", "model_name", "cost_records",
    "tool_names", "updated_at", "llm_config", "tasks", "parent_id", "allowances",
    "budget_snapshot", "escape_state", "workspace_path", "model", "git_state", "created_at",
)  # fmt: skip
"""Inert names that an export and another import carry along."""

_CONFIG_KEYS = frozenset({
    "name", "workspace", "system_prompt", "max_context_length", "auto_compact",
    "auto_compact_threshold", "storage_type", "queue_config", "confirmation_policy",
    "permission_policy", "security_config", "parent_id", "planning_enabled", "goal_tracking",
})  # fmt: skip
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_USER_ID = re.compile(r"[0-9a-fA-F]{16}")


# --- in -------------------------------------------------------------------------


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
        inert={name: value for name, value in inert.items() if value not in (None, [], {})},
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
        thinking_tokens=data.thinking_budget or None,
        extra=extra if len(extra) <= EXTRA_CHARS_MAX else "{}",
    )


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
        inert={name: value for name, value in inert.items() if value not in (None, [], {})},
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


# --- out ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A session as it is written out."""

    id: str
    view: SessionView
    messages: tuple[Message, ...]
    prompt: str
    records: tuple[CostRecord, ...]
    inert: JsonObject
    tools: tuple[str, ...]

    @property
    def untouched(self) -> bool:
        """Nothing has happened since it was imported."""
        return self.inert.get("until") == self.view.version

    def kept(self, name: str, fresh: Json) -> Json:
        """The imported value while it still holds, else the fresh one."""
        return self.inert.get(name, fresh) if self.untouched else fresh


async def _read(core: Core, session_id: str) -> _Found:
    where = await core.locate(session_id)
    loaded = await where.backend.load(where.row)
    view = loaded.view
    inert: JsonObject = {}
    if view.inert_at:
        event = (await loaded.journal.event_at(view.inert_at)).event
        if isinstance(event, Imported):
            inert = json.loads(event.inert)
    return _Found(
        id=where.row.name or view.session_id,
        view=view,
        messages=tuple(entry.message for entry in loaded.bodies.visible()),
        prompt=loaded.bodies.prompt,
        records=tuple(await cost_records(loaded.journal)),
        inert=inert,
        tools=tuple(spec.name for spec in offered(view, core.registry.specs())),
    )


async def cost_records(journal: Journal) -> list[CostRecord]:
    """One record per model call of a session, imported ones first."""
    records: list[CostRecord] = []
    async for recorded in journal.replay():
        match recorded.event:
            case Imported(records=imported):
                records.extend(imported)
            case EffectEnded(usage=usage, model=model, provider=provider) if usage:
                records.append(
                    CostRecord(
                        model=model, provider=provider, usage=usage, time_ms=recorded.time_ms
                    )
                )
    return records


async def to_session_data(core: Core, session_id: str) -> SessionData:
    """Return a session as seed D15's record of seventeen keys; never a key.

    Raises:
        SessionNotFound, KeyDestroyed, ChainBroken, Unreadable.
    """
    found = await _read(core, session_id)
    view, inert, settings = found.view, found.inert, found.view.settings
    parent = settings.parent_id or inert.get("parent_id")
    total = found.kept("total_usage", _usage_json(view.usage))
    cost = found.kept("total_cost", view.usage.cost_micros / MICROS_PER_USD)
    updated = found.kept("updated_at", view.updated_ms // 1000)
    budget = settings.thinking_tokens or found.kept("thinking_budget", None)
    model = settings.model.model if settings.model else inert.get("model_name")
    return SessionData(
        id=found.id,
        config=_config(found),
        state=view.state,
        messages=found.messages,
        context_usage=_as_object(found.kept("context_usage", _context(view))),
        total_usage=_as_object(total),
        total_cost=cost if isinstance(cost, (int, float)) else 0.0,
        model_name=model if isinstance(model, str) else None,
        cost_records=_records(found),
        tool_names=_names(found),
        thinking_enabled=settings.thinking,
        thinking_budget=budget if isinstance(budget, int) else None,
        created_at=view.created_ms // 1000,
        updated_at=updated if isinstance(updated, int) else view.updated_ms // 1000,
        llm_config=_llm(found),
        tasks=_objects(inert.get("tasks")),
        parent_id=parent if isinstance(parent, str) else None,
    )


def _config(found: _Found) -> JsonObject:
    settings, inert = found.view.settings, _as_object(found.inert.get("config"))
    extra: JsonObject = json.loads(settings.extra)
    fresh: JsonObject = {
        "name": settings.name or found.view.details.title,
        "workspace": settings.workspace or inert.get("workspace", ""),
        "system_prompt": found.prompt or (inert.get("system_prompt") if found.untouched else None),
        "max_context_length": settings.max_context_length,
        "auto_compact": settings.auto_compact or inert.get("auto_compact", False),
        "auto_compact_threshold": settings.auto_compact_threshold,
        "storage_type": (found.kept("config", {}) and inert.get("storage_type"))
        or settings.storage_type.value,
        "planning_enabled": inert.get("planning_enabled", False),
        "goal_tracking": inert.get("goal_tracking", False),
    }
    return {**inert, **fresh, **extra}


def _context(view: SessionView) -> JsonObject:
    limit, used = view.settings.context_tokens, view.context_tokens
    return {
        "used_tokens": used,
        "max_tokens": limit,
        "percent": min(1.0, used / limit),
        "turns": view.round_count,
    }


def _usage_json(usage: Usage) -> JsonObject:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def _records(found: _Found) -> tuple[JsonObject, ...]:
    """What was imported as it was, then one record a call since."""
    kept = _objects(found.inert.get("cost_records"))
    own = found.records[len(kept) :]
    return (*kept, *(_record_json(record, found.id) for record in own))


def _record_json(record: CostRecord, session_id: str) -> JsonObject:
    usage = record.usage
    stamp = datetime.fromtimestamp(record.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "model": record.model,
        "provider": record.provider,
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost_usd": usage.cost_micros / MICROS_PER_USD,
        "timestamp": stamp.replace("+00:00", "Z"),
        "session_id": session_id,
    }


def _names(found: _Found) -> tuple[str, ...]:
    names = found.kept("tool_names", [*found.tools])
    return tuple(str(name) for name in names) if isinstance(names, list) else found.tools


def _llm(found: _Found) -> JsonObject | None:
    model = found.view.settings.model
    if model is None:
        return _as_object(found.inert.get("llm_config")) or None
    config: JsonObject = {"provider": model.provider, "model": model.model}
    return config if model.base_url is None else {**config, "base_url": model.base_url}


def _as_object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Json) -> tuple[JsonObject, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, dict))


async def to_serializable(core: Core, session_id: str) -> SerializableSession:
    """Return a session as seed E9 writes it.

    The form knows sessions by UUID and users by eight bytes: another id becomes
    the UUID of its name, another user the beginning of its name's SHA-256.

    Raises:
        SessionNotFound, KeyDestroyed, ChainBroken, Unreadable.
    """
    found = await _read(core, session_id)
    view, inert = found.view, found.inert
    created = datetime.fromtimestamp(view.created_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    model = view.settings.model.model if view.settings.model else inert.get("model")
    path = view.settings.workspace or inert.get("workspace_path")
    return SerializableSession(
        id=_uuid(found.id),
        user_id=_user(view.user_id),
        messages=found.messages,
        system_prompt=found.prompt,
        created_at=str(inert.get("created_at") or created),
        token_count=view.context_tokens,
        metadata=SessionMetadata(
            title=view.details.title or view.settings.name or None,
            tags=view.details.tags,
            turn_count=view.turn_count,
            tool_call_count=view.tool_call_count,
            approval_count=view.approval_count,
            custom=json.loads(view.details.custom),
        ),
        allowances=_objects(inert.get("allowances")),
        budget_snapshot=_as_object(inert.get("budget_snapshot")) or None,
        escape_state=_as_object(inert.get("escape_state")) or None,
        workspace_path=path if isinstance(path, str) else None,
        model=model if isinstance(model, str) else None,
        git_state=view.git or _git(inert.get("git_state")),
    )


def _uuid(id: str) -> str:
    bare = id.removeprefix("sess-")
    return bare if _UUID.fullmatch(bare) else str(uuid.uuid5(uuid.NAMESPACE_OID, f"holdfast:{id}"))


def _user(name: str) -> str:
    return name if _USER_ID.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:16]


def _git(value: Json) -> GitState | None:
    if not isinstance(value, dict):
        return None
    fields = Fields(value, "git_state")
    return GitState(
        branch=fields.maybe("branch", as_text), commit=fields.maybe("commit", as_text)
    )
