"""The fold of a session: bounded, frozen, and all that deciding needs of the past.

Bodies of messages, used command ids and everything else that grows are not here
(contract 1.12). `Session` is the public handle; this is `SessionView`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.core.events import Details, Event, Origin, Ranges
from holdfast.core.gitstate import GitState
from holdfast.core.ids import EffectRef
from holdfast.core.labels import TRUSTED, Label
from holdfast.core.lifecycle import SessionState
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings

FOLD_ID = 1
"""Goes up whenever `evolve` changes meaning; older snapshots are then ignored."""

HOST_EFFECTS = ("host_tool", "host_model")
"""Effects of the embedding program's own calls, outside of a turn."""

CALLS_MAX = 64
"""Tool calls of one answer that are carried out; the rest are refused."""

HOST_CALLS_MAX = 32
"""Calls of the embedding program that may be open at once."""

RANGES_MAX = 256
"""Pieces a window may be cut into by rewinds before it must be cleared or compacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event at its place."""

    version: int
    time_ms: int
    event: Event
    actor: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the last answer that has no result yet."""

    ordinal: int
    id: str
    name: str
    parallel: bool = False
    approved: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEffect:
    """An intent without an outcome."""

    ref: EffectRef
    effect: str
    name: str
    digest: str
    attempt: int
    engine: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to a person that waits. `id` is the version of its `Asked`."""

    id: int
    ref: EffectRef
    about: str
    name: str
    digest: str
    choices: tuple[str, ...]
    due_ms: int | None
    asked_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The turn that runs.

    Args:
        id: version of the message that started it.
        cause: version of the latest thing the model has not seen yet.
        answer: version of the answer whose calls are being carried out.
        clock_ms: when its wall clock last started.
        cancel: why it is to end, or "".
    """

    id: int
    cause: int
    clock_ms: int
    answer: int = 0
    rounds: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cancel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTurn:
    """How the last turn ended: "completed", "failed" or why it was cancelled."""

    id: int
    outcome: str
    answer: int = 0
    reason: str = ""
    detail: str = ""
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which events' messages the model sees: closed ranges, then all from `start`.

    Args:
        summary: version of the `ContextSet` whose summary comes first, or 0.
    """

    closed: Ranges = ()
    start: int = 1
    tokens: int = 0
    count: int = 0
    summary: int = 0

    def shows(self, version: int) -> bool:
        """Tell whether the messages of an event are visible."""
        return version >= self.start or any(low <= version <= high for low, high in self.closed)


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """The state of a session after some version of its log.

    Args:
        prompt_at: version of the event that holds the system prompt, or 0.
        origin: where a fork comes from.
        context_tokens: what the next call is expected to send.
        host_open: calls of the embedding program that have no outcome yet.
        wiping: `WipeStarted` has happened; wiped: the key is gone.
    """

    version: int = 0
    session_id: str = ""
    tenant: str = ""
    user_id: str = ""
    channel_id: str = ""
    chat_id: str = ""
    state: SessionState = SessionState.CREATING
    state_reason: str = ""
    settings: Settings = field(default_factory=Settings)
    prompt_at: int = 0
    details: Details = field(default_factory=Details)
    git: GitState | None = None
    origin: Origin | None = None
    label: Label = TRUSTED
    created_ms: int = 0
    updated_ms: int = 0
    last_activity_ms: int = 0
    message_count: int = 0
    turn_count: int = 0
    round_count: int = 0
    tool_call_count: int = 0
    approval_count: int = 0
    usage: Usage = field(default_factory=Usage)
    context_tokens: int = 0
    window: Window = field(default_factory=Window)
    turn: Turn | None = None
    last_turn: FinishedTurn | None = None
    calls: tuple[Call, ...] = ()
    open: tuple[OpenEffect, ...] = ()
    questions: tuple[Question, ...] = ()
    host_open: tuple[OpenEffect, ...] = ()
    tombstone: bool = False
    wiping: bool = False
    wiped: bool = False
    tee_active: bool = False
    inert_at: int = 0

    def open_at(self, ref: EffectRef) -> OpenEffect | None:
        """The open effect with that reference, or None."""
        return next((effect for effect in self.open if effect.ref == ref), None)

    def question(self, id: int) -> Question | None:
        """The open question with that id, or None."""
        return next((question for question in self.questions if question.id == id), None)

    def call(self, ordinal: int) -> Call | None:
        """The unfinished call at that place of the last answer, or None."""
        return next((call for call in self.calls if call.ordinal == ordinal), None)


if TYPE_CHECKING:
    changed = replace
else:

    def changed(view: SessionView, **changes: object) -> SessionView:
        """Return the view with some fields changed.

        `dataclasses.replace` for a class with many fields, made by copying its
        dictionary; it is called several times an event.
        """
        assert changes.keys() <= view.__dict__.keys(), "a view has no such field"
        new = object.__new__(SessionView)
        new.__dict__.update(view.__dict__)
        new.__dict__.update(changes)
        return new
