"""Messages in Holdfast's own durable form.

The form is ours so that a provider's or a library's release never changes what
an old log means. Fields are never removed or reordered; new ones come last with
a default. Tool arguments are kept as the JSON text the model wrote, so that a
malformed call is kept as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from holdfast.core.labels import TRUSTED, Label


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Thinking:
    """A model's reasoning, with the signature some providers want back.

    `signature` has no default: its presence tells thinking from text in the
    stored form, which leaves defaults out.
    """

    text: str
    signature: str | None
    provider: str | None = None
    type: Literal["thinking"] = "thinking"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A model's wish to call a tool.

    Args:
        id: the provider's id of the call, unique within the message.
        name: the tool's name as the model wrote it.
        arguments: JSON text as the model wrote it; may be malformed.
    """

    id: str
    name: str
    arguments: str = "{}"
    type: Literal["tool_use"] = "tool_use"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What became of a tool call; every `ToolUse` has exactly one."""

    tool_use_id: str
    name: str
    content: str
    is_error: bool = False
    type: Literal["tool_result"] = "tool_result"


Part = Text | Thinking | ToolUse | ToolResult


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation with its label."""

    role: Role
    parts: tuple[Part, ...]
    label: Label = field(default=TRUSTED)

    @property
    def text(self) -> str:
        """All plain text of the message, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """The tool calls of the message, in order."""
        return tuple(part for part in self.parts if isinstance(part, ToolUse))


def user(text: str, label: Label = TRUSTED) -> Message:
    """Make a user's message."""
    return Message(role=Role.USER, parts=(Text(text),), label=label)


def assistant(text: str) -> Message:
    """Make an assistant's message of plain text."""
    return Message(role=Role.ASSISTANT, parts=(Text(text),))


def tool_result(
    call_id: str, name: str, content: str, *, is_error: bool = False, label: Label = TRUSTED
) -> Message:
    """Make the message that carries a tool's result."""
    part = ToolResult(tool_use_id=call_id, name=name, content=content, is_error=is_error)
    return Message(role=Role.TOOL, parts=(part,), label=label)


def estimate_tokens(message: Message) -> int:
    """Estimate tokens from UTF-8 size, four bytes each, never below one.

    Used until a provider reports its own count (ruling on seed E6).
    """
    size = 16
    for part in message.parts:
        match part:
            case Text(text=text) | Thinking(text=text):
                size += len(text.encode("utf-8", "surrogatepass"))
            case ToolUse(name=name, arguments=arguments):
                size += len(name) + len(arguments.encode("utf-8", "surrogatepass"))
            case ToolResult(content=content):
                size += len(content.encode("utf-8", "surrogatepass"))
    return max(1, size // 4)
