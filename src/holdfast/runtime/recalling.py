"""Recalling: what was said before what is visible, read from the log when a call needs it.

What the model sees changes; who gave a value does not (contract 1.4). So a value that
the user named before the context was cleared or compacted grounds a call still, and one
that a stranger wrote is still told as theirs. What was rewound the user took back: it
grounds nothing any more.

Only the newest `EVENTS_MAX` events before the window are read, and of strangers' texts
the newest `STRANGERS_CHARS_MAX` characters; what lies further back is asked about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.core.errors import HoldfastError
from holdfast.core.events import ContextSet
from holdfast.core.labels import Integrity
from holdfast.core.messages import Message, Role, ToolResult
from holdfast.core.view import SessionView
from holdfast.runtime.grounding import Said, Value
from holdfast.runtime.journal import Journal
from holdfast.runtime.window import messages_of

EVENTS_MAX = 5_000
STRANGERS_CHARS_MAX = 1_000_000
KEEPS = ("clear", "compact")
"""Changes of the context that take nothing back of what was given."""

_log = logging.getLogger("holdfast")
_Texts = Callable[[Message], str]


class _Seen(Protocol):
    """A session as far as it is looked through."""

    @property
    def view(self) -> SessionView:
        """The fold."""

    @property
    def journal(self) -> Journal:
        """The log."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was said before the window.

    Args:
        given: by the user and trusted sources.
        strangers: (where, what) of all others' texts, the newest first.
    """

    given: Said = field(default_factory=Said)
    strangers: tuple[tuple[str, Said], ...] = ()

    def origin(self, value: Value) -> str:
        """Where a stranger said a value, or ""."""
        return next((where for where, said in self.strangers if said.says(value)), "")


NOTHING_BEFORE = Before()


class Recalling:
    """Reads what was said before the window of one session.

    Args:
        trusted: whether a message grounds what it says.
        text: what a message says.
    """

    def __init__(self, seen: _Seen, trusted: Callable[[Message], bool], text: _Texts) -> None:
        self._seen = seen
        self._trusted = trusted
        self._text = text
        self._known: tuple[int, Before] = (0, NOTHING_BEFORE)

    async def before(self) -> Before:
        """What was said before the window; nothing where it cannot be read."""
        until = self._seen.view.window.start - 1
        if until <= 0:
            return NOTHING_BEFORE
        if self._known[0] != until:
            try:
                self._known = (until, await self._read(until))
            except HoldfastError as error:  # what is not recalled is asked about
                _log.warning("what was said before could not be read: %s", error.reason)
                return NOTHING_BEFORE
        return self._known[1]

    def forget(self) -> None:
        """Hold nothing that was said."""
        self._known = (0, NOTHING_BEFORE)

    async def _read(self, until: int) -> Before:
        journal = self._seen.journal
        after = max(0, until - EVENTS_MAX)
        stood = await journal.store.read(journal.stream, after - 1, 1) if after else ()
        events = journal.replay(after, stood[0].hash, until=until) if stood else None
        given: list[tuple[int, Message]] = []
        others: list[tuple[int, Message]] = []
        async for recorded in events or journal.replay(until=until):
            event, version = recorded.event, recorded.version
            if isinstance(event, ContextSet) and event.reason not in KEEPS:
                last = max((high for _, high in event.window), default=0)
                given = [entry for entry in given if entry[0] <= last]
            for message in messages_of(event):
                if self._trusted(message):
                    given.append((version, message))
                elif _of_a_stranger(message):
                    others.append((version, message))
        said = Said()
        for _, message in given:
            one = Said()
            one.add(self._text(message))
            said.join(one)
        return Before(said, self._strangers(others))

    def _strangers(self, others: Sequence[tuple[int, Message]]) -> tuple[tuple[str, Said], ...]:
        found: list[tuple[str, Said]] = []
        left = STRANGERS_CHARS_MAX
        for version, message in reversed(others):
            text = self._text(message)
            left -= len(text)
            if left < 0:
                break
            said = Said()
            said.add(text)
            found.append((f"{source_of(message)} (event {version})", said))
        return tuple(found)


def _of_a_stranger(message: Message) -> bool:
    return message.label.integrity is not Integrity.TRUSTED and message.role is not Role.ASSISTANT


def source_of(message: Message) -> str:
    """Whose words a stranger's message is, as a person is told."""
    part = message.parts[0] if message.parts else None
    return part.name if isinstance(part, ToolResult) else "an untrusted message"
