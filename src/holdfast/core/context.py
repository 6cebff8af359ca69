"""What the model is shown: the visible messages, valid for every provider.

The order of the log is not always an order a provider accepts: results of
parallel calls arrive in any order, a person may speak while a tool runs, an old
window may begin in the middle of an exchange. `render` puts that right without
inventing anything: a call whose result is not in the window gets one that says so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from holdfast.core.labels import TRUSTED, Label
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
    return Renderer().render(entries, budget_tokens)


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Finished messages that stand or fall together, with the join of their labels."""

    messages: tuple[Message, ...]
    tokens: int
    label: Label


class Renderer:
    """Renders a window that grows; what is settled is not looked at again.

    An exchange is settled when a user's message follows it and each of its calls
    has its result. What was rendered is a function of the entries alone.

    Attributes:
        done: how many entries are settled.
        label: the join of all labels in what was rendered last.
    """

    def __init__(self) -> None:
        self.done = 0
        self.label = TRUSTED
        self._settled: list[_Exchange] = []
        self._seen: set[str] = set()
        self._labels: dict[Label, Label] = {}
        self._spent = [0]
        self._row = _Row()
        self._row_label = TRUSTED

    def reset(self) -> None:
        """Forget: entries before `done` have changed."""
        self.__init__()  # type: ignore[misc]  # begins again as a new one does

    def render(
        self, entries: Sequence[Entry], budget_tokens: int | None = None
    ) -> tuple[Message, ...]:
        """Return the conversation to send; see `render`."""
        cut = _settled_until(entries, self.done)
        for exchange in _finish(entries[self.done : cut], self._seen, self._seen):
            # One object for equal labels, so that joining many is cheap.
            label = self._labels.setdefault(exchange.label, exchange.label)
            self._settled.append(replace(exchange, label=label))
            self._spent.append(self._spent[-1] + exchange.tokens)
        self.done = cut
        tail = _finish(entries[cut:], self._seen, set())
        start, tail = self._fit(tail, budget_tokens)
        known = self._row.place
        self._row.stand_at(start, self._settled)
        self._row_label = self._row_label if start == known[0] else TRUSTED
        fresh = self._settled[known[1] if start == known[0] else start :]
        for label in {id(exchange.label): exchange.label for exchange in fresh}.values():
            self._row_label = self._row_label.join(label)
        self.label = self._row_label
        for exchange in tail:
            self.label = self.label.join(exchange.label)
        return self._row.followed_by(_messages(tail))

    def _fit(self, tail: list[_Exchange], budget: int | None) -> tuple[int, list[_Exchange]]:
        """From which settled exchange on, and which of the tail; the newest always fits."""
        last = len(self._settled)
        if budget is None:
            return 0, tail
        spent = 0
        for place in range(len(tail) - 1, -1, -1):
            spent += tail[place].tokens
            if spent > budget:
                return last, tail[min(place + 1, len(tail) - 1) :]
        first = bisect_left(self._spent, self._spent[-1] + spent - budget)
        return (first if tail else max(0, min(first, last - 1))), tail


class _Row:
    """Settled exchanges from one of them on, neighbours of one role joined."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._start = self._end = 0
        self._added: list[int] = []

    @property
    def place(self) -> tuple[int, int]:
        """Which settled exchanges it holds: from, until."""
        return self._start, self._end

    def stand_at(self, start: int, settled: Sequence[_Exchange]) -> None:
        """Hold the exchanges from `start` to the end."""
        added = self._added[: start - self._start]
        # An exchange that added fewer messages than it has was joined to the one before.
        whole = start == self._end or (
            self._start <= start < self._end
            and self._added[start - self._start] == len(settled[start].messages)
        )
        if whole:
            del self.messages[: sum(added)]
            del self._added[: len(added)]
        else:
            self.messages, self._added, self._end = [], [], start
        self._start = start
        for exchange in settled[self._end :]:
            before = len(self.messages)
            _merge_onto(self.messages, exchange.messages)
            self._added.append(len(self.messages) - before)
        self._end = len(settled)

    def followed_by(self, messages: Iterable[Message]) -> tuple[Message, ...]:
        """What it holds and some more, joined; it begins with a user's message."""
        settled = self.messages[:-1]
        last = _merge_onto(self.messages[-1:], messages)
        first = next(iter(settled or last), None)
        if first is not None and first.role is not Role.USER:
            return (Message(role=Role.USER, parts=(Text(CONTINUES),)), *settled, *last)
        return (*settled, *last)


def _messages(exchanges: Iterable[_Exchange]) -> Iterator[Message]:
    return (message for exchange in exchanges for message in exchange.messages)


def _settled_until(entries: Sequence[Entry], start: int) -> int:
    """The last user's message from `start` on before which every call has its result."""
    cut, owing = start, list[str]()  # an id may be there twice
    for place in range(start, len(entries)):
        message = entries[place].message
        if message.role is Role.ASSISTANT:
            owing = [use.id for use in message.tool_uses]
        elif message.role is Role.TOOL:
            for part in message.parts:
                if isinstance(part, ToolResult) and part.tool_use_id in owing:
                    owing.remove(part.tool_use_id)
        elif not owing and _visible(message) is not None:  # else it begins no exchange
            cut = place
    return cut


def _finish(entries: Sequence[Entry], seen: set[str], fresh: set[str]) -> list[_Exchange]:
    """Put entries in order and give repeated call ids fresh names.

    Args:
        seen: the ids used before; fresh: takes those that are used now.
    """
    finished = []
    for group in _exchanges(entries):
        messages = tuple(_rename_repeated(_merge(group), seen, fresh))
        label = TRUSTED
        for message in messages:
            label = label.join(message.label)
        tokens = sum(estimate_tokens(message) for message in messages)
        finished.append(_Exchange(messages, tokens, label))
    return finished


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
    return message if parts == message.parts else replace(message, parts=parts)


def _merge(messages: Iterable[Message]) -> list[Message]:
    """Join neighbours of one role; providers want them to alternate."""
    return _merge_onto([], messages)


def _merge_onto(merged: list[Message], messages: Iterable[Message]) -> list[Message]:
    """Put messages behind others that are merged already; returns that list."""
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


def _rename_repeated(messages: Sequence[Message], seen: set[str], fresh: set[str]) -> list[Message]:
    """Give call ids that were used before a fresh name, in call and result alike.

    Each tool message holds the results of the message before it, in order.
    """
    output: list[Message] = []
    named: list[str] = []
    for message in messages:
        if message.role is Role.ASSISTANT:
            named = [_fresh(use.id or "call", seen, fresh) for use in message.tool_uses]
        names = iter(named)
        parts = tuple(_renamed(part, names) for part in message.parts)
        output.append(message if parts == message.parts else replace(message, parts=parts))
    return output


def _fresh(id: str, seen: set[str], fresh: set[str]) -> str:
    found, count = id, 1
    while found in seen or found in fresh:
        count += 1
        found = f"{id}-{count}"
    fresh.add(found)
    return found


def _renamed(part: Part, names: Iterator[str]) -> Part:
    if isinstance(part, ToolUse):
        return ToolUse(next(names), part.name or UNNAMED, part.arguments)
    if isinstance(part, ToolResult):
        return ToolResult(next(names), part.name or UNNAMED, part.content, part.is_error)
    return part
