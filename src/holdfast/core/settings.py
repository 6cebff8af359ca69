"""Settings of a session: everything durable that a person chose, bounded in size.

The system prompt is not here: it may be long, so it stays in its event and the
fold keeps only where (contract 1.12).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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
    """

    provider: str
    model: str
    base_url: str | None = None
    key: str | None = None


DEFAULT_CONTEXT_TOKENS = 200_000
DEFAULT_AUTO_COMPACT_THRESHOLD = 0.80
TOOLS_MAX = 512
EXTRA_CHARS_MAX = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The durable, bounded part of a session's configuration (seed D3).

    Args:
        max_context_length: tokens; 0 means the model's, at most 200 000.
        tools: names of the tools the session may use; None means all offered.
        unsafe_auto_approve: write, edit and bash run without being asked about.
        thinking_tokens: reasoning budget in tokens, used while thinking is on.
        extra: unknown fields of a configuration, kept as JSON text.
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

    @property
    def context_tokens(self) -> int:
        """The context limit in tokens."""
        return self.max_context_length or DEFAULT_CONTEXT_TOKENS
