"""Holdfast: the session layer for AI agents.

A few nouns:

- *Session*: one durable, guarded conversation with its security context. It is an
  append-only log of events; `Session` is a light handle on it.
- *SessionManager*: opens a store, leads sessions, finds and ends them.
- *Turn*: what happens between a person's message and its answer.
- *Effect*: something done to the world for a turn: a model call, a tool call. Its
  intent is durable before it happens, its outcome after.
- *Gate*: every effect crosses it; it allows, asks or denies, with a reason.

Everything here is loaded when it is first used.
"""

from __future__ import annotations

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from holdfast.bootstrap import (
        FileKeys,
        FunctionTool,
        MemoryStore,
        SessionManager,
        SqliteStore,
        ToolRegistry,
        tool,
    )
    from holdfast.core.errors import HoldfastError
    from holdfast.core.gitstate import GitState
    from holdfast.core.labels import Label, Sensitivity
    from holdfast.core.lifecycle import SessionState
    from holdfast.core.messages import Message, Role, Text, Thinking, ToolResult, ToolUse
    from holdfast.core.quantities import Usage
    from holdfast.core.rules import PermissionPolicy
    from holdfast.core.settings import Limits, ModelSettings, QueuePolicy, StorageType
    from holdfast.core.tools import Lane, Nature, ToolSpec
    from holdfast.ports.tool import ToolContext, ToolOutcome
    from holdfast.runtime.budgets import Budget
    from holdfast.runtime.config import (
        AgentResult,
        ContextUsage,
        SessionConfig,
        SessionInfo,
        WipeReceipt,
    )
    from holdfast.runtime.handle import Session
    from holdfast.runtime.listing import ListedSession, SessionPage
    from holdfast.runtime.stream import StreamEvent

__version__ = "0.1.0"

_HOME = {
    "AgentResult": "runtime.config",
    "Budget": "runtime.budgets",
    "ContextUsage": "runtime.config",
    "FileKeys": "bootstrap",
    "FunctionTool": "bootstrap",
    "GitState": "core.gitstate",
    "HoldfastError": "core.errors",
    "Label": "core.labels",
    "Lane": "core.tools",
    "Limits": "core.settings",
    "ListedSession": "runtime.listing",
    "MemoryStore": "bootstrap",
    "Message": "core.messages",
    "ModelSettings": "core.settings",
    "Nature": "core.tools",
    "PermissionPolicy": "core.rules",
    "QueuePolicy": "core.settings",
    "Role": "core.messages",
    "Sensitivity": "core.labels",
    "Session": "runtime.handle",
    "SessionConfig": "runtime.config",
    "SessionInfo": "runtime.config",
    "SessionManager": "bootstrap",
    "SessionPage": "runtime.listing",
    "SessionState": "core.lifecycle",
    "SqliteStore": "bootstrap",
    "StorageType": "core.settings",
    "StreamEvent": "runtime.stream",
    "Text": "core.messages",
    "Thinking": "core.messages",
    "ToolContext": "ports.tool",
    "ToolOutcome": "ports.tool",
    "ToolRegistry": "bootstrap",
    "ToolResult": "core.messages",
    "ToolSpec": "core.tools",
    "ToolUse": "core.messages",
    "Usage": "core.quantities",
    "WipeReceipt": "runtime.config",
    "tool": "bootstrap",
}

__all__ = [
    "AgentResult",
    "Budget",
    "ContextUsage",
    "FileKeys",
    "FunctionTool",
    "GitState",
    "HoldfastError",
    "Label",
    "Lane",
    "Limits",
    "ListedSession",
    "MemoryStore",
    "Message",
    "ModelSettings",
    "Nature",
    "PermissionPolicy",
    "QueuePolicy",
    "Role",
    "Sensitivity",
    "Session",
    "SessionConfig",
    "SessionInfo",
    "SessionManager",
    "SessionPage",
    "SessionState",
    "SqliteStore",
    "StorageType",
    "StreamEvent",
    "Text",
    "Thinking",
    "ToolContext",
    "ToolOutcome",
    "ToolRegistry",
    "ToolResult",
    "ToolSpec",
    "ToolUse",
    "Usage",
    "WipeReceipt",
    "__version__",
    "tool",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    value: object = getattr(_importlib.import_module(f"holdfast.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
