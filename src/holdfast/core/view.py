"""The fold of a session: bounded, frozen, and all that deciding needs of the past.

Bodies of messages, used command ids and everything else that grows are not here
(contract 1.12). `Session` is the public handle; this is `SessionView`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.core.events import Ancestor, Details, Event, Origin, Ranges
from holdfast.core.gitstate import GitState
from holdfast.core.ids import EffectRef
from holdfast.core.labels import TRUSTED, Label
from holdfast.core.lifecycle import SessionState
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage
from holdfast.core.risk import NO_RISK, UNEXPOSED, Exposure, Risk
from holdfast.core.settings import Settings

FOLD_ID = 3
"""Goes up whenever `evolve` changes meaning; older snapshots are then ignored."""

HOST_EFFECTS = ("host_tool", "host_model")
"""Effects of the embedding program's own calls, outside of a turn."""

CALLS_MAX = 48
"""Tool calls of one answer that are carried out; the rest are refused."""

HOST_CALLS_MAX = 32
"""Calls of the embedding program that may be open at once."""

CONSENT = "consent"
"""What a question about the author's own data is about."""

ENCLAVE = "route:enclave"
"""The obligation to make a model call in the enclave."""

EXPOSED_KINDS_MAX = 32
"""Kinds found in messages that the fold remembers for the rules about them."""

YES = frozenset({"approve", "once", "session", "workspace", "always"})
"""Decisions that let an action happen."""

WARNED_MAX = 32
"""Warnings the fold remembers, so that each is given once."""

CLOSED_MAX = 32
"""Closed questions the fold remembers, so that who answers late is told why."""

RANGES_MAX = 128
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
    """A tool call of the last answer that has no result yet.

    Args:
        approved: digest of the action a person said yes to, used up by its intent.
        codes: what the yes covers.
        bound: the policies' version and the label that the yes holds under.
        edited: version of the event that changed its arguments, or 0.
    """

    ordinal: int
    id: str
    name: str
    parallel: bool = False
    approved: str = ""
    codes: tuple[str, ...] = ()
    edited: int = 0
    bound: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEffect:
    """An intent without an outcome; `enclave` tells that it is to be made there."""

    ref: EffectRef
    effect: str
    name: str
    digest: str
    attempt: int
    engine: str
    version: int
    takes: tuple[tuple[str, int], ...] = ()
    enclave: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question to a person that waits. `id` is the version of its `Asked`.

    Args:
        yes: who has said yes so far, when more than one must.
        also: ordinals of identical calls that wait for the same answer.
        patterns: rules wider than the literal one that may be chosen.
    """

    id: int
    ref: EffectRef
    about: str
    name: str
    digest: str
    choices: tuple[str, ...]
    due_ms: int | None
    asked_ms: int
    codes: tuple[str, ...] = ()
    policy: str = ""
    label: str = ""
    quorum: int = 1
    yes: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    patterns: tuple[str, ...] = ()

    def covers(self, ref: EffectRef) -> bool:
        """Whether a call waits for this question's answer."""
        return ref.cause == self.ref.cause and ref.ordinal in (self.ref.ordinal, *self.also)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The turn that runs; like `Window` without slots, for `changed`.

    Args:
        id: version of the message that started it.
        cause: version of the latest thing the model has not seen yet.
        answer: version of the answer whose calls are being carried out.
        clock_ms: when its wall clock last started.
        cancel: why it is to end, or "".
        bearer: by whose token it came to run; None is the installation's own program.
    """

    id: int
    cause: int
    clock_ms: int
    answer: int = 0
    rounds: int = 0
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cancel: str = ""
    bearer: Bearer | None = None


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


@dataclass(frozen=True, kw_only=True)
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
        lineage: of a child, all it stands below, the root first.
        context_tokens: what the next call is expected to send.
        host_open: calls of the embedding program that have no outcome yet.
        warned: accounts a warning is on record for, the last few.
        closed: the last closed questions and why each is closed.
        wiping: `WipeStarted` has happened; wiped: the key is gone.
        exposure: how sensitive what the model is told is; risk: what its author told.
        consent_at: version of the author's last consent; it covers all before it.
        plan_at: version of the event that holds the plan, or 0; plan_left: how often
            each of its steps may still be taken.
        endorsed: (version, label) of the last `Relabelled`: what was there by then
            has at most that label, whose origins are in the event.
        keep: ids of the forks and children that its end does not wipe.
        exports: how often it was written out in plain form.
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
    lineage: tuple[Ancestor, ...] = ()
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
    warned: tuple[str, ...] = ()
    closed: tuple[tuple[int, str], ...] = ()
    exposure: Exposure = UNEXPOSED
    risk: Risk = NO_RISK
    consent_at: int = 0
    plan_at: int = 0
    plan_left: tuple[int, ...] = ()
    endorsed: tuple[int, Label] | None = None
    keep: tuple[str, ...] = ()
    exports: int = 0

    def open_at(self, ref: EffectRef) -> OpenEffect | None:
        """The open effect with that reference, or None."""
        return next((effect for effect in self.open if effect.ref == ref), None)

    def carried_out(self, ref: EffectRef, intent: int) -> OpenEffect | None:
        """The open effect of that intent, or None: another attempt is another intent."""
        effect = self.open_at(ref)
        return effect if effect is not None and effect.version == intent else None

    def question(self, id: int) -> Question | None:
        """The open question with that id, or None."""
        return next((question for question in self.questions if question.id == id), None)

    def call(self, ordinal: int) -> Call | None:
        """The unfinished call at that place of the last answer, or None."""
        return next((call for call in self.calls if call.ordinal == ordinal), None)


if TYPE_CHECKING:
    changed = put = replace
else:

    def changed(value: object, **changes: object) -> object:
        """Return a view, a turn or a window with some fields changed.

        `dataclasses.replace` for classes without slots, made by copying the
        dictionary; it is called several times an event.
        """
        new = object.__new__(type(value))
        new.__dict__.update(value.__dict__)
        return put(new, **changes)

    def put(view: object, **changes: object) -> object:
        """Change fields of the view that `evolve` is making, and return it.

        For the functions that `evolve` calls and for nothing else: it gives them a
        copy that nobody holds yet.
        """
        fields = view.__dict__
        known = len(fields)
        fields.update(changes)
        assert len(fields) == known, "it has no such field"
        return view
