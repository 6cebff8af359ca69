"""Commands: what somebody asks of a session. The holder of the lease decides."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.core import grants
from holdfast.core.accounts import BudgetChange
from holdfast.core.actions import Action
from holdfast.core.authority import HookFinding
from holdfast.core.events import CostRecord, Outcome, PlanStep, Totals
from holdfast.core.gitstate import GitState
from holdfast.core.ids import EffectRef
from holdfast.core.inspection import Inspected
from holdfast.core.labels import Integrity, Sensitivity
from holdfast.core.messages import Message
from holdfast.core.principals import Bearer
from holdfast.core.quantities import Usage
from holdfast.core.rules import Policy, Rule
from holdfast.core.security import Security
from holdfast.core.settings import ConfirmationPolicy, ModelSettings, QueuePolicy

# --- what people and programs ask: these may wait in the inbox -----------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A user's message that wants an answer.

    Args:
        bearer: by whose token; None is the installation's own program.
    """

    message: Message
    policy: QueuePolicy | None = None
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMessage:
    """A message for the history only; role user or assistant, untrusted (R8 of seed D)."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """Change settings, prompt or details; None leaves a part unchanged.

    A patch rather than a whole, so that two who change different things at the
    same time do not undo each other.

    Args:
        rules: added to the session's own permission rules, all of them or none.
        custom: (key, JSON text) entries of the free metadata; "" removes the key.
        touch: note activity even if nothing changes (seed A3).
        raise_to: the session is at least this sensitive from now on (seed A3).
        tee_active: note that it has used an enclave, unless that is noted (seed A3).
    """

    thinking: bool | None = None
    thinking_tokens: int | None = None
    model: ModelSettings | None = None
    queue_policy: QueuePolicy | None = None
    permission: Policy | None = None
    rules: tuple[Rule, ...] = ()
    confirmation: ConfirmationPolicy | None = None
    budget: BudgetChange | None = None
    security: Security | None = None
    system_prompt: str | None = None
    title: str | None = None
    tags: tuple[str, ...] | None = None
    custom: tuple[tuple[str, str], ...] = ()
    touch: bool = False
    raise_to: Sensitivity | None = None
    tee_active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """End the running turn."""

    why: str = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Owe nothing until resumed."""

    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Go on after a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTo:
    """Walk one edge of the lifecycle: completed, error, active again."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A person's decision on a question.

    Args:
        pattern: one of the question's wider patterns, for a grant; "" is literal.
        arguments: changed arguments as JSON text, for "edit".
        expires_ms: when a grant ends, milliseconds since 1970.
        uses_max: how often a grant may be used.
        amount: the new limit of an account, in its unit.
    """

    question: int
    decision: str
    note: str = ""
    by: str = ""
    pattern: str = ""
    arguments: str = ""
    expires_ms: int | None = None
    uses_max: int | None = None
    amount: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Record a grant that was made outside of a question, and keep its row."""

    grant: grants.Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Take a grant back."""

    id: str
    holder: str
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPlan:
    """Fix which consequential calls are to be made.

    Args:
        source: "user" or "model".
    """

    steps: tuple[PlanStep, ...]
    source: str = "user"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """Lower what the session is labelled with, or begin its cumulative risk anew.

    Args:
        sensitivity, integrity: what holds for everything so far; None leaves it.
    """

    sensitivity: Sensitivity | None = None
    integrity: Integrity | None = None
    risk: bool = False
    why: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChild:
    """Open a child session below this one.

    Args:
        session_id: the child's.
        living: how many of its children have not ended.
    """

    session_id: str
    living: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetContext:
    """Rewind to a version, or clear (`to_version` None)."""

    reason: str
    to_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteExport:
    """Put on record that the session is written out in plain form.

    Args:
        form: the file form, as `holdfast sessions export --format` names it.
    """

    form: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """Wipe the session: destroy its key; `tombstone` also hides it in listings.

    Args:
        keep: ids of the forks and children that are not wiped with it.
    """

    why: str = ""
    tombstone: bool = False
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Take over content from a file."""

    source: str
    head: str = ""
    messages: tuple[Message, ...] = ()
    totals: Totals = field(default_factory=Totals)
    records: tuple[CostRecord, ...] = ()
    created_ms: int = 0
    updated_ms: int = 0
    inert: str = "{}"


External = (
    Send
    | AddMessage
    | Configure
    | Cancel
    | Pause
    | Resume
    | MoveTo
    | Answer
    | Grant
    | Revoke
    | FixPlan
    | Relabel
    | OpenChild
    | SetContext
    | NoteExport
    | Terminate
    | Import
)

# --- what the shell reports: never queued, never accepted from outside -----------


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEnded:
    """A model call came back.

    Args:
        actions: the normalised action of every tool call of the answer, in order.
        ran: it was started; a call that was not costs nothing.
        again: make another attempt, if it may happen and can be paid; else this is
            the outcome.
        before: what earlier attempts used; it has been settled.
        intent: the version of the intent that was carried out; the report of another
            attempt says nothing about this one (contract 1.6).
    """

    ref: EffectRef
    outcome: Outcome
    intent: int = 0
    message: Message | None = None
    usage: Usage | None = None
    model: str = ""
    provider: str = ""
    stop: str = ""
    reason: str = ""
    detail: str = ""
    duration_ms: int = 0
    actions: tuple[Action, ...] = ()
    ran: bool = True
    again: bool = False
    before: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded:
    """A tool call came back; `message` is its result, whatever the outcome.

    Args:
        ran: it was started; a call that was not costs nothing.
        found: what detectors made of the result.
        exposes: how sensitive it is by its tool's manifest.
        intent: as of `ModelEnded`.
    """

    ref: EffectRef
    outcome: Outcome
    message: Message
    intent: int = 0
    exit_code: int = 0
    duration_ms: int = 0
    reason: str = ""
    metadata: str = "{}"
    ran: bool = True
    found: Inspected | None = None
    exposes: Sensitivity = Sensitivity.PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGone:
    """The data key has been destroyed."""

    destroyed_at_ms: int
    key_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """An engine has loaded the session: settle what another one left open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A timer fell due, or the world may have changed: look at what is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDone:
    """The hooks before a call have spoken.

    Args:
        finding: what they said of the action they saw.
        arguments: changed arguments as JSON text, or "".
        action: the normalised action with those, or None.
    """

    ref: EffectRef
    finding: HookFinding
    arguments: str = ""
    action: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSeen:
    """The workspace's git state at a turn's end (seed E10)."""

    git: GitState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """A tool or model call beside the turn is wanted: the embedding program's, mostly.

    Args:
        asked: under which reference it is known what hooks said of it.
        extracts: it is the quarantined model call of an extraction.
        bearer: by whose token it is asked for; None is the installation's own program,
            or the turn of which an extraction is a part.
    """

    action: Action
    asked: EffectRef | None = None
    extracts: bool = False
    bearer: Bearer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnded:
    """Such a call came back; its content is the program's, not the session's."""

    ref: EffectRef
    outcome: Outcome
    usage: Usage | None = None
    model: str = ""
    provider: str = ""
    exit_code: int = 0
    duration_ms: int = 0
    reason: str = ""
    ran: bool = True


Internal = (
    HostCall | HostEnded | HookDone | ModelEnded | ToolEnded | KeyGone | Recover | Tick | GitSeen
)

Command = External | Internal
