"""Events: the durable facts of a session, few and coarse (contract 4.1).

A kind's code never changes and is never used again. Fields are never removed or
reordered; new ones come last with a default, and a reader ignores what it does
not know. Bit 0x8000 of a code says *must understand*: a program that does not
know such a kind may read the session but not lead it (contract 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.core.gitstate import GitState
from holdfast.core.labels import TRUSTED, Label
from holdfast.core.messages import Message
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings

MUST_UNDERSTAND = 0x8000

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of versions: which events' messages the model sees."""


class Outcome(StrEnum):
    """How an effect ended."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRecord:
    """One model call's usage and price (seed D11)."""

    model: str
    provider: str
    usage: Usage
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a fork comes from."""

    session_id: str
    stream: int
    version: int
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts that an import or a fork brings along."""

    messages: int = 0
    turns: int = 0
    rounds: int = 0
    tool_calls: int = 0
    approvals: int = 0
    usage: Usage = field(default_factory=Usage)
    last_prompt_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a person may change about a session besides its settings.

    Args:
        custom: free metadata as JSON text (seeds A1, C1, E8).
    """

    title: str = ""
    tags: tuple[str, ...] = ()
    custom: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Birth: who, where, with what; commits to the data key (contract 1.3).

    A fork carries its parent's visible window, re-encrypted, and its totals;
    labels are those of the parent's head (contract 1.4).
    """

    session_id: str
    tenant: str
    user_id: str
    installation: str
    commitment: str
    settings: Settings = field(default_factory=Settings)
    system_prompt: str = ""
    details: Details = field(default_factory=Details)
    channel_id: str = ""
    chat_id: str = ""
    git: GitState | None = None
    origin: Origin | None = None
    messages: tuple[Message, ...] = ()
    tokens: int = 0
    totals: Totals = field(default_factory=Totals)
    label: Label = TRUSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Settings changed; None leaves a part unchanged. `touched` notes activity alone."""

    settings: Settings | None = None
    system_prompt: str | None = None
    details: Details | None = None
    git: GitState | None = None
    git_checked: bool = False
    touched: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Content taken over from a file; untrusted, its grants inert.

    Args:
        source: the file's form.
        head: the source's head hash, if it had one.
        inert: JSON text of what is kept but never acted on.
    """

    source: str
    head: str = ""
    messages: tuple[Message, ...] = ()
    tokens: int = 0
    totals: Totals = field(default_factory=Totals)
    records: tuple[CostRecord, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0
    inert: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A message crossed the gate.

    Args:
        command: id of the command that brought it, hex, or "".
        turn: it starts a turn or steers the one that runs.
    """

    message: Message
    tokens: int
    turn: bool = True
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message did not cross the gate; no content (contract 2.20)."""

    action: str
    guard: str
    reason: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question to a person; its id is this event's version.

    Args:
        about: "in_doubt" or "approval".
        due_ms: when it lapses, or None.
    """

    cause: int
    ordinal: int
    about: str
    name: str
    digest: str
    text: str
    choices: tuple[str, ...]
    due_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A person decided."""

    question: int
    decision: str
    note: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapsed:
    """A question was withdrawn or its time ran out."""

    question: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectStarted:
    """Intent, verdict included, durable before the act.

    Args:
        effect: "model", "tool" or "destroy_key".
        digest: of the action the verdict was for.
        engine: the engine object that will act; any other finds it in doubt.
        revisions: (scope, revision) the verdict relied on.
    """

    cause: int
    ordinal: int
    effect: str
    name: str = ""
    digest: str = ""
    attempt: int = 1
    engine: str = ""
    revisions: tuple[tuple[str, int], ...] = ()
    obligations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEnded:
    """Outcome of a model call or a tool call.

    Args:
        message: the answer or the tool's result; of a cancelled call, what was
            said so far.
        parallel: ordinals of the answer's calls that may run at once.
        duration_ms: how long it took.
        reason: stable code when it did not end well.
        metadata: facts for people and programs as JSON text.
    """

    cause: int
    ordinal: int
    effect: str
    outcome: Outcome
    message: Message | None = None
    tokens: int = 0
    parallel: tuple[int, ...] = ()
    usage: Usage | None = None
    model: str = ""
    provider: str = ""
    stop: str = ""
    exit_code: int = 0
    duration_ms: int = 0
    reason: str = ""
    detail: str = ""
    metadata: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSet:
    """Which messages the model sees from now on, and nothing else (contract 1.4).

    Args:
        reason: "clear", "rewind", "compact" or "undo".
        window: inclusive ranges of versions.
        tokens, count: of what is visible now.
        summary: shown before the window.
    """

    reason: str
    window: Ranges
    tokens: int
    count: int
    summary: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Nothing is owed until `Resumed`."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The session goes on where it stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSet:
    """The lifecycle moved along one edge: completed, error, active again."""

    state: str
    reason: str = ""
    tombstone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """The turn is to end; whatever runs for it is surplus.

    Args:
        why: "user", "max_rounds", "turn_time", "interrupt", "ended" …
    """

    why: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeStarted:
    """Intent to destroy the session's key; stored in clear, signed, without content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiped:
    """The session's key is destroyed; stored in clear, signed (contract 1.8).

    Args:
        destroyed_at_ms: when, milliseconds since 1970.
        key_epoch: copies of the key store stay readable until this epoch of the
            installation key is destroyed.
    """

    destroyed_at_ms: int
    key_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Nothing follows; stored in clear, signed."""

    tombstone: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a later program that may be ignored; it is kept, never folded."""

    kind: int


Event = (
    Opened
    | Configured
    | Imported
    | Admitted
    | Refused
    | Asked
    | Answered
    | Lapsed
    | EffectStarted
    | EffectEnded
    | ContextSet
    | Paused
    | Resumed
    | StateSet
    | CancelAsked
    | WipeStarted
    | Wiped
    | Ended
    | Unknown
)

KIND_OF: dict[type[Event], int] = {
    Opened: MUST_UNDERSTAND | 1,
    Configured: MUST_UNDERSTAND | 2,
    Imported: MUST_UNDERSTAND | 3,
    Admitted: MUST_UNDERSTAND | 4,
    Refused: 5,
    Asked: MUST_UNDERSTAND | 6,
    Answered: MUST_UNDERSTAND | 7,
    Lapsed: MUST_UNDERSTAND | 8,
    EffectStarted: MUST_UNDERSTAND | 9,
    EffectEnded: MUST_UNDERSTAND | 10,
    ContextSet: MUST_UNDERSTAND | 11,
    Paused: MUST_UNDERSTAND | 12,
    Resumed: MUST_UNDERSTAND | 13,
    StateSet: MUST_UNDERSTAND | 14,
    CancelAsked: MUST_UNDERSTAND | 15,
    WipeStarted: MUST_UNDERSTAND | 16,
    Wiped: MUST_UNDERSTAND | 17,
    Ended: MUST_UNDERSTAND | 18,
}
TYPE_OF: dict[int, type[Event]] = {code: kind for kind, code in KIND_OF.items()}

IN_CLEAR: frozenset[type[Event]] = frozenset({WipeStarted, Wiped, Ended})
"""Kinds whose payload is stored in clear, hashed and signed (contract 1.8)."""
