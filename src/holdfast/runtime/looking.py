"""Looking at what a session is born with: its system prompt, or all that a file brings."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from holdfast.core.errors import InvalidInput
from holdfast.core.inspection import KINDS_MAX, WEAK_MAX, Inspected
from holdfast.core.labels import Label, Sensitivity
from holdfast.core.messages import Message, Text, Thinking, ToolResult, ToolUse
from holdfast.core.security import Security
from holdfast.ports.taints import Taint
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.tainting import TAINTS_MAX, VALUE_CHARS_MAX

_log = logging.getLogger("holdfast")


@dataclass(slots=True)
class Look:
    """What was found so far, for a session that has no key yet.

    Raises (by its methods):
        InvalidInput: a text could not be looked at.
    """

    detectors: Detectors
    security: Security
    level: Sensitivity = Sensitivity.NORMAL
    weak: dict[str, None] = field(default_factory=dict)
    values: dict[tuple[str, str], Taint] = field(default_factory=dict)

    def text(self, text: str) -> Sensitivity:
        """Look at a text; returns its level."""
        if not text or not self.security.enabled:
            return Sensitivity.NORMAL
        try:
            seen = self.detectors.classifier(self.security).classify(text)
        except InvalidInput:
            raise
        except Exception:  # a detector's bug: what was not looked at is not taken in
            _log.exception("a text could not be inspected")
            raise InvalidInput("what it says could not be inspected") from None
        self.weak.update(dict.fromkeys(seen.weak))
        self.level = max(self.level, seen.level)
        for one in seen.findings:
            value = text[one.start : one.end][:VALUE_CHARS_MAX]
            key = (one.kind, value.casefold())
            known = key in self.values or len(self.values) >= TAINTS_MAX
            if one.level >= Sensitivity.SENSITIVE and self.security.taints and not known:
                data = bytearray(value.encode("utf-8", "replace"))
                self.values[key] = Taint(id="", kind=one.kind, level=one.level, value=data)
        return seen.level

    def message(self, message: Message) -> Message:
        """Look at a message; returns it with its label raised to what was found."""
        level = max((self.text(text) for text in texts_of(message)), default=Sensitivity.NORMAL)
        label = message.label.join(Label(sensitivity=level))
        return message if label == message.label else replace(message, label=label)

    @property
    def taints(self) -> list[Taint]:
        """The values to be registered."""
        return list(self.values.values())

    @property
    def found(self) -> Inspected:
        """What an event keeps of it."""
        kinds = Counter(kind for kind, _ in self.values)
        return Inspected(
            level=max(self.level, Sensitivity.NORMAL),
            kinds=tuple(sorted(kinds.items()))[:KINDS_MAX],
            weak=tuple(self.weak)[:WEAK_MAX],
        )


def texts_of(message: Message) -> Iterable[str]:
    """All that a message says, arguments of calls included."""
    for part in message.parts:
        match part:
            case Text(text=text) | Thinking(text=text):
                yield text
            case ToolResult(content=content):
                yield content
            case ToolUse(arguments=arguments):
                yield arguments
