"""Heard: what the visible window of a session says, taken in as it grows.

A call is examined against all that the user and trusted sources said. That is put
together once: what comes behind is added, and only a window that lost something is
gone through anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from holdfast.core.context import Entry
from holdfast.core.labels import Integrity, Sensitivity
from holdfast.core.messages import Message, Role, Text, ToolResult, ToolUse
from holdfast.ports.registry import Registry
from holdfast.runtime.grounding import Said
from holdfast.runtime.issuing import Issue, Wanted, calls_in, issued, issues_in
from holdfast.runtime.window import Bodies


class _Seen(Protocol):
    """A session as far as it is looked through."""

    @property
    def bodies(self) -> Bodies:
        """The visible window."""


class Heard:
    """What is said in the visible window of one session.

    Args:
        seen: whose window it is.
        registry: knows which tools issue values.
    """

    def __init__(self, seen: _Seen, registry: Registry) -> None:
        self._seen = seen
        self._registry = registry
        self.forget()

    def forget(self) -> None:
        """Hold nothing that was said."""
        self._list: list[Entry] = []
        self._taken: dict[int, Entry] = {}
        self._done = 0
        self._order: list[Entry] = []
        self._speaking = 0
        self._said: dict[Sensitivity | None, tuple[Said, str, int]] = {}
        self._calls: dict[str, Wanted] = {}
        self._issues: list[Issue] = []

    @property
    def speaking(self) -> int:
        """How many messages may say something that grounds a call."""
        self._follow()
        return self._speaking

    def trusted(self, up_to: Sensitivity | None = None) -> Said:
        """All that the user and trusted sources said, as far as it is visible.

        Args:
            up_to: only what is at most so sensitive, and nothing that was issued.
        """
        self._follow()
        prompt = self._seen.bodies.prompt
        said, begun, done = self._said.get(up_to, (Said(), "", 0))
        if begun != prompt:
            said, done = Said(), 0
        if not done:
            said.add(prompt)
        for entry in self._order[done:]:
            if grounds(entry.message) and (up_to is None or _level(entry) <= up_to):
                one = Said()
                one.add(text_of(entry.message))
                said.join(one)
        self._said[up_to] = (said, prompt, len(self._order))
        if up_to is not None or not self._issues:
            return said
        over = Said(under=said)
        # All are found before one is taken: what was issued vouches for no call.
        for value in [*issued(self._issues, self._calls, said)]:
            over.take(value)
        return over

    def _follow(self) -> None:
        """Take in what has come; `Bodies` replaces the list where it changes before its end."""
        entries = self._seen.bodies.entries
        if entries is self._list and len(entries) == self._done:
            return
        if entries is not self._list:
            here = {id(entry) for entry in entries}
            if any(key not in here for key in self._taken):  # something is visible no more
                self.forget()
            self._list, self._done = entries, 0
        self._take(entry for entry in entries[self._done :] if id(entry) not in self._taken)
        self._done = len(entries)

    def _take(self, fresh: Iterable[Entry]) -> None:
        for entry in fresh:
            message = entry.message
            self._taken[id(entry)] = entry
            self._order.append(entry)
            self._speaking += _speaks(message)
            self._calls |= calls_in((entry,))
            if message.label.integrity is not Integrity.TRUSTED:
                self._issues += issues_in(message, self._registry)


def _level(entry: Entry) -> Sensitivity:
    return entry.message.label.sensitivity


def grounds(message: Message) -> bool:
    """Whether it is the user's or a trusted source's, and no refusal.

    What only says that a call failed may repeat what the call was given.
    """
    if message.label.integrity is not Integrity.TRUSTED:
        return False
    return not any(isinstance(part, ToolResult) and part.is_error for part in message.parts)


def _speaks(message: Message) -> bool:
    """Whether a message may say something that grounds a call."""
    return message.role is not Role.ASSISTANT or message.label.integrity is Integrity.TRUSTED


def text_of(message: Message) -> str:
    """What a message says, as it is looked through."""
    said = []
    for part in message.parts:
        if isinstance(part, Text):
            said.append(part.text)
        elif isinstance(part, ToolResult):
            said.append(part.content)
        elif isinstance(part, ToolUse):
            said.append(part.arguments)
    return "\n".join(said)
