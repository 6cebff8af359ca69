"""The visible window's bodies, held by the shell while a session is live.

The fold keeps only which versions are visible; what they say is read from the
log when first needed and kept here (contract 1.12).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from holdfast.core.context import Entry, Renderer
from holdfast.core.events import (
    Admitted,
    Answered,
    ContextSet,
    EffectEnded,
    EffectStarted,
    Event,
    Imported,
    Modified,
    Opened,
    Relabelled,
)
from holdfast.core.labels import Label
from holdfast.core.messages import Message, estimate_tokens
from holdfast.core.view import CALLS_MAX, Recorded, Window


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


def edit_of(event: Event) -> str:
    """The changed arguments of a call that an event brings, as JSON text, or ""."""
    return event.arguments if isinstance(event, Answered | Modified) else ""


def _endorsed(entry: Entry, label: Label) -> Entry:
    """An entry with at most a label that a person vouched for."""
    old = entry.message.label
    trusted = label.integrity > old.integrity
    lowered = Label(
        sensitivity=min(old.sensitivity, label.sensitivity),
        integrity=max(old.integrity, label.integrity),
        origins=() if trusted else old.origins,
    )
    if lowered == old:
        return entry
    return Entry(entry.version, replace(entry.message, label=lowered))


class Shown(Sequence[Message]):
    """The messages that were visible at a moment, in order; it copies none of them.

    Args:
        entries: a list that only ever grows at its end.
        summary: comes first, if there is one.
    """

    __slots__ = ("_count", "_entries", "_summary")

    def __init__(self, entries: list[Entry], summary: Message | None) -> None:
        self._entries = entries
        self._count = len(entries)
        self._summary: tuple[Message, ...] = () if summary is None else (summary,)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._summary) + self._count

    def __iter__(self) -> Iterator[Message]:
        """All of them."""
        yield from self._summary
        for place in range(self._count):
            yield self._entries[place].message

    @overload
    def __getitem__(self, place: int) -> Message: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Message, ...]: ...

    def __getitem__(self, place: int | slice) -> Message | tuple[Message, ...]:
        """One of them, or a tuple of some."""
        if isinstance(place, slice):
            return tuple(self)[place]
        at = range(len(self))[place] - len(self._summary)
        return self._summary[0] if at < 0 else self._entries[at].message

    def __eq__(self, other: object) -> bool:
        """Equal to a tuple of the same messages."""
        return isinstance(other, Shown | tuple) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        """As that tuple's."""
        return hash(tuple(self))


@dataclass(slots=True)
class Bodies:
    """Messages of the window, by version, with the prompt and the last summary.

    What is in `entries` stays where it is: a list that would have to change before
    its end is replaced, since `shown` has given it away. `edits` are the changed
    arguments of calls that are still open, by the version of what changed them.
    """

    entries: list[Entry] = field(default_factory=list)
    prompt: str = ""
    summary: Message | None = None
    edits: dict[int, str] = field(default_factory=dict, repr=False, compare=False)
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
        if isinstance(event, EffectStarted):
            return  # nearly every second event, and it says nothing
        changed = edit_of(event)
        if changed:
            self.edits[recorded.version] = changed
        elif isinstance(event, Admitted) and self.edits:
            self.edits = dict(list(self.edits.items())[-CALLS_MAX:])
        if isinstance(event, Relabelled) and event.label is not None:
            self.entries = [_endorsed(entry, event.label) for entry in self.entries]
            if self.summary is not None:
                self.summary = _endorsed(Entry(0, self.summary), event.label).message
            self._renderer.reset()
            return
        if isinstance(event, ContextSet):
            self.entries = [e for e in self.entries if window.shows(e.version)]
            self.summary = event.summary
            self._renderer.reset()
            return
        prompt = getattr(event, "system_prompt", None)
        if prompt is not None:
            self.prompt = prompt
        messages = messages_of(event)
        if not messages:
            return
        fresh = [Entry(recorded.version, message) for message in messages]
        place = self._place_of(event)
        if place + (self.summary is not None) < self._renderer.done:
            self._renderer.reset()
        if place == len(self.entries):
            self.entries += fresh
        else:
            self.entries = [*self.entries[:place], *fresh, *self.entries[place:]]

    def _place_of(self, event: Event) -> int:
        """Where its messages go: an answer stands before what came while it was written."""
        place = len(self.entries)
        if isinstance(event, EffectEnded) and event.effect == "model":
            while place and self.entries[place - 1].version > event.cause:
                place -= 1
        return place

    def shown(self) -> Shown:
        """The messages that are visible now."""
        return Shown(self.entries, self.summary)

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
