"""What requests and answers look like; unknown fields of a request are refused."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from holdfast.bootstrap import SessionManager
from holdfast.core.agentconfig import AgentRecord, lends_our_keys
from holdfast.core.errors import Denied, InvalidInput, ScopeDenied
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message
from holdfast.core.principals import EVERY_WORKSPACE
from holdfast.core.settings import Limits, ModelSettings, QueuePolicy
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.securing import SecurityConfig

TEXT_CHARS_MAX = 1_000_000
NAME_CHARS_MAX = 512


class Form(BaseModel):
    """The base of all bodies: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


Name = Annotated[str, StringConstraints(max_length=NAME_CHARS_MAX)]
Body = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARS_MAX)]
NewId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$")]
Money = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$")]
Positive = Annotated[int, Field(ge=1, le=2**53)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Level = Literal["Public", "Normal", "Sensitive", "HighlySensitive", "Critical"]
State = Literal[
    "Creating",
    "Active",
    "Processing",
    "Paused",
    "Completed",
    "Error",
    "Terminating",
    "Terminated",
]


class Done(Form):
    """Whether something was changed."""

    changed: bool


PublicOnly = Annotated[
    Literal[True],
    Field(
        description="A base_url leads to public addresses, or where model_network of the "
        "installation's policy file lists."
    ),
]


class ModelForm(Form):
    """A model; where its key is found is an administrator of all workspaces' to say."""

    provider: Name = Field(min_length=1)
    model: Name = Field(min_length=1)
    base_url: Name | None = None
    key: Name | None = Field(
        default=None, description="A reference such as env:NAME; never the key itself."
    )
    input_usd: Money | None = None
    output_usd: Money | None = None
    public_only: PublicOnly = True

    def settings(self, sessions: SessionManager) -> ModelSettings:
        """The model's settings.

        Raises:
            ScopeDenied: an endpoint or a key is named by somebody who may not: keys of the
                installation would go there, as with the agent's configuration.
            InvalidInput, NetworkBlocked: the endpoint is not a public one.
        """
        fields = self.model_dump(exclude={"public_only"})
        who, model = sessions.acts, ModelSettings(**fields)
        if who is not None and lends_our_keys(AgentRecord(model=model)):
            if not who.may("config:write"):
                raise ScopeDenied("base_url and key need the scope config:write")
            if who.workspace != EVERY_WORKSPACE:
                raise ScopeDenied(
                    "only an administrator of all workspaces names base_url and key of a session: "
                    "a workspace's own configuration brings its own key"
                )
        return sessions.restricted(model)


class LimitsForm(Form):
    """Limits of one turn."""

    max_rounds: Positive = 50
    turn_s: Positive = 3600
    tool_s: Positive = 600
    parallel_tools: Positive = 8


class BudgetForm(Form):
    """Limits of what may be spent; money as decimal text in USD."""

    usd: Money | None = None
    day_usd: Money | None = None
    run_usd: Money | None = None
    action_usd: Money | None = None
    tokens: Count | None = None
    day_tokens: Count | None = None
    run_tokens: Count | None = None
    calls: Count | None = None
    day_calls: Count | None = None
    run_calls: Count | None = None
    wall_s: Count | None = None
    day_wall_s: Count | None = None
    run_wall_s: Count | None = None
    warn_percent: Annotated[int, Field(ge=1, le=100)] | None = None

    def budget(self) -> Budget:
        """The same as the library has it."""
        return Budget(**self.model_dump())


class SecurityForm(Form):
    """How content is looked at; it tightens what the installation says."""

    enabled: bool = True
    flow: Literal["strict", "provenance", "observe"] = "provenance"
    injection: Literal["observe", "messages", "all"] = "messages"
    reader: Level = "Sensitive"
    compliance: list[Name] = Field(default=[], max_length=16)
    redaction_strategy: Literal["remove", "mask", "hash"] = "remove"
    network_whitelist: list[Name] = Field(default=[], max_length=256)
    dangerous_commands: list[Name] = Field(default=[], max_length=256)
    warn_kinds: Count = 3
    reject_kinds: Count = 5
    half_life_days: Count = 30

    def config(self) -> SecurityConfig:
        """The same as the library has it."""
        return SecurityConfig(**self.model_dump())


class ConfigForm(Form):
    """How a session is to be; see `SessionConfig`."""

    name: Name = ""
    workspace: Name = Field(
        default="", description="A directory below one that the server offers; none by default."
    )
    system_prompt: Body | None = None
    max_context_length: Count = 0
    parent_id: NewId | None = None
    permission_policy: Name | dict[str, Any] | None = None
    confirmation_policy: dict[str, Any] | None = None
    security_config: SecurityForm | None = None
    model: ModelForm | None = None
    thinking: bool = False
    thinking_budget: Count | None = None
    tools: list[Name] | None = Field(default=None, max_length=1000)
    unsafe_auto_approve: bool = False
    queue_policy: Literal["enqueue", "steer", "interrupt", "reject"] | None = None
    limits: LimitsForm | None = None
    budget: BudgetForm | None = None

    def config(self, sessions: SessionManager, roots: tuple[str, ...]) -> SessionConfig:
        """The same as the library has it, of what this principal may ask for.

        Raises:
            ScopeDenied: it asks for more than it may.
            Denied: the directory is not offered.
        """
        who = sessions.acts
        if self.unsafe_auto_approve and who is not None and not who.may("policy:write"):
            raise ScopeDenied("unsafe_auto_approve needs the scope policy:write")
        return SessionConfig(
            name=self.name,
            workspace=offered_directory(self.workspace, sessions.tenant, roots),
            system_prompt=self.system_prompt,
            max_context_length=self.max_context_length,
            parent_id=self.parent_id,
            permission_policy=self.permission_policy,
            confirmation_policy=self.confirmation_policy,
            security_config=self.security_config.config() if self.security_config else None,
            model=self.model.settings(sessions) if self.model else None,
            thinking=self.thinking,
            thinking_budget=self.thinking_budget,
            tools=None if self.tools is None else tuple(self.tools),
            unsafe_auto_approve=self.unsafe_auto_approve,
            queue_policy=self.queue_policy or QueuePolicy.ENQUEUE,
            limits=Limits(**self.limits.model_dump()) if self.limits else Limits(),
            budget=self.budget.budget() if self.budget else None,
        )


def offered_directory(path: str, tenant: str, roots: tuple[str, ...]) -> str:
    """A directory that sessions of a workspace may work in, or "" for none.

    It lies below `<root>/<workspace>` of one of the roots that the server offers.

    Raises:
        Denied: it does not.
    """
    if not path:
        return ""
    if "\0" in path:
        raise InvalidInput("a path has no NUL")
    real = os.path.realpath(path)
    for root in roots:
        base = os.path.realpath(os.path.join(root, tenant))
        if real == base or real.startswith(base + os.sep):
            return real
    raise Denied("no such directory is offered here")


class MessageForm(Form):
    """One message of the conversation."""

    role: str
    text: str
    parts: list[dict[str, Any]]
    trusted: bool
    sensitivity: Level


def message_form(message: Message) -> MessageForm:
    """A message as JSON."""
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        fields = asdict(part)
        parts.append({"type": fields.pop("type", "text"), **fields})
    return MessageForm(
        role=message.role.value,
        text=message.text,
        parts=parts,
        trusted=message.label.integrity.name == "TRUSTED",
        sensitivity=level_name(message.label.sensitivity),
    )


def level_name(level: Sensitivity | int) -> Level:
    """A level as the seeds' JSON writes it."""
    names: dict[int, Level] = {
        0: "Public",
        1: "Normal",
        2: "Sensitive",
        3: "HighlySensitive",
        4: "Critical",
    }
    return names[int(level)]
