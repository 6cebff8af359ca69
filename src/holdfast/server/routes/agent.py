"""The agent's configuration: which model turns go to by default (seed B2)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field, SecretStr

from holdfast.core.agentconfig import KEEP, SECRET_CHARS_MAX, AgentConfig, CallSettings, Keep
from holdfast.core.errors import InvalidInput
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.runtime.securing import level_of
from holdfast.server.auth import Acting, Commanding, require
from holdfast.server.conditions import Expected, tagged
from holdfast.server.forms import Form, Level, Money, Name, PublicOnly

router = APIRouter(prefix="/api/agent", tags=["agent"])
USUAL = CallSettings()


class CallsForm(Form):
    """Limits of one model call; times in seconds."""

    connect_s: float = Field(default=USUAL.connect_s, gt=0, le=300)
    idle_s: float = Field(default=USUAL.idle_s, gt=0, le=3600)
    total_s: float = Field(default=USUAL.total_s, gt=0, le=86_400)
    attempts: int = Field(default=USUAL.attempts, ge=1, le=10)


class AgentForm(Form):
    """The whole configuration; without a provider and a model there is none any more."""

    provider: Name | None = Field(default=None, min_length=1)
    model: Name | None = Field(default=None, min_length=1)
    base_url: Name | None = Field(
        default=None, min_length=1, description="Another address; its zone is declared."
    )
    zone: Literal["public", "private", "local"] | None = None
    sees: Level | None = Field(
        default=None, description="The most sensitive content it may see in clear."
    )
    input_usd: Money | None = None
    output_usd: Money | None = None
    key: Name | None = Field(
        default=None, min_length=1, description="A reference such as env:NAME; never the key."
    )
    api_key: SecretStr | None = Field(
        default=None,
        min_length=1,
        max_length=SECRET_CHARS_MAX,
        description="The key itself: written, never read. Without it the one that is stored "
        "stays, as long as provider and address do; null removes it.",
    )
    calls: CallsForm = Field(default_factory=CallsForm)
    public_only: PublicOnly = True

    def settings(self) -> ModelSettings | None:
        """The model, or None for none.

        Raises:
            InvalidInput: only a part of one is named.
        """
        names = ("base_url", "zone", "sees", "input_usd", "output_usd", "key")
        if self.provider is None or self.model is None:
            if any(getattr(self, name) is not None for name in ("provider", "model", *names)):
                raise InvalidInput("a model needs its provider and its name")
            return None
        return ModelSettings(
            provider=self.provider,
            model=self.model,
            base_url=self.base_url,
            key=self.key,
            input_usd=self.input_usd,
            output_usd=self.output_usd,
            zone=None if self.zone is None else Zone(self.zone),
            sees=None if self.sees is None else level_of("sees", self.sees),
        )

    def secret(self) -> str | Keep | None:
        """The key that was given, None to remove it, `KEEP` if nothing was said."""
        if "api_key" not in self.model_fields_set:
            return KEEP
        return None if self.api_key is None else self.api_key.get_secret_value()


@router.get(
    "/config",
    operation_id="get_agent_config",
    response_model=AgentConfig,
    dependencies=[require("config:read")],
)
async def agent_config(sessions: Acting, response: Response) -> AgentConfig:
    """The model that turns go to by default, and its limits; of its key only whether it is set."""
    found = await sessions.agent_config()
    tagged(response, found.version)
    return found


@router.put(
    "/config",
    operation_id="set_agent_config",
    response_model=AgentConfig,
    dependencies=[require("config:write")],
)
async def set_agent_config(
    sessions: Commanding, response: Response, expected: Expected, new: AgentForm
) -> AgentConfig:
    """Replace it for the workspace: the next turns of all sessions use it, in every process."""
    found = await sessions.set_agent_config(
        new.settings(),
        api_key=new.secret(),
        calls=CallSettings(**new.calls.model_dump()),
        expected=expected,
    )
    tagged(response, found.version)
    return found
