"""Values of the core out of a server's JSON: messages and labels."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.client.decode import member, read, read_list
from holdfast.core.errors import BadAnswer
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import Message, Part, Role, Text, Thinking, ToolResult, ToolUse
from holdfast.core.quantities import Usage

_PARTS: dict[str, type[Part]] = {
    "text": Text,
    "thinking": Thinking,
    "tool_use": ToolUse,
    "tool_result": ToolResult,
}
LEVELS = {
    "Public": Sensitivity.PUBLIC,
    "Normal": Sensitivity.NORMAL,
    "Sensitive": Sensitivity.SENSITIVE,
    "HighlySensitive": Sensitivity.HIGHLY_SENSITIVE,
    "Critical": Sensitivity.CRITICAL,
}


def level_of(value: object) -> Sensitivity:
    """A level as the server spells it.

    Raises:
        BadAnswer: it is not one.
    """
    level = LEVELS.get(read(str, value))
    if level is None:
        raise BadAnswer("the server's answer has a sensitivity that is not known here")
    return level


def label_of(value: object) -> Label:
    """A label out of JSON with `sensitivity` and `trusted`.

    Raises:
        BadAnswer: it is not one.
    """
    level = level_of(member(value, "sensitivity"))
    trusted = read(bool, member(value, "trusted"))
    there = isinstance(value, Mapping) and "origins" in value  # a message's has none
    origins = read_list(str, member(value, "origins")) if there else []
    return Label(
        sensitivity=level,
        integrity=Integrity.TRUSTED if trusted else Integrity.UNTRUSTED,
        origins=tuple(origins),
    )


def message_of(value: object) -> Message:
    """A message of the conversation out of JSON.

    Raises:
        BadAnswer: it is not one.
    """
    role = read(Role, member(value, "role"))
    parts = read_list(dict, member(value, "parts"))
    return Message(role, tuple(_part(one) for one in parts), label_of(value))


def _part(value: dict[str, object]) -> Part:
    name = value.get("type")
    kind = _PARTS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadAnswer("the server's answer has a part of a message that is not known here")
    return read(kind, {name: held for name, held in value.items() if name != "type"})


def usage_of(value: object) -> Usage:
    """The usage of a run out of the JSON of an event.

    Raises:
        BadAnswer: it is not one.
    """
    return Usage(
        input_tokens=read(int, member(value, "prompt_tokens")),
        output_tokens=read(int, member(value, "completion_tokens")),
        cache_read_tokens=read(int, member(value, "cache_read_tokens")),
        cache_write_tokens=read(int, member(value, "cache_write_tokens")),
        reasoning_tokens=read(int, member(value, "reasoning_tokens")),
        cost_micros=read(int, member(value, "cost_micros")),
    )


def level_name(level: Sensitivity | str) -> str:
    """A level as the server spells it; a text is sent as it is."""
    if isinstance(level, str):
        return level
    return next(name for name, one in LEVELS.items() if one is Sensitivity(level))
