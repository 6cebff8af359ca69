"""The agent's configuration of a workspace: shown, and put in place of the one before.

What is refused changes nothing. What is accepted is stored, holds for the next turn of
every session in every process on the store, and is on record without the key (seed B2).
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.agentconfig import (
    KEEP,
    AgentChange,
    AgentConfig,
    AgentKey,
    AgentRecord,
    CallSettings,
    ConfigSource,
    Keep,
    changed,
    check_change,
    key_of,
    key_of_settings,
    lends_our_keys,
)
from holdfast.core.commands import Tick
from holdfast.core.errors import InvalidInput, NotFound, Unavailable
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient, is_zoned
from holdfast.runtime.agentbook import AgentBook, Kept, Wish
from holdfast.runtime.agentmodel import Models, TurnModel
from holdfast.runtime.backend import Backend, Loaded
from holdfast.runtime.config import check_model
from holdfast.runtime.engine import Engine
from holdfast.runtime.host import Host, expect
from holdfast.runtime.infos import sensitivity_name
from holdfast.runtime.manager import Core


class AgentService(Core):
    """The default model of a manager's workspace; see the module."""

    _models: Models

    @property
    def _has_models(self) -> bool:
        """Whether `bootstrap` made it; a manager that something else made has its own ways."""
        return "_models" in vars(self)

    def _agents(self) -> tuple[Models, AgentBook]:
        """The models, and where their configurations are kept."""
        models = self._models
        if models.book is None:
            models.book = AgentBook(self.distinct_backends()[0][1])
        return models, models.book

    # --- shown and changed -----------------------------------------------------------

    async def agent_config(self) -> AgentConfig:
        """The configuration in force for turns that begin now (seed B2); never a key.

        Raises:
            Unreadable: what is stored is not what was written.
        """
        await self.ready()
        models, book = self._agents()
        entry = await models.read(book, self.tenant)
        kept = entry.kept
        return self._shown(models, kept, AgentKey() if kept.record is None else key_of(kept.record))

    async def set_agent_config(
        self,
        model: ModelSettings | None,
        *,
        api_key: str | Keep | None = KEEP,
        calls: CallSettings | None = None,
        expected: int | None = None,
    ) -> AgentConfig:
        """Put a configuration in place of the one there is (seed B2).

        It is stored for the workspace, sealed, and holds for the next turn of every
        session without a model of its own, in every process; turns that run keep theirs.
        A request that is repeated is answered with what it came to at first, and changes
        nothing (contract 1.11).

        Args:
            model: None removes what is stored: each process's own default holds again.
            api_key: the key itself, which is stored and never shown; None for none; as
                long as provider and address stay, `KEEP` keeps the one that is stored.
            calls: limits of one call; None means the usual ones.
            expected: the version that it is to replace; None is any.

        Raises:
            InvalidInput, LiteralSecret, NetworkBlocked: it cannot be used; what held goes
                on to hold.
            VersionMismatch: the configuration has another version.
            ScopeDenied: it lends keys of the installation, which is not this principal's.
        """
        expect("model", model, ModelSettings, type(None))
        expect("calls", calls, CallSettings, type(None))
        expect("expected", expected, int, type(None))
        await self.ready()
        models, book = self._agents()
        change = AgentChange(model=model, calls=calls or CallSettings(), api_key=api_key)
        check_change(change)
        now_ms, by = self.clock.now_ms(), self.principal

        def make(kept: Kept, version: int) -> AgentRecord:
            if kept.problem and api_key is KEEP and model is not None:
                raise InvalidInput("what is stored cannot be read: give the key again, or null")
            record = changed(kept.record, change, version=version, now_ms=now_ms, by=by)
            self._check_record(models, record)
            return record

        wish = Wish(make=make, principal=by, expected=expected, commands=self.commands)
        outcome = await book.write(self.tenant, wish)
        if not outcome.repeated:
            await models.adopt(self.tenant, outcome.kept)
        return self._shown(models, outcome.kept, outcome.key)

    def _check_record(self, models: Models, record: AgentRecord) -> None:
        """Refuse what no client could be built from, or what it may not reach."""
        if record.model is None:
            return
        check_model(record.model)
        if lends_our_keys(record):
            self._check_lending()  # first: who may not use a key is not told whether it is there
        try:
            models.building.check(record.model, record.secret)
        except (NotFound, Unavailable) as error:
            raise InvalidInput(error.message) from None
        models.building.reach(record.model, models.building.network())

    def restricted(self, model: ModelSettings) -> ModelSettings:
        """A model as somebody names it who is not the program: for public addresses only.

        Raises:
            InvalidInput, NetworkBlocked: its `base_url` leads where it may not.
        """
        if model.base_url is None:
            return model
        held = replace(model, public_only=True)
        self._models.building.reach(held, self._models.building.network())
        return held

    def _check_lending(self) -> None:
        """Refuse whoever may not send the installation's own keys anywhere."""

    def _shown(self, models: Models, kept: Kept, key: AgentKey) -> AgentConfig:
        kept.check()
        record = kept.record or AgentRecord()
        stored = AgentConfig(
            version=kept.revision,
            changed_at=None if kept.record is None else record.changed_ms // 1000,
            changed_by=record.by,
        )
        if record.model is not None and not models.over_stored:
            stored = replace(stored, source=ConfigSource.STORED.value, calls=record.calls)
            return _of_settings(stored, record.model, key, models)
        own = replace(stored, source=ConfigSource.PROCESS.value)
        if models.settings is not None:
            return _of_settings(own, models.settings, key_of_settings(models.settings), models)
        if models.default is None:
            return stored
        zone = models.default.zone if is_zoned(models.default) else Zone.PUBLIC
        provider, name = models.default.provider, models.default.model
        return replace(own, provider=provider, model=name, zone=zone.value)

    def prefer_default_llm(self) -> None:
        """Have this process's own default model stand above the stored configuration.

        It is for what is only tried out: scripted models, tests.
        """
        self._models.over_stored = True

    # --- for turns -----------------------------------------------------------------

    def _host(self, loaded: Loaded) -> Host:
        host = super()._host(loaded)
        if not self._has_models:
            return host
        models, book = self._agents()
        turns = TurnModel(models, book, loaded.journal.store)
        return replace(host, model_for=turns, turn_model=turns)

    async def _look_at_tokens(self, backend: Backend) -> None:
        await super()._look_at_tokens(backend)
        for engine in tuple(self._engines.values()):
            waits = engine.view.turn is not None and not engine.workers.busy
            if engine.lost is None and waits and not engine.host.turn_model.serves(engine.view):
                engine.report(Tick())  # it looks whether there is a model now

    async def _model_of(self, engine: Engine) -> ModelClient | None:
        """The client of the session's next call, or None; what others set counts."""
        if not self._has_models or engine.host.turn_model.serves(engine.view):
            return await super()._model_of(engine)
        models, book = self._agents()
        return models.client_of(engine.view, await models.read(book, engine.view.tenant))

    async def _model_for_host(self, view: SessionView) -> ModelClient | None:
        """The client that a program's own call to a session's model goes to, or None."""
        if self._has_models:
            await self._models.read(self._agents()[1], view.tenant)
        return self._around.build_client(view)


def _of_settings(
    shown: AgentConfig, settings: ModelSettings, key: AgentKey, models: Models
) -> AgentConfig:
    """A configuration with a model in it."""
    return replace(
        shown,
        provider=settings.provider,
        model=settings.model,
        base_url=settings.base_url,
        zone=models.building.zone(settings).value,
        sees=None if settings.sees is None else sensitivity_name(settings.sees),
        input_usd=settings.input_usd,
        output_usd=settings.output_usd,
        key=key,
    )
