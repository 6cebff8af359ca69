"""What callers hand in and get back: configuration, results, infos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.decide.content import check_settings
from holdfast.core.errors import InvalidInput, LiteralSecret, NotYetSupported
from holdfast.core.gitstate import GitState
from holdfast.core.labels import TRUSTED, Label
from holdfast.core.messages import Message
from holdfast.core.policyform import policy_of
from holdfast.core.quantities import Usage
from holdfast.core.rules import Policy
from holdfast.core.settings import (
    DEFAULT_AUTO_COMPACT_THRESHOLD,
    ConfirmationPolicy,
    Limits,
    ModelSettings,
    QueuePolicy,
    Settings,
    StorageType,
)
from holdfast.runtime.budgets import Budget
from holdfast.runtime.confirming import confirmation_of
from holdfast.runtime.hooks import HookEngine
from holdfast.runtime.securing import SecurityConfig, security_of

KEY_REFERENCES = ("env:", "file:", "keyring:")

_LATER = ("queue_config",)
_LATER_FLAGS = ("auto_compact", "planning_enabled", "goal_tracking")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """How a session is to be (seed D3).

    A field whose feature does not exist yet is refused with `NotYetSupported`.

    Args:
        name: a display name; the title falls back to it.
        workspace: a directory on this machine; "" for none.
        system_prompt: None for none.
        max_context_length: tokens; 0 means 200 000 or the model's own limit.
        storage_type: which registered store keeps it.
        model: the session's own model; None means the manager's default.
        tools: names of the tools it may use; None means all offered.
        permission_policy: the session's own rules: a policy, a preset's name or a
            mapping with lists `allow`, `deny` and `ask`; None means those above it.
        unsafe_auto_approve: write, edit and bash run without being asked about.
        queue_policy: what happens to a message that arrives during a turn.
        limits: of one turn.
        budget: of what it may spend; None means $100, and $10 for one action.
        confirmation_policy: how people are asked, also as the seeds' dictionary.
        parent_id: the session it is to stand below (`create_child_session`).
        security_config: how content is looked at and where it may go; None means as
            the installation says. It tightens that and never loosens it.
        sealed: its content is only ever in a process of its own, which ends with the
            wipe; needs a store file and what can be told to another process.
        hook_engine: hooks of its own; the session goes on only where an engine of
            that name is registered.
        extra: unknown fields, kept as they are.
    """

    name: str = ""
    workspace: str = ""
    system_prompt: str | None = None
    max_context_length: int = 0
    auto_compact: bool = False
    auto_compact_threshold: float = DEFAULT_AUTO_COMPACT_THRESHOLD
    storage_type: StorageType | str = StorageType.FILE
    queue_config: object = None
    confirmation_policy: ConfirmationPolicy | Mapping[str, object] | None = None
    permission_policy: Policy | str | Mapping[str, object] | None = None
    parent_id: str | None = None
    security_config: SecurityConfig | None = None
    hook_engine: HookEngine | None = None
    planning_enabled: bool = False
    goal_tracking: bool = False
    model: ModelSettings | None = None
    thinking: bool = False
    thinking_budget: int | None = None
    tools: tuple[str, ...] | None = None
    unsafe_auto_approve: bool = False
    queue_policy: QueuePolicy | str = QueuePolicy.ENQUEUE
    limits: Limits = field(default_factory=Limits)
    budget: Budget | None = None
    sealed: bool = False
    extra: Mapping[str, object] = field(default_factory=dict)

    def with_workspace(self, path: str) -> SessionConfig:
        """The same with another workspace (seed E3)."""
        return replace(self, workspace=path)

    def with_model(self, model: ModelSettings) -> SessionConfig:
        """The same with a model of its own (seed E3)."""
        return replace(self, model=model)

    def to_settings(self, workspace: str) -> Settings:
        """The durable settings; `workspace` is the resolved path.

        Raises:
            NotYetSupported: a field of a later feature is set.
            InvalidInput: a value is out of range.
        """
        for name in _LATER:
            if getattr(self, name) is not None:
                raise NotYetSupported(f"{name} is not supported yet")
        for name in _LATER_FLAGS:
            if getattr(self, name):
                raise NotYetSupported(f"{name} is not supported yet")
        if not isinstance(self.hook_engine, HookEngine | None):
            raise InvalidInput("hook_engine is a HookEngine")
        if not isinstance(self.sealed, bool):
            raise InvalidInput("sealed is True or False")
        if self.model is not None:
            check_model(self.model)
        try:
            storage, policy = StorageType(self.storage_type), QueuePolicy(self.queue_policy)
            extra = json.dumps(dict(self.extra), separators=(",", ":"), sort_keys=True)
        except (ValueError, TypeError) as error:
            raise InvalidInput(str(error)) from None
        settings = Settings(
            name=self.name,
            workspace=workspace,
            max_context_length=self.max_context_length,
            auto_compact_threshold=self.auto_compact_threshold,
            storage_type=storage,
            model=self.model,
            thinking=self.thinking,
            thinking_tokens=self.thinking_budget,
            tools=self.tools,
            unsafe_auto_approve=self.unsafe_auto_approve,
            confirmation=confirmation_of(
                ConfirmationPolicy()
                if self.confirmation_policy is None
                else self.confirmation_policy
            ),
            hook_engine=self.hook_engine.name if self.hook_engine else "",
            queue_policy=policy,
            limits=self.limits,
            budget=(self.budget or Budget()).settings(),
            extra=extra,
            permission=policy_of(self.permission_policy),
            security=security_of(self.security_config),
            sealed=self.sealed,
        )
        check_settings(settings)
        return settings


def check_model(model: ModelSettings) -> None:
    """Refuse a model whose key is given literally (contract 2.12).

    Raises:
        LiteralSecret: the key is not a reference.
        InvalidInput: provider or model is missing, or a price is none.
    """
    if model.key is not None and not model.key.startswith(KEY_REFERENCES):
        raise LiteralSecret("a key is given as env:NAME, file:/path or keyring:service/name")
    if not model.provider or not model.model:
        raise InvalidInput("a model needs a provider and a model name")
    if model.problem:
        raise InvalidInput(model.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """What a run came to (seed B8).

    Args:
        text: the answer.
        messages: the visible conversation after it.
        usage: of all model calls of the run.
        tool_calls_count: tool calls that were carried out.
        version: version of the log at which the run ended.
        label: of the answer; untrusted where strangers' words may have shaped it.
    """

    text: str
    messages: Sequence[Message]
    usage: Usage
    tool_calls_count: int
    version: int
    label: Label = TRUSTED


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """How full the context is (seed D2).

    Args:
        used_tokens: of the last call, or estimated since.
        max_tokens: the limit.
        percent: used / max as a fraction from 0.0 to 1.0.
        turns: finished model rounds.
    """

    used_tokens: int = 0
    max_tokens: int = 200_000
    percent: float = 0.0
    turns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session's facts in one consistent read (seeds A1, E8).

    Times are epoch seconds. `metadata` is the free metadata of A1 and E8.
    """

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
class ExportNote:
    """A plain export of a session that is on record.

    Args:
        version: of the event that tells of it.
        time_ms: when, milliseconds since 1970.
    """

    version: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeReceipt:
    """What a termination is worth (contract 1.1).

    The session is unreadable here now. Copies of the key store made before stay
    readable until `key_epoch` of the installation key is destroyed (`holdfast
    keys rotate`). Plain exports are out of reach; those made here are listed.

    Args:
        erased, kept: forks and children that were wiped with it, and that were not.
        checkpoint: number of the checkpoint that signs the end, or 0 for none.
        exports: what was written out of this session in plain form, which no wipe
            reaches; those of what was erased with it are in their own receipts' logs.
    """

    session_id: str
    destroyed_at_ms: int
    key_epoch: int
    erased: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    checkpoint: int = 0
    exports: tuple[ExportNote, ...] = ()
