"""Settings of a session: everything durable that a person chose, bounded in size.

The system prompt is not here: it may be long, so it stays in its event and the
fold keeps only where (contract 1.12).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.core.accounts import BudgetSettings
from holdfast.core.labels import Sensitivity
from holdfast.core.quantities import price_per_million
from holdfast.core.rules import Policy
from holdfast.core.security import Security, Zone
from holdfast.core.tools import Lane


class QueuePolicy(StrEnum):
    """What happens to a message that arrives while a turn runs."""

    ENQUEUE = "enqueue"
    REJECT = "reject"
    INTERRUPT = "interrupt"
    STEER = "steer"


class StorageType(StrEnum):
    """Which registered store keeps a session (seed D3)."""

    MEMORY = "memory"
    FILE = "file"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one turn.

    Args:
        max_rounds: model calls.
        turn_s: wall clock in seconds; time spent waiting for a person, paused
            or not running at all does not count.
        tool_s: longest a single tool call may take, in seconds.
        parallel_tools: read-only calls that may run at once.
    """

    max_rounds: int = 50
    turn_s: int = 3600
    tool_s: int = 600
    parallel_tools: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which model, and where its key is found; never the key itself.

    Args:
        provider: "openai", "anthropic" or the name of a compatible provider.
        model: the provider's model name.
        base_url: another endpoint that speaks the provider's protocol.
        key: a reference, `env:NAME`, `file:/path` or `keyring:service/name`;
            a literal key is refused. Default: the provider's usual variable.
        input_usd, output_usd: prices in USD per million tokens, as decimal text; "0"
            for a model that costs nothing. Tokens of a cache are charged as input,
            those of reasoning as output. None means as the table of prices has it.
        zone: where it runs; None means "local" for an address on this machine and
            "public" for any other.
        sees: the most sensitive content it may see in clear; None means as its zone.
        public_only: its requests go to public addresses only, whatever the `base_url`
            leads to, unless the installation's `model_network` lists where. A server sets
            it on every `base_url` that it is given.
    """

    provider: str
    model: str
    base_url: str | None = None
    key: str | None = None
    input_usd: str | None = None
    output_usd: str | None = None
    zone: Zone | None = None
    sees: Sensitivity | None = None
    public_only: bool = False

    @property
    def problem(self) -> str:
        """Why these prices cannot be, or "" if they can."""
        for name in ("input_usd", "output_usd"):
            given = getattr(self, name)
            try:
                if given is not None:
                    price_per_million(given)
            except ValueError as error:
                return f"{name}: {error}"
        return ""


class TimeoutAction(StrEnum):
    """What a question comes to when its time runs out (seed D6)."""

    REJECT = "reject"
    UNSAFE_AUTO_APPROVE = "unsafe_auto_approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPolicy:
    """How people confirm tool calls (seeds B13, D6); the permission policy says which.

    Args:
        enabled: False denies what would have to be asked.
        attended_s: how long a question waits while somebody who can answer is
            connected, in seconds.
        unattended_s: how long one waits in the deferred queue, in seconds; None
            means for ever.
        timeout_action: what happens then.
        unsafe_auto_approve: lanes whose calls run without being asked about.
        quorum: how many different people must say yes to a critical action.
        critical: rules of actions that need the quorum.
    """

    enabled: bool = True
    attended_s: int = 120
    unattended_s: int | None = None
    timeout_action: TimeoutAction = TimeoutAction.REJECT
    unsafe_auto_approve: tuple[Lane, ...] = ()
    quorum: int = 2
    critical: tuple[str, ...] = ()


DEFAULT_CONTEXT_TOKENS = 200_000
DEFAULT_AUTO_COMPACT_THRESHOLD = 0.80
TOOLS_MAX = 512
EXTRA_CHARS_MAX = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The durable, bounded part of a session's configuration (seed D3).

    Args:
        max_context_length: tokens; 0 means the model's, at most 200 000.
        tools: names of the tools the session may use; None means all offered.
        unsafe_auto_approve: write, edit and bash run without being asked about.
        thinking_tokens: reasoning budget in tokens, used while thinking is on.
        extra: unknown fields of a configuration, kept as JSON text.
        hook_engine: name of the hook engine it was made with; it runs nowhere else.
        permission: the session's own rules; None means those of the installation.
        confirmation: how people are asked.
        budget: limits of what the session may spend.
        security: how content is looked at and where it may go.
        sealed: its content is only ever in a process of its own.
    """

    name: str = ""
    workspace: str = ""
    max_context_length: int = 0
    auto_compact: bool = False
    auto_compact_threshold: float = DEFAULT_AUTO_COMPACT_THRESHOLD
    storage_type: StorageType = StorageType.FILE
    parent_id: str | None = None
    model: ModelSettings | None = None
    thinking: bool = False
    thinking_tokens: int | None = None
    tools: tuple[str, ...] | None = None
    unsafe_auto_approve: bool = False
    queue_policy: QueuePolicy = QueuePolicy.ENQUEUE
    limits: Limits = field(default_factory=Limits)
    extra: str = "{}"
    hook_engine: str = ""
    permission: Policy | None = None
    confirmation: ConfirmationPolicy = field(default_factory=ConfirmationPolicy)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    security: Security = field(default_factory=Security)
    sealed: bool = False

    @property
    def context_tokens(self) -> int:
        """The context limit in tokens."""
        return self.max_context_length or DEFAULT_CONTEXT_TOKENS
