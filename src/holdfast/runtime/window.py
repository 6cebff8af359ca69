"""The visible window's bodies, held by the shell while a session is live.

The fold keeps only which versions are visible; what they say is read from the
log when first needed and kept here (contract 1.12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from holdfast.core.context import Entry, Renderer
from holdfast.core.events import Admitted, ContextSet, EffectEnded, Event, Imported, Opened
from holdfast.core.labels import Label
from holdfast.core.messages import Message, estimate_tokens
from holdfast.core.view import Recorded, Window


def messages_of(event: Event) -> tuple[Message, ...]:
    """The messages an event brings into the conversation."""
    match event:
        case Opened(messages=messages) | Imported(messages=messages):
            return messages
        case Admitted(message=message):
            return (message,)
        case EffectEnded(message=message) if message is not None:
            return (message,)
        case _:
            return ()


@dataclass(slots=True)
class Bodies:
    """Messages of the window, by version, with the prompt and the last summary."""

    entries: list[Entry] = field(default_factory=list)
    prompt: str = ""
    summary: Message | None = None
    _renderer: Renderer = field(default_factory=Renderer, repr=False, compare=False)

    def render(self, budget_tokens: int) -> tuple[Message, ...]:
        """The conversation to send; settled exchanges are not looked at again."""
        entries = self.entries if self.summary is None else self.visible()
        return self._renderer.render(entries, budget_tokens)

    @property
    def rendered_label(self) -> Label:
        """The join of all labels in what was rendered last."""
        return self._renderer.label

    def take(self, recorded: Recorded, window: Window) -> None:
        """Take in one more event; `window` is the one after it."""
        event = recorded.event
        if isinstance(event, ContextSet):
            self.entries = [e for e in self.entries if window.shows(e.version)]
            self.summary = event.summary
            self._renderer.reset()
            return
        prompt = getattr(event, "system_prompt", None)
        if prompt is not None:
            self.prompt = prompt
        fresh = [Entry(recorded.version, message) for message in messages_of(event)]
        place = self._place_of(event)
        if place + (self.summary is not None) < self._renderer.done:
            self._renderer.reset()
        self.entries[place:place] = fresh

    def _place_of(self, event: Event) -> int:
        """Where its messages go: an answer stands before what came while it was written."""
        place = len(self.entries)
        if isinstance(event, EffectEnded) and event.effect == "model":
            while place and self.entries[place - 1].version > event.cause:
                place -= 1
        return place

    def visible(self) -> list[Entry]:
        """What is shown, the summary first."""
        if self.summary is None:
            return list(self.entries)
        return [Entry(0, self.summary), *self.entries]

    def kept_by(
        self, to_version: int, drafted: Sequence[Entry] = (), window: Window | None = None
    ) -> tuple[int, int]:
        """Tokens and number of messages visible after a rewind to a version.

        Args:
            drafted: what was decided but is not durable yet.
            window: what is visible after that, if it is not what is held here.
        """
        kept = [
            e.message
            for e in (*self.entries, *drafted)
            if e.version <= to_version and (window is None or window.shows(e.version))
        ]
        return sum(estimate_tokens(message) for message in kept), len(kept)

    def message_at(self, version: int) -> Message | None:
        """The (last) message of an event in the window."""
        return next((e.message for e in reversed(self.entries) if e.version == version), None)
