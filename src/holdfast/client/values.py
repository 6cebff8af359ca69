"""What a server answers with, as values; they are those of the library, field by field.

A test holds them against `holdfast.runtime`'s: same names, same types, same defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.core.gitstate import GitState
from holdfast.core.labels import Sensitivity
from holdfast.core.quantities import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session's facts in one consistent read; times are epoch seconds."""

    id: str
    user_id: str
    channel_id: str
    chat_id: str
    state: str
    sensitivity_level: str
    created_at: int
    last_activity: int
    message_count: int
    metadata: Mapping[str, object]
    tee_active: bool
    title: str = ""
    tags: tuple[str, ...] = ()
    updated_at: int = 0
    turn_count: int = 0
    tool_call_count: int = 0
    approval_count: int = 0
    version: int = 0
    workspace: str = ""
    model: str = ""
    state_reason: str = ""
    waiting_questions: int = 0
    token_count: int = 0
    git: GitState | None = None
    damaged: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSession:
    """One row of a listing; times are epoch seconds."""

    id: str
    state: str
    sensitivity_level: str
    created_at: int
    updated_at: int
    last_activity: int
    message_count: int
    turn_count: int
    tool_call_count: int
    title: str = ""
    tags: tuple[str, ...] = ()
    user_id: str = ""
    channel_id: str = ""
    chat_id: str = ""
    workspace: str = ""
    model: str = ""
    damaged: str = ""
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of a listing; `cursor` is empty at the end."""

    sessions: tuple[ListedSession, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """How full the context is; `percent` is a fraction from 0.0 to 1.0."""

    used_tokens: int = 0
    max_tokens: int = 200_000
    percent: float = 0.0
    turns: int = 0


@dataclass(frozen=True, slots=True)
class CostLine:
    """Calls and their usage; `usage.estimated` says that a price was not known."""

    calls: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSummary:
    """Totals, by model and by day in UTC."""

    total: CostLine
    by_model: dict[str, CostLine]
    by_day: dict[str, CostLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportNote:
    """A plain export of a session that is on record; see the library's."""

    version: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeReceipt:
    """What a termination is worth; see the library's."""

    session_id: str
    destroyed_at_ms: int
    key_epoch: int
    erased: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    checkpoint: int = 0
    exports: tuple[ExportNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A value that is followed in a session, without the value; see the library's.

    Args:
        fingerprint: its digest under the session's own key.
        pseudonym: what a model that may not see it is told instead.
    """

    fingerprint: str
    kind: str
    level: Sensitivity
    pseudonym: str


@dataclass(frozen=True, slots=True)
class WiderPattern:
    """A rule that may be granted instead of the literal one, with what it would match."""

    pattern: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question that waits for a person.

    Args:
        id: names it in every session of the workspace: `<session>:<question>`.
        question: its number in the session's log.
        about: "approval", "escape", "budget" or "in_doubt".
        preview: the arguments as a person is shown them.
        choices: what may be answered.
        asked_ms, due_ms: milliseconds since 1970; without a due time it waits for ever.
        quorum: how many different people must say yes; yes: who has.
    """

    id: str
    session_id: str
    question: int
    about: str
    tool: str
    text: str
    choices: tuple[str, ...]
    asked_ms: int
    tool_ids: tuple[str, ...] = ()
    preview: str = ""
    codes: tuple[str, ...] = ()
    patterns: tuple[WiderPattern, ...] = ()
    due_ms: int | None = None
    quorum: int = 1
    yes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The approval as one JSON object, as the command line prints it."""
        return {
            "id": self.id,
            "session": self.session_id,
            "question": self.question,
            "about": self.about,
            "tool": self.tool,
            "tool_ids": list(self.tool_ids),
            "preview": self.preview,
            "text": self.text,
            "codes": list(self.codes),
            "choices": list(self.choices),
            "patterns": [
                {"pattern": one.pattern, "samples": list(one.samples)} for one in self.patterns
            ],
            "asked_ms": self.asked_ms,
            "due_ms": self.due_ms,
            "quorum": self.quorum,
            "yes": list(self.yes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One thing that is granted; see the library's."""

    id: str
    rule: str
    literal: bool
    scope: str
    kind: str
    permissions: tuple[str, ...] = ()
    created_ms: int = 0
    expires_ms: int | None = None
    uses_max: int | None = None
    uses_left: int | None = None
    by: str = ""
    session: str = ""
    version: int = 0
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """One account as it stands; `unit` is micros (micro-USD), tokens, calls or wall_ms."""

    name: str
    id: str
    holder: str
    period: str
    unit: str
    limit: int | None
    used: int
    held: int
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReport:
    """How much about a person a session was told: kinds of data, their weight, what it comes to."""

    kinds: Mapping[str, int]
    points: float
    decision: str = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trifecta:
    """The tools of a session by what makes them dangerous together."""

    untrusted: tuple[str, ...]
    private: tuple[str, ...]
    egress: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all three come together: then text alone may steal data."""
        return bool(self.untrusted and self.private and self.egress)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSession:
    """What an import came to: the new session's id, what does nothing, and notes."""

    id: str
    source: str
    messages: int
    inert_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What a run came to; the conversation after it is `history`.

    Args:
        text: the answer.
        usage: of all model calls of the run.
        tool_calls_count: tool calls that were carried out.
        version: version of the log at which the run ended.
        trusted: no words of strangers may have shaped the answer.
    """

    text: str
    usage: Usage
    tool_calls_count: int
    version: int
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEvent:
    """One event as subscribers see it; types and fields as in docs/reference/stream-events.md.

    Args:
        version: version of the log it stands for or follows; the resume point.
        run: version of the message that started the run, or 0 outside of one.
        data: the fields of its type.
        live: it is not in the log and will not be replayed.
    """

    type: str
    session: str
    version: int
    time_ms: int
    run: int = 0
    data: Mapping[str, object] = field(default_factory=dict)
    live: bool = False

    def to_json(self) -> dict[str, object]:
        """The event as one flat JSON object."""
        head = {
            "type": self.type,
            "session": self.session,
            "version": self.version,
            "time_ms": self.time_ms,
            "run": self.run,
        }
        return {**head, **self.data}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the gate would decide about a call, and why."""

    decision: str
    rule: str
    scope: str
    codes: tuple[str, ...]
    details: tuple[str, ...]
    grants: tuple[str, ...]
    role: str
    task_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was written; a note is worth knowing, no damage."""

    session: str
    version: int
    kind: str
    severity: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What a verification came to."""

    ok: bool
    sessions: int
    events: int
    wiped: int
    findings: tuple[Finding, ...]
    limits: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A step of a plan, and how often it may still be taken."""

    tool: str
    arguments: str
    left: int
    times: int = 1
