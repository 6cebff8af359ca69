"""The tools and the model as a host may use them: behind the gate.

A call outside of a turn is an action of a session: it is judged, its intent is
durable before it happens, and its outcome is recorded. There is no way from here
to the tool or the client itself.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping

from holdfast.core.errors import ProviderFailed
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import ToolUse
from holdfast.core.security import Zone
from holdfast.core.tools import ToolSpec
from holdfast.ports.model import ModelClient, ModelEvent, ModelReply, ModelRequest
from holdfast.ports.tool import Json, ToolOutcome
from holdfast.runtime.host_calls import closing, run_model, run_tool
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.normalise import destination_of


class GatedExecutor:
    """The tools of an installation (seed B12)."""

    def __init__(self, core: Core) -> None:
        self.__core = core

    def definitions(self) -> list[ToolSpec]:
        """All tools, sorted by name."""
        return list(self.__core.registry.specs())

    async def execute(
        self, session_id: str, name: str, arguments: Mapping[str, Json]
    ) -> ToolOutcome:
        """Run a tool as an action of a session.

        Raises:
            Denied: the gate refused; nothing ran.
            LeaseHeld: another process leads the session.
        """
        core = self.__core
        where = await core.locate(session_id)
        engine = await core.engine(where)
        actor = await where.backend.actor(core.tenant, core.principal)
        use = ToolUse(id="host", name=name, arguments=json.dumps(dict(arguments)))
        return await run_tool(engine, use, actor, core.bearer)


class GatedModel:
    """A session's model (seed B2); satisfies the models port."""

    def __init__(self, core: Core, where: Located, client: ModelClient) -> None:
        self.__core = core
        self.__where = where
        self.__client = client

    @property
    def model(self) -> str:
        """The model's name."""
        return self.__client.model

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.__client.provider

    @property
    def context_tokens(self) -> int:
        """Size of the context window in tokens."""
        return self.__client.context_tokens

    @property
    def zone(self) -> Zone:
        """Where the model runs."""
        return destination_of(self.__client).zone

    @property
    def sees(self) -> Sensitivity | None:
        """The most sensitive content it may see in clear, if that is declared."""
        return destination_of(self.__client).sees

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call as an action of the session.

        Raises:
            Denied: the gate refused; nothing was sent.
            ProviderFailed: the provider failed.
        """
        core, where = self.__core, self.__where
        engine = await core.engine(where)
        actor = await where.backend.actor(core.tenant, core.principal)
        events_of = run_model(engine, self.__client, request, actor, core.bearer)
        async with closing(events_of) as events:
            async for event in events:
                yield event

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Make one call and return its answer.

        Raises:
            Denied, ProviderFailed: as `stream`.
        """
        reply: ModelReply | None = None
        async for event in self.stream(request):
            if isinstance(event, ModelReply):
                reply = event
        if reply is None:
            raise ProviderFailed("the stream ended without an answer")
        return reply

    async def aclose(self) -> None:
        """Nothing to close: the client belongs to the manager."""
