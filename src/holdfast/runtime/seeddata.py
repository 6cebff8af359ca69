"""The session record of seed D15: one JSON object of seventeen keys.

See `seedfiles` for the rules both forms of session files follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from holdfast.core.errors import InvalidSessionId
from holdfast.core.ids import validate_id
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.messages import Message
from holdfast.core.settings import DEFAULT_AUTO_COMPACT_THRESHOLD, StorageType
from holdfast.runtime.seedjson import (
    Fields,
    Json,
    JsonObject,
    as_count,
    as_number,
    as_object,
    as_text,
    read_object,
    refuse,
    write,
)
from holdfast.runtime.seedmessages import from_blocks, to_blocks

SESSION_DATA_KEYS = (
    "id",
    "config",
    "state",
    "messages",
    "context_usage",
    "total_usage",
    "total_cost",
    "model_name",
    "cost_records",
    "tool_names",
    "thinking_enabled",
    "thinking_budget",
    "created_at",
    "updated_at",
    "llm_config",
    "tasks",
    "parent_id",
)
LLM_KEYS = ("provider", "model", "base_url", "input_usd", "output_usd")
LLM_PRICES = LLM_KEYS[3:]

# The seeds know five states; ours beyond them are written as the nearest of those.
_WRITTEN_AS = {
    SessionState.CREATING: SessionState.ACTIVE,
    SessionState.PROCESSING: SessionState.ACTIVE,
    SessionState.TERMINATING: SessionState.COMPLETED,
    SessionState.TERMINATED: SessionState.COMPLETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionData:
    """A session as seed D15 writes it: exactly these seventeen fields.

    Args:
        config: the configuration with the defaults filled in, unknown fields kept.
        state: `UNKNOWN` where the file's is none of the seed's; see `importable`.
        messages: labelled imported and untrusted when they were read.
        total_cost: US dollars.
        created_at: epoch seconds.
        updated_at: epoch seconds.
        llm_config: provider and model, base_url and prices if they are set; never a key.
    """

    id: str
    config: JsonObject
    state: SessionState
    messages: tuple[Message, ...]
    context_usage: JsonObject
    total_usage: JsonObject
    total_cost: float = 0.0
    model_name: str | None = None
    cost_records: tuple[JsonObject, ...] = ()
    tool_names: tuple[str, ...] = ()
    thinking_enabled: bool = False
    thinking_budget: int | None = None
    created_at: int
    updated_at: int
    llm_config: JsonObject | None = None
    tasks: tuple[JsonObject, ...] = ()
    parent_id: str | None = None

    @classmethod
    def from_json(cls, source: str | Mapping[str, object]) -> Self:
        """Read a session file of seed D15; `todos` is another name of `tasks`.

        Raises:
            ImportRefused: it is malformed; the field is named.
        """
        data = read_object(source)
        if "todos" in data:
            if "tasks" in data:
                raise refuse("todos", "stands beside tasks, which is the same thing")
            data = {**data, "tasks": data["todos"]}
        fields = Fields(data)
        return cls(
            id=_session_id(fields.text("id")),
            config=_read_config(Fields(fields.object("config"), "config")),
            state=_read_state(data),
            messages=from_blocks(fields.list("messages")),
            context_usage=_read_context(Fields(fields.object("context_usage"), "context_usage")),
            total_usage=_read_usage(Fields(fields.object("total_usage"), "total_usage")),
            total_cost=fields.number("total_cost", 0.0),
            model_name=fields.maybe("model_name", as_text),
            cost_records=fields.objects("cost_records"),
            tool_names=fields.texts("tool_names"),
            thinking_enabled=fields.flag("thinking_enabled"),
            thinking_budget=fields.maybe("thinking_budget", as_count),
            created_at=fields.seconds("created_at"),
            updated_at=fields.seconds("updated_at"),
            llm_config=_read_llm(fields),
            tasks=fields.objects("tasks"),
            parent_id=fields.maybe("parent_id", as_text),
        )

    def importable(self) -> Self:
        """Return itself, if a session may be made from it.

        Raises:
            ImportRefused: its state is none of the seed's.
        """
        if self.state is SessionState.UNKNOWN:
            raise refuse("state", "unknown, so nothing can be said of what may happen next")
        return self

    def to_dict(self) -> JsonObject:
        """Return the JSON object, the seventeen keys in the seed's order."""
        return {
            "id": self.id,
            "config": self.config,
            "state": _WRITTEN_AS.get(self.state, self.state).title,
            "messages": [*to_blocks(self.messages)],
            "context_usage": self.context_usage,
            "total_usage": self.total_usage,
            "total_cost": self.total_cost,
            "model_name": self.model_name,
            "cost_records": [*self.cost_records],
            "tool_names": [*self.tool_names],
            "thinking_enabled": self.thinking_enabled,
            "thinking_budget": self.thinking_budget,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "llm_config": self.llm_config and _only(self.llm_config, LLM_KEYS),
            "tasks": [*self.tasks],
            "parent_id": self.parent_id,
        }

    def to_json(self) -> str:
        """Write the file's text."""
        return write(self.to_dict(), indent=2)


def _session_id(text: str) -> str:
    try:
        return validate_id(text)
    except InvalidSessionId as error:
        raise refuse("id", error.message) from None


def _read_state(data: JsonObject) -> SessionState:
    value = data.get("state")
    if value is None:
        raise refuse("state", "missing")
    if not isinstance(value, (int, str)):
        return SessionState.UNKNOWN
    state = decode_state(value)
    return state if state <= SessionState.ERROR else SessionState.UNKNOWN


def _read_config(fields: Fields) -> JsonObject:
    """Fill in the seed's defaults and keep what is unknown, in the file's order."""
    config: JsonObject = {
        "name": fields.text("name", ""),
        "workspace": fields.text("workspace", ""),
        "system_prompt": fields.maybe("system_prompt", as_text),
        "max_context_length": fields.count("max_context_length", 0),
        "auto_compact": fields.flag("auto_compact", False),
        "auto_compact_threshold": fields.number(
            "auto_compact_threshold", DEFAULT_AUTO_COMPACT_THRESHOLD
        ),
        "storage_type": fields.text("storage_type", StorageType.FILE.value),
    }
    if config["storage_type"] not in {kind.value for kind in StorageType}:
        raise refuse(fields.at("storage_type"), "neither memory, file nor custom")
    # The seed leaves these out when they are not set.
    policies = ("queue_config", "confirmation_policy", "permission_policy", "security_config")
    optional: dict[str, Callable[[Json, str], Json]] = {
        **dict.fromkeys(policies, as_object),
        "parent_id": as_text,
    }
    for name, read in optional.items():
        value = fields.maybe(name, read)
        if value is not None:
            config[name] = value
    config["planning_enabled"] = fields.flag("planning_enabled", False)
    config["goal_tracking"] = fields.flag("goal_tracking", False)
    known = {*config, *optional}
    return config | {name: value for name, value in fields.data.items() if name not in known}


def _read_context(fields: Fields) -> JsonObject:
    used, most = fields.count("used_tokens"), fields.count("max_tokens")
    percent = fields.maybe("percent", as_number)
    if percent is None:
        # The seed divided by a limit of 0, and JSON has no word for what came out.
        percent = used / most if most else 0.0
    return fields.data | {
        "used_tokens": used,
        "max_tokens": most,
        "percent": percent,
        "turns": fields.count("turns"),
    }


def _read_usage(fields: Fields) -> JsonObject:
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        fields.count(name)
    for name in ("cache_read_tokens", "cache_write_tokens"):
        fields.maybe(name, as_count)
    return fields.data


def _read_llm(fields: Fields) -> JsonObject | None:
    value = fields.maybe("llm_config", as_object)
    if value is None:
        return None
    inner = Fields(value, "llm_config")
    config: JsonObject = {"provider": inner.text("provider"), "model": inner.text("model")}
    base_url = inner.maybe("base_url", as_text)
    if base_url is not None:
        config["base_url"] = base_url
    for name in LLM_PRICES:
        price = inner.maybe(name, as_text)
        if price is not None:
            config[name] = price
    return config


def _only(data: JsonObject, names: tuple[str, ...]) -> JsonObject:
    return {name: data[name] for name in names if name in data}
