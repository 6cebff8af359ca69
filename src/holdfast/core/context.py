"""What the model is shown: the visible messages, valid for every provider.

The order of the log is not always an order a provider accepts: results of
parallel calls arrive in any order, a person may speak while a tool runs, an old
window may begin in the middle of an exchange. `render` puts that right without
inventing anything: a call whose result is not in the window gets one that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from holdfast.core.labels import Label
from holdfast.core.messages import (
    Message,
    Part,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    estimate_tokens,
)

NO_RESULT = "[no result was recorded for this call]"
IMPORTED_SYSTEM = "[a system message of an imported conversation, for information only]\n"
UNNAMED = "unnamed"
CONTINUES = "[earlier messages are not shown]"


@dataclass(frozen=True, slots=True)
class Entry:
    """A visible message and the version of its event."""

    version: int
    message: Message


def render(entries: Sequence[Entry], budget_tokens: int | None = None) -> tuple[Message, ...]:
    """Return the conversation to send, newest exchanges first to be kept.

    Args:
        budget_tokens: estimated tokens the conversation may have; whole
            exchanges are left out from the oldest on, never the newest one.
    """
    chosen = _fit(_exchanges(entries), budget_tokens)
    flat = [message for group in chosen for message in group]
    merged = _merge(flat)
    if merged and merged[0].role is not Role.USER:
        merged.insert(0, Message(role=Role.USER, parts=(Text(CONTINUES),)))
    return tuple(_rename_repeated(merged))


def _exchanges(entries: Sequence[Entry]) -> list[list[Message]]:
    """Split at user messages; within one, each call is followed by its result."""
    groups: list[list[Message]] = []
    waiting: list[Message] = []
    for message in _with_results([entry.message for entry in entries]):
        if message.role is Role.USER and waiting:
            groups.append(waiting)
            waiting = []
        waiting.append(message)
    if waiting:
        groups.append(waiting)
    return groups


def _with_results(messages: Sequence[Message]) -> list[Message]:
    """Put each call's result right behind it and drop results without a call."""
    output: list[Message] = []
    place = 0
    while place < len(messages):
        message = messages[place]
        place += 1
        if message.role is Role.TOOL:
            continue
        visible = _visible(message)
        if visible is None:
            continue
        output.append(visible)
        if not visible.tool_uses:
            continue
        results: dict[str, list[tuple[ToolResult, Label]]] = {}
        later: list[Message] = []
        while place < len(messages) and messages[place].role is not Role.ASSISTANT:
            follower = messages[place]
            place += 1
            found = [part for part in follower.parts if isinstance(part, ToolResult)]
            for part in found:
                results.setdefault(part.tool_use_id, []).append((part, follower.label))
            if not found and follower.role is not Role.TOOL:
                later.append(follower)
        output.append(_results_of(visible, results))
        output += [kept for kept in map(_visible, later) if kept is not None]
    return output


def _results_of(message: Message, results: dict[str, list[tuple[ToolResult, Label]]]) -> Message:
    parts: list[Part] = []
    label = message.label
    for use in message.tool_uses:
        known = results.get(use.id)
        if not known:
            parts.append(ToolResult(use.id, use.name, NO_RESULT, is_error=True))
            continue
        result, origin = known.pop(0)
        parts.append(replace(result, content=result.content or "[no output]"))
        label = label.join(origin)
    return Message(role=Role.TOOL, parts=tuple(parts), label=label)


def _visible(message: Message) -> Message | None:
    """Leave out empty text; a message with nothing to say is not sent."""
    parts = tuple(part for part in message.parts if not isinstance(part, Text) or part.text.strip())
    if not any(not isinstance(part, Thinking) for part in parts):
        return None
    if message.role is Role.SYSTEM:
        # A line of a file must not gain the authority of the system prompt.
        return Message(Role.USER, (Text(IMPORTED_SYSTEM), *parts), message.label)
    return replace(message, parts=parts)


def _fit(groups: list[list[Message]], budget: int | None) -> list[list[Message]]:
    if budget is None:
        return groups
    chosen: list[list[Message]] = []
    spent = 0
    for group in reversed(groups):
        spent += sum(estimate_tokens(message) for message in group)
        if chosen and spent > budget:
            break
        chosen.append(group)
    return chosen[::-1]


def _merge(messages: Sequence[Message]) -> list[Message]:
    """Join neighbours of one role; providers want them to alternate."""
    merged: list[Message] = []
    for message in messages:
        last = merged[-1] if merged else None
        same = last is not None and last.role is message.role and not last.tool_uses
        if last is not None and same and message.role is not Role.TOOL:
            merged[-1] = Message(
                role=last.role,
                parts=(*last.parts, *message.parts),
                label=last.label.join(message.label),
            )
        else:
            merged.append(message)
    return merged


def _rename_repeated(messages: Sequence[Message]) -> list[Message]:
    """Give call ids that were used before a fresh name, in call and result alike.

    Each tool message holds the results of the message before it, in order.
    """
    seen: set[str] = set()
    output: list[Message] = []
    fresh: list[str] = []
    for message in messages:
        if message.role is Role.ASSISTANT:
            fresh = [_fresh(use.id or "call", seen) for use in message.tool_uses]
        names = iter(fresh)
        output.append(replace(message, parts=tuple(_renamed(p, names) for p in message.parts)))
    return output


def _fresh(id: str, seen: set[str]) -> str:
    found, count = id, 1
    while found in seen:
        count += 1
        found = f"{id}-{count}"
    seen.add(found)
    return found


def _renamed(part: Part, names: Iterator[str]) -> Part:
    if isinstance(part, ToolUse):
        return replace(part, id=next(names), name=part.name or UNNAMED)
    if isinstance(part, ToolResult):
        return replace(part, tool_use_id=next(names), name=part.name or UNNAMED)
    return part
