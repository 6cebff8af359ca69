"""The seeds' session files: reading and writing them, and telling which is which.

Two forms, both one JSON object per session:

- `SessionData`, the 17 keys of seed D15, times in epoch seconds;
- `SerializableSession`, seed E9, times in RFC 3339; its seven-key older form
  loads with defaults.

Rules
- Nothing here acts. Grants, spent money, limits and escape paths come back as
  inert JSON; that they do nothing is the caller's promise to keep.
- Nothing is invented. A bad id, an unknown role, a content that cannot be read
  refuse the file, with the field named; the file stays as it was.
- A literal API key is read over and never kept or written.
- Unknown fields of a configuration are kept; other unknown names are left out
  and `ignored_keys` says which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from holdfast.core.errors import ImportRefused
from holdfast.runtime.seeddata import LLM_KEYS, SESSION_DATA_KEYS, SessionData
from holdfast.runtime.seedjson import Json, read_object, write
from holdfast.runtime.seedserial import (
    METADATA_KEYS,
    SERIALIZABLE_KEYS,
    SerializableSession,
    SessionMetadata,
)

__all__ = [
    "JSONL_MARK",
    "FileForm",
    "SerializableSession",
    "SessionData",
    "SessionMetadata",
    "detect",
    "ignored_keys",
]

FileForm = Literal["session_data", "serializable_session", "holdfast_jsonl", "unknown"]

# The first line of our own export is an object that has this key.
JSONL_MARK = "holdfast"


def detect(text: str) -> FileForm:
    """Tell which form a file has by the names in it; a damaged file keeps its form.

    Whether it can be read is for the form's own reader to say.
    """
    head = text.removeprefix("\ufeff")
    first = head.lstrip().split("\n", 1)[0]
    for candidate, whole in ((head, True), (first, False)):
        try:
            data = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if not isinstance(data, dict):
            continue
        if whole and {"config", "state"} <= data.keys():
            return "session_data"
        if whole and {"user_id", "system_prompt"} <= data.keys():
            return "serializable_session"
        if JSONL_MARK in data:
            return "holdfast_jsonl"
    return "unknown"


def ignored_keys(source: str | Mapping[str, object]) -> tuple[str, ...]:
    """Name what a file of either form holds that is not taken over.

    Raises:
        ImportRefused: the file is not one JSON object of one of the two forms.
    """
    data = read_object(source)
    form = detect(write(data))
    if form not in _KNOWN:
        raise ImportRefused("neither of the two session file forms")
    known = _KNOWN[form]
    found = _unknown(data, known[""], "")
    for name in sorted(known.keys() - {"", "message", "content"}):
        found += _unknown(data.get(name), known[name], f"{name}.")
    messages = data.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        where = f"messages[{index}]"
        found += _unknown(message, known["message"], f"{where}.")
        content = message.get("content") if isinstance(message, dict) else None
        found += _unknown(content, known["content"], f"{where}.content.")
        for place, block in enumerate(content if isinstance(content, list) else ()):
            found += _unknown(block, known["content"], f"{where}.content[{place}].")
    return tuple(found)


# What each reader reads, by the object it stands in.
_KNOWN: dict[str, dict[str, frozenset[str]]] = {
    "session_data": {
        "": frozenset({*SESSION_DATA_KEYS, "todos"}),
        # A key is read over on purpose; that is not a loss to report.
        "llm_config": frozenset({*LLM_KEYS, "api_key"}),
        "message": frozenset({"role", "content", "reasoning_content"}),
        "content": frozenset(
            {"type", "text", "id", "name", "input", "tool_use_id", "content", "is_error"}
        ),
    },
    "serializable_session": {
        "": frozenset(SERIALIZABLE_KEYS),
        "metadata": frozenset(METADATA_KEYS),
        "git_state": frozenset({"branch", "commit"}),
        "message": frozenset({"role", "content"}),
        "content": frozenset(
            {"type", "text", "id", "name", "arguments", "call_id", "content", "is_error"}
        ),
    },
}


def _unknown(data: Json, known: frozenset[str], where: str) -> list[str]:
    if not isinstance(data, dict):
        return []
    return [f"{where}{name}" for name in data if name not in known]
