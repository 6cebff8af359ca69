"""Customs: what is taken over from a file is looked at before there is a session of it.

What detectors find becomes labels of the messages, taints of the new session, and a
part of each `Imported` event. A file that cannot be looked at is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from holdfast.core.errors import ImportRefused
from holdfast.core.events import ContextSet, Event, Imported
from holdfast.core.inspection import Inspected, united
from holdfast.core.labels import Label
from holdfast.core.messages import Message, ToolResult
from holdfast.core.security import Security, stricter
from holdfast.ports.taints import Taint
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.inspecting import (
    classified,
    inspected_of,
    private_values,
    values_of,
    words_of,
)
from holdfast.runtime.tainting import TAINTS_MAX, VALUE_CHARS_MAX, Found

_log = logging.getLogger("holdfast")


def at_least(own: Security) -> Security:
    """What a file's settings come to: they may tighten what holds for all, never loosen it."""
    return stricter(Security(), own)


class Customs:
    """Looks at the content of one import.

    Attributes:
        taints: the values that the new session is to follow.
    """

    def __init__(self, detectors: Detectors, security: Security) -> None:
        self._detectors = detectors
        self._security = security
        self._known: dict[tuple[str, str], Taint] = {}

    @property
    def taints(self) -> tuple[Taint, ...]:
        """The values that the new session is to follow."""
        return tuple(self._known.values())

    async def events(self, events: Iterable[Event]) -> list[Event]:
        """The events with what was found in them.

        Raises:
            ImportRefused: a detector failed.
        """
        if not self._security.enabled:
            return list(events)
        try:
            return [await self._event(event) for event in events]
        except Exception as error:  # a detector's bug; its message may repeat the text
            _log.error("an import could not be inspected: %s", type(error).__name__)
            raise ImportRefused("its content could not be inspected") from None

    async def _event(self, event: Event) -> Event:
        if isinstance(event, ContextSet) and event.summary is not None:
            return replace(event, summary=(await self._message(event.summary))[0])
        if not isinstance(event, Imported) or not event.messages:
            return event
        looked = [await self._message(message) for message in event.messages]
        found: Inspected | None = None
        for _, one in looked:
            found = united(found, one)
        return replace(event, messages=tuple(message for message, _ in looked), found=found)

    async def _message(self, message: Message) -> tuple[Message, Inspected]:
        text = words_of(message)
        seen = await classified(self._detectors, text, self._security)
        signal = self._detectors.injection.scan(text)
        found_here = values_of(text, seen)
        if message.label.sensitivity > seen.level:  # its tool said so, and no detector would
            for part in message.parts:
                if isinstance(part, ToolResult):
                    found_here += private_values(part.content, message.label.sensitivity)
        noted = [self._note(one) for one in found_here]
        found = replace(inspected_of(seen, signal, noted), values=())
        label = message.label.join(Label(sensitivity=found.level))
        return replace(message, label=label), found

    def _note(self, one: Found) -> tuple[str, str, bool]:
        place = (one.kind, one.value)
        new = place not in self._known
        if new and self._security.taints and len(self._known) < TAINTS_MAX:
            value = bytearray(one.value[:VALUE_CHARS_MAX].encode("utf-8", "replace"))
            self._known[place] = Taint(id="", kind=one.kind, level=one.level, value=value)
        return one.kind, one.value, new
