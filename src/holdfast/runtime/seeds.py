"""Sessions written in the seeds' file forms (seeds D15 and E9).

What is written comes from the view, the visible history and the cost records;
what an import had kept inert comes back. A session that nothing has happened to
since its import is written as it was read. Models are named, keys never.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from holdfast.core.events import CostRecord, EffectEnded, Imported
from holdfast.core.gitstate import GitState
from holdfast.core.grants import Grant, GrantKind
from holdfast.core.messages import Message
from holdfast.core.policyform import policy_form, rule_of
from holdfast.core.quantities import MICROS_PER_USD, Usage
from holdfast.core.rules import Policy, RuleEffect
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.allowances import written
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.backend import Loaded
from holdfast.runtime.escapestate import state_of
from holdfast.runtime.exported import note_export
from holdfast.runtime.heldrules import HELD_RULES
from holdfast.runtime.manager import Core
from holdfast.runtime.offer import offered
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seedjson import Fields, Json, JsonObject, as_text
from holdfast.runtime.seedserial import SerializableSession, SessionMetadata

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_USER_ID = re.compile(r"[0-9a-fA-F]{16}")


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
    escapes: tuple[Grant, ...]
    allowances: tuple[Grant, ...]

    @property
    def untouched(self) -> bool:
        """Nothing has happened since it was imported but exports."""
        return self.inert.get("until") == self.view.version - self.view.exports

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
    records: list[CostRecord] = []
    async for recorded in where.backend.journal(where.row).replay(until=view.version):
        records.extend(records_of((recorded,)))
    grants = await _grants(core, loaded)
    return _Found(
        id=where.row.name or view.session_id,
        view=view,
        messages=tuple(entry.message for entry in loaded.bodies.visible()),
        prompt=loaded.bodies.prompt,
        records=tuple(records),
        inert=inert,
        tools=tuple(spec.name for spec in offered(view, core.registry.specs())),
        escapes=tuple(one for one in grants if one.kind is GrantKind.ESCAPE),
        allowances=tuple(one for one in grants if one.kind is GrantKind.ALLOWANCE),
    )


async def _grants(core: Core, loaded: Loaded) -> tuple[Grant, ...]:
    """The grants that hold for a session, the most specific first."""
    reader = AuthorityReader(loaded.journal, core.trust)
    await reader.refresh(loaded.view)
    now_ms = core.clock.now_ms()
    grants = reader.current(loaded.view).grants
    return tuple(grant for grant in grants if grant.live(now_ms))


def records_of(events: Iterable[Recorded]) -> Iterator[CostRecord]:
    """One record per model call, imported ones as they were."""
    for recorded in events:
        match recorded.event:
            case Imported(records=imported):
                yield from imported
            case EffectEnded(usage=usage, model=model, provider=provider) if usage:
                yield CostRecord(
                    model=model, provider=provider, usage=usage, time_ms=recorded.time_ms
                )


async def to_session_data(core: Core, session_id: str) -> SessionData:
    """Return a session as seed D15's record of seventeen keys; never a key.

    That it is given out is put on record first.

    Raises:
        SessionNotFound, KeyDestroyed, ChainBroken, Unreadable.
        NotNow: it is being wiped.
    """
    await note_export(core, session_id, "session_data")
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
        "storage_type": (found.untouched and inert.get("storage_type"))
        or settings.storage_type.value,
        "planning_enabled": inert.get("planning_enabled", False),
        "goal_tracking": inert.get("goal_tracking", False),
    }
    policy = _policy(found)
    if policy is not None and not (found.untouched and "permission_policy" in inert):
        fresh["permission_policy"] = policy
    return {**inert, **fresh, **extra}


def _policy(found: _Found) -> Json:
    """The session's own rules, with those that came with a file and still wait."""
    own, held = found.view.settings.permission, found.inert.get(HELD_RULES)
    waiting = [rule_of(RuleEffect.ALLOW, one) for one in held] if isinstance(held, list) else []
    if own is None and not waiting:
        return None
    form: Json = json.loads(json.dumps(policy_form((own or Policy()).with_rules(*waiting))))
    return form


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
    more = (
        ("base_url", model.base_url),
        ("input_usd", model.input_usd),
        ("output_usd", model.output_usd),
    )
    return config | {name: value for name, value in more if value is not None}


def _as_object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: Json) -> tuple[JsonObject, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, dict))


async def to_serializable(core: Core, session_id: str) -> SerializableSession:
    """Return a session as seed E9 writes it.

    The form knows sessions by UUID and users by eight bytes: another id becomes
    the UUID of its name, another user the beginning of its name's SHA-256.
    That it is given out is put on record first.

    Raises:
        SessionNotFound, KeyDestroyed, ChainBroken, Unreadable.
        NotNow: it is being wiped.
    """
    await note_export(core, session_id, "serializable_session")
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
        allowances=(*_objects(inert.get("allowances")), *written(found.allowances)),
        budget_snapshot=_as_object(inert.get("budget_snapshot")) or None,
        escape_state=state_of(found.escapes, _as_object(inert.get("escape_state"))) or None,
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
    return GitState(branch=fields.maybe("branch", as_text), commit=fields.maybe("commit", as_text))
