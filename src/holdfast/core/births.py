"""Events of what comes in: birth, settings and messages, and the values they carry.

Import them from `events`, which has all kinds and their codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.core.gitstate import GitState
from holdfast.core.inspection import Inspected
from holdfast.core.labels import TRUSTED, Label, Sensitivity
from holdfast.core.messages import Message
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage
from holdfast.core.risk import NO_RISK, UNEXPOSED, Exposure, Risk
from holdfast.core.settings import Settings


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


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One of the sessions that a child stands below (seeds B7, E2)."""

    session_id: str
    stream: int


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

    Args:
        lineage: of a child, all it stands below, the root first.
        exposure, risk: what a fork or a child takes over from where it comes from.
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
    lineage: tuple[Ancestor, ...] = ()
    exposure: Exposure = UNEXPOSED
    risk: Risk = NO_RISK


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Settings changed; None leaves a part unchanged. `touched` notes activity alone.

    Args:
        limits: (account, limit) that this append sets; None means no limit.
        raise_to: the session is at least this sensitive from now on, or None.
        tee_active: the session has used an enclave, by the word of the program.
    """

    settings: Settings | None = None
    system_prompt: str | None = None
    details: Details | None = None
    git: GitState | None = None
    git_checked: bool = False
    touched: bool = False
    limits: tuple[tuple[str, int | None], ...] = ()
    raise_to: Sensitivity | None = None
    tee_active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Content taken over from a file; untrusted, its grants inert.

    Args:
        source: the file's form.
        head: the source's head hash, if it had one.
        inert: JSON text of what is kept but never acted on.
        found: what detectors made of all of it together.
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
    found: Inspected | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A message crossed the gate.

    Args:
        command: id of the command that brought it, hex, or "".
        turn: it starts a turn or steers the one that runs.
        found: what detectors made of it.
        bearer: by whose token it came; None is the installation's own program.
    """

    message: Message
    tokens: int
    turn: bool = True
    command: str = ""
    found: Inspected | None = None
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message did not cross the gate; no content (contract 2.20)."""

    action: str
    guard: str
    reason: str
    command: str = ""
