"""The serializable session of seed E9, and its older form of seven keys.

See `seedfiles` for the rules both forms of session files follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from holdfast.core.gitstate import GitState
from holdfast.core.messages import Message
from holdfast.runtime.seedjson import (
    Fields,
    JsonObject,
    as_object,
    as_text,
    read_object,
    refuse,
    write,
)
from holdfast.runtime.seedmessages import from_contents, to_contents

SERIALIZABLE_KEYS = (
    "id",
    "user_id",
    "messages",
    "system_prompt",
    "created_at",
    "token_count",
    "metadata",
    "allowances",
    "budget_snapshot",
    "escape_state",
    "workspace_path",
    "model",
    "git_state",
)
METADATA_KEYS = ("title", "tags", "turn_count", "tool_call_count", "approval_count", "custom")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_USER_ID = re.compile(r"[0-9a-fA-F]{16}")
_RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMetadata:
    """What a person and the counters say about a session (seed E8)."""

    title: str | None = None
    tags: tuple[str, ...] = ()
    turn_count: int = 0
    tool_call_count: int = 0
    approval_count: int = 0
    custom: JsonObject = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return the JSON object."""
        return {
            "title": self.title,
            "tags": [*self.tags],
            "turn_count": self.turn_count,
            "tool_call_count": self.tool_call_count,
            "approval_count": self.approval_count,
            "custom": self.custom,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SerializableSession:
    """A session as seed E9 writes it.

    Args:
        id: the text of a UUID, as written.
        user_id: eight bytes in hex.
        messages: labelled imported and untrusted when they were read.
        created_at: RFC 3339, as written; `created` is the time it means.
        allowances: inert; they are not acted on.
        budget_snapshot: inert.
        escape_state: inert.
    """

    id: str
    user_id: str
    messages: tuple[Message, ...]
    system_prompt: str
    created_at: str
    token_count: int = 0
    metadata: SessionMetadata = field(default_factory=SessionMetadata)
    allowances: tuple[JsonObject, ...] = ()
    budget_snapshot: JsonObject | None = None
    escape_state: JsonObject | None = None
    workspace_path: str | None = None
    model: str | None = None
    git_state: GitState | None = None

    @property
    def created(self) -> datetime:
        """When the session was created, with its offset; to the microsecond."""
        return datetime.fromisoformat(self.created_at.upper())

    @classmethod
    def from_json(cls, source: str | Mapping[str, object]) -> Self:
        """Read a session file of seed E9, or its seven-key older form.

        Raises:
            ImportRefused: it is malformed; the field or the message is named.
        """
        fields = Fields(read_object(source))
        return cls(
            id=_matching(fields, "id", _UUID, "not the text of a UUID"),
            user_id=_matching(fields, "user_id", _USER_ID, "not eight bytes in hex"),
            messages=from_contents(fields.list("messages")),
            system_prompt=fields.text("system_prompt"),
            created_at=_time(fields),
            token_count=fields.count("token_count"),
            metadata=_read_metadata(Fields(fields.object("metadata"), "metadata")),
            allowances=fields.objects("allowances"),
            budget_snapshot=fields.maybe("budget_snapshot", as_object),
            escape_state=fields.maybe("escape_state", as_object),
            workspace_path=fields.maybe("workspace_path", as_text),
            model=fields.maybe("model", as_text),
            git_state=_read_git(fields),
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON object, all thirteen keys in the seed's order."""
        git: JsonObject | None = None
        if self.git_state is not None:
            git = {"branch": self.git_state.branch, "commit": self.git_state.commit}
        return {
            "id": self.id,
            "user_id": self.user_id,
            "messages": [*to_contents(self.messages)],
            "system_prompt": self.system_prompt,
            "created_at": self.created_at,
            "token_count": self.token_count,
            "metadata": self.metadata.to_dict(),
            "allowances": [*self.allowances],
            "budget_snapshot": self.budget_snapshot,
            "escape_state": self.escape_state,
            "workspace_path": self.workspace_path,
            "model": self.model,
            "git_state": git,
        }

    def to_json(self) -> str:
        """Write the file's text."""
        return write(self.to_dict(), indent=2)


def _matching(fields: Fields, name: str, form: re.Pattern[str], otherwise: str) -> str:
    text = fields.text(name)
    if not form.fullmatch(text):
        raise refuse(fields.at(name), otherwise)
    return text


def _time(fields: Fields) -> str:
    text = _matching(fields, "created_at", _RFC_3339, "not a time with its offset (RFC 3339)")
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        raise refuse("created_at", "there is no such time") from None
    return text


def _read_metadata(fields: Fields) -> SessionMetadata:
    return SessionMetadata(
        title=fields.maybe("title", as_text),
        tags=fields.texts("tags"),
        turn_count=fields.count("turn_count"),
        tool_call_count=fields.count("tool_call_count"),
        approval_count=fields.count("approval_count"),
        custom=fields.object("custom"),
    )


def _read_git(fields: Fields) -> GitState | None:
    value = fields.maybe("git_state", as_object)
    if value is None:
        return None
    inner = Fields(value, "git_state")
    return GitState(branch=inner.maybe("branch", as_text), commit=inner.maybe("commit", as_text))
