"""Events: the durable facts of a session, few and coarse (contract 4.1).

A kind's code never changes and is never used again. Fields are never removed or
reordered; new ones come last with a default, and a reader ignores what it does
not know. Bit 0x8000 of a code says *must understand*: a program that does not
know such a kind may read the session but not lead it (contract 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.births import (
    Admitted,
    Ancestor,
    Configured,
    CostRecord,
    Details,
    Imported,
    Opened,
    Origin,
    Outcome,
    Refused,
    Totals,
)
from holdfast.core.endings import Ended, Exported, Wiped, WipeStarted
from holdfast.core.grants import Grant
from holdfast.core.inspection import Inspected
from holdfast.core.messages import Message
from holdfast.core.plans import PlanFixed, PlanStep, Relabelled
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage

__all__ = [
    "IN_CLEAR",
    "KIND_OF",
    "MUST_UNDERSTAND",
    "TYPE_OF",
    "Admitted",
    "Ancestor",
    "Answered",
    "Asked",
    "CancelAsked",
    "ChildOpened",
    "Configured",
    "ContextSet",
    "CostRecord",
    "Details",
    "EffectEnded",
    "EffectStarted",
    "Ended",
    "Event",
    "Exported",
    "Granted",
    "Imported",
    "Lapsed",
    "Modified",
    "Opened",
    "Origin",
    "Outcome",
    "Paused",
    "PlanFixed",
    "PlanStep",
    "Ranges",
    "Refused",
    "Relabelled",
    "Resumed",
    "Revoked",
    "StateSet",
    "Totals",
    "Unknown",
    "Warned",
    "WipeStarted",
    "Wiped",
]

MUST_UNDERSTAND = 0x8000

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of versions: which events' messages the model sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question to a person; its id is this event's version.

    Args:
        about: "in_doubt", "approval", "escape" or "budget".
        due_ms: when it lapses, or None.
        codes: `guard.reason` of what is asked; a yes covers just these.
        policy: version of the policies; a yes holds only under the same one.
        label: sensitivity and integrity of the session when it was asked.
        preview: the arguments as the person is shown them.
        patterns: rules wider than the literal one that may be chosen instead.
        quorum: how many different people must say yes.
        also: ordinals of identical calls that wait for the same answer.
        samples: of each wider pattern, what it would match besides.
    """

    cause: int
    ordinal: int
    about: str
    name: str
    digest: str
    text: str
    choices: tuple[str, ...]
    due_ms: int | None = None
    codes: tuple[str, ...] = ()
    policy: str = ""
    label: str = ""
    preview: str = ""
    patterns: tuple[str, ...] = ()
    quorum: int = 1
    also: tuple[int, ...] = ()
    samples: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A person decided.

    Args:
        decision: one of the question's choices.
        note: feedback, which the model reads after a denial.
        arguments: changed arguments as JSON text, when the decision is "edit".
        also: ordinals of identical calls that the answer covers as well.
        amount: the new limit, when an account is raised.
        limits: (account, limit) that this append sets.
    """

    question: int
    decision: str
    note: str = ""
    by: str = ""
    arguments: str = ""
    also: tuple[int, ...] = ()
    amount: int = 0
    limits: tuple[tuple[str, int | None], ...] = ()


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
        takes: (counter, amount) that this append reserved.
        grants: ids of the grants the verdict rests on.
        settles: what a former attempt held, settled by this append.
        step: the step of the plan that it takes, from 1 on, or 0.
        bearer: of a call beside the turn: by whose token; a turn knows its own.
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
    takes: tuple[tuple[str, int], ...] = ()
    grants: tuple[str, ...] = ()
    settles: tuple[tuple[str, int, int], ...] = ()
    step: int = 0
    bearer: Bearer | None = None


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
        settles: (counter, held, used): reservations that this append settled.
        found: what detectors made of the message.
        exposes: how sensitive a result is by its tool's manifest, 0 to 4.
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
    settles: tuple[tuple[str, int, int], ...] = ()
    found: Inspected | None = None
    exposes: int = 0


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
    """The lifecycle moved along one edge: completed, error, active again.

    Args:
        keep: where it ends, ids of the forks and children that are not wiped with it.
    """

    state: str
    reason: str = ""
    tombstone: bool = False
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """The turn is to end; whatever runs for it is surplus.

    Args:
        why: "user", "max_rounds", "turn_time", "interrupt", "ended" …
    """

    why: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Authority was given: an allowance, an escape or a capability (seed E)."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A grant was taken back, or used up.

    Args:
        holder: the scope of the store it was kept under.
    """

    id: str
    holder: str
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A limit is near: recorded once an account and period.

    Args:
        about: "budget".
        subject: the account's id.
        detail: for people.
    """

    about: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modified:
    """A hook changed a call's arguments; what is judged and run is the new form.

    Args:
        arguments: JSON text.
        by: the hook.
    """

    cause: int
    ordinal: int
    arguments: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildOpened:
    """The gate let a child session be opened below this one (seed B7)."""

    session_id: str


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
    | Granted
    | Revoked
    | Warned
    | Modified
    | ChildOpened
    | PlanFixed
    | Relabelled
    | Exported
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
    Granted: MUST_UNDERSTAND | 19,
    Revoked: MUST_UNDERSTAND | 20,
    Warned: MUST_UNDERSTAND | 21,
    Modified: MUST_UNDERSTAND | 22,
    ChildOpened: MUST_UNDERSTAND | 23,
    PlanFixed: MUST_UNDERSTAND | 24,
    Relabelled: MUST_UNDERSTAND | 25,
    Exported: MUST_UNDERSTAND | 26,
}
TYPE_OF: dict[int, type[Event]] = {code: kind for kind, code in KIND_OF.items()}

IN_CLEAR: frozenset[type[Event]] = frozenset({WipeStarted, Wiped, Ended})
"""Kinds whose payload is stored in clear, hashed and signed (contract 1.8)."""
