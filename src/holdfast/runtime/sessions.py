"""The manager's sessions: create, find, list, fork, end, wipe; the seeds' methods by id.

`bootstrap.SessionManager` adds how one is opened.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.decide.content import check_birth
from holdfast.core.errors import (
    Denied,
    HoldfastError,
    InvalidInput,
    SessionExists,
    SessionNotFound,
)
from holdfast.core.events import Event, Opened, Warned
from holdfast.core.hooks import HookAction, HookEvent
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.ports.store import Health
from holdfast.ports.taints import Taint
from holdfast.runtime.checkpoint_service import CheckpointService
from holdfast.runtime.config import (
    SessionConfig,
)
from holdfast.runtime.envelope import keyed_digest
from holdfast.runtime.guarding import trifecta_of
from holdfast.runtime.handle import Session
from holdfast.runtime.hooks import HookEngine
from holdfast.runtime.hookviews import NewWords
from holdfast.runtime.listing import Listing, resolve_workspace
from holdfast.runtime.manager import Located
from holdfast.runtime.offer import offered
from holdfast.runtime.perform import clean
from holdfast.runtime.repeats import birth_of
from holdfast.runtime.tainting import stored_taints

ENDED_FOR_USERS = frozenset(
    {
        SessionState.COMPLETED,
        SessionState.ERROR,
        SessionState.TERMINATING,
        SessionState.TERMINATED,
    }
)


class LoadReport(int):
    """How many sessions could be read, and in `failed` which could not and why."""

    failed: tuple[tuple[str, HoldfastError], ...] = ()


class Sessions(Listing, CheckpointService):
    """Sessions by id; see the module."""

    # --- create, find ----------------------------------------------------------------

    async def create_session(
        self,
        id: str | None = None,
        config: SessionConfig | None = None,
        *,
        user_id: str | None = None,
        channel_id: str = "",
        chat_id: str = "",
    ) -> Session:
        """Create a session; its `str()` is the id (seed B6).

        Raises:
            InvalidSessionId: the id is not path-safe; nothing of it remains.
            SessionExists: it is taken; ids are unique without regard to case.
            NotYetSupported, InvalidInput: the configuration is refused.
        """
        name = generated_id(self.clock.random_bytes(16)) if id is None else validate_id(id)
        chosen = SessionConfig() if config is None else config
        if not isinstance(chosen, SessionConfig):
            raise InvalidInput(f"a SessionConfig is expected, not {type(chosen).__name__}")
        if not all(isinstance(name, str | None) for name in (user_id, channel_id, chat_id)):
            raise InvalidInput("user, channel and chat are texts")
        await self.ready()
        workspace = resolve_workspace(chosen.workspace)
        settings = chosen.to_settings(workspace)
        if chosen.hook_engine is not None:
            self._around.hooks.add_engine(chosen.hook_engine)
        git = await self._around.git_state(workspace) if workspace else None
        opened = Opened(
            session_id=name,
            tenant=self.tenant,
            user_id=user_id or self.principal,
            channel_id=channel_id,
            chat_id=chat_id,
            installation="",
            commitment="",
            settings=settings,
            system_prompt=clean(chosen.system_prompt or ""),
            git=git,
        )
        return await self._open_new(opened, self._warnings(opened))

    def _warnings(self, opened: Opened) -> tuple[Warned, ...]:
        """What should be known of a session from the first moment on."""
        view = evolve(SessionView(), Recorded(version=1, time_ms=0, event=opened))
        specs = offered(view, self.registry.specs())
        found = trifecta_of(specs, workspace=bool(view.settings.workspace))
        if not found.complete or not view.settings.security.enabled:
            return ()
        parts = (("reads strangers' words", found.untrusted), ("reads private data", found.private))
        told = [f"{what}: {', '.join(names[:8])}" for what, names in parts]
        told.append(f"sends to others: {', '.join(found.egress[:8])}")
        return (Warned(about="trifecta", subject="trifecta", detail="; ".join(told)),)

    @property
    def hooks(self) -> HookEngine:
        """The hooks that every session of this manager has (seed D3)."""
        return self._around.hooks.everywhere

    def add_hook_engine(self, engine: HookEngine) -> None:
        """Register the hook engine that sessions were made with, before they go on.

        Raises:
            AlreadyThere: another engine has its name.
        """
        self._around.hooks.add_engine(engine)

    async def _start_hooks(self, opened: Opened) -> None:
        data: dict[str, object] = {
            "system_prompt": opened.system_prompt,
            "workspace": opened.settings.workspace,
            "user_id": opened.user_id,
        }
        engine = opened.settings.hook_engine
        words = NewWords(self.detectors, self.trust.binding(opened.settings.security))
        answer = await self._around.hooks.fire(
            HookEvent.SESSION_START, opened.session_id, data, engine=engine, words=words
        )
        if answer.action is HookAction.BLOCK:
            raise Denied(f"a hook refused the session: {answer.reason}")

    async def _open_new(
        self, opened: Opened, further: Sequence[Event], *, parent: int = 0
    ) -> Session:
        await self._check_free(opened)
        backend = self.backend_for(opened.settings.storage_type)
        await self._start_hooks(opened)
        actor = await backend.actor(self.tenant, self.principal)
        taints: list[Taint] = []
        if parent and (row := await backend.store.stream_row(parent)) is not None:
            taints += await stored_taints(backend.journal(row))
        loaded = await backend.create(
            opened,
            further,
            actor=actor,
            parent=parent,
            taints=taints,
            birth=birth_of(self.commands),
        )
        self.adopt(loaded)
        return self._handle(await self.locate(opened.session_id), opened.session_id)

    async def _check_free(self, opened: Opened) -> None:
        """Check that a session can be born.

        Raises:
            SessionExists: its id is taken.
            InvalidInput: a value is out of range, or the classifier cannot be made.
        """
        check_birth(opened)
        own = opened.settings.security
        self.detectors.check(self.trust.binding(own))
        for _, other in self.distinct_backends():
            if await other.store.find(self.tenant, opened.session_id) is not None:
                raise SessionExists(f"there is a session {opened.session_id!r} already")

    def _handle(self, where: Located, id: str) -> Session:
        self._known[where.stream] = where
        return Session(self, where, id)

    async def get_session(self, session_id: str) -> Session:
        """The handle of a session (seed B6).

        Raises:
            SessionNotFound: there is none with that id.
        """
        where = await self.locate(session_id)
        return self._handle(where, where.row.name or session_id)

    async def get_or_create_session(
        self,
        user_id: str,
        channel_id: str,
        chat_id: str,
        config: SessionConfig | None = None,
    ) -> Session:
        """The session of a user in a chat of a channel (seed A4).

        A paused one is returned, an ended one replaced. The id is derived from the
        three with a keyed hash, so that any number of callers, in any process,
        meet in one session.
        """
        await self.ready()
        for generation in range(1_000_000):
            id = self._user_session_id(user_id, channel_id, chat_id, generation)
            try:
                session = await self.get_session(id)
            except SessionNotFound:
                try:
                    return await self.create_session(
                        id, config, user_id=user_id, channel_id=channel_id, chat_id=chat_id
                    )
                except SessionExists:
                    session = await self.get_session(id)
            if decode_state(session.where.row.index.state) not in ENDED_FOR_USERS:
                if self.live(session.where.stream) is None:
                    return session
                if await session.state() not in ENDED_FOR_USERS:
                    return session
        raise InvalidInput("this user has had too many sessions in this chat")

    async def get_user_session(self, user_id: str, channel_id: str, chat_id: str) -> Session | None:
        """The user's living session there, or None (seed A4)."""
        await self.ready()
        for generation in range(1_000_000):
            id = self._user_session_id(user_id, channel_id, chat_id, generation)
            try:
                session = await self.get_session(id)
            except SessionNotFound:
                return None
            if await session.state() not in ENDED_FOR_USERS:
                return session
        return None

    def _user_session_id(self, user: str, channel: str, chat: str, generation: int) -> str:
        backend = self.distinct_backends()[0][1]
        parts = [part.encode("utf-8", "replace") for part in (user, channel, chat)]
        key = backend.keys.blind_key(self.tenant)
        digest = keyed_digest(key, b"user-session", *parts, b"%d" % generation)
        return f"sess-{digest.hex()}"

    async def get_all_sessions(self) -> list[Session]:
        """Handles of all sessions (seed B6)."""
        return [self._handle(where, where.row.name or "") async for where in self.rows()]

    async def forget_principal(self, principal: str) -> bool:
        """Erase who a pseudonym was: its name can no longer be told (contract 1.9).

        True if there was one. What the principal does later gets a new pseudonym.
        """
        await self.ready()
        known = False
        for _, backend in self.distinct_backends():
            known = await backend.forget_actor(self.tenant, principal) or known
        return known

    # --- restoring ---------------------------------------------------------------------

    async def restore_session_by_id(self, session_id: str) -> Session:
        """Check that a session can be read, and return its handle (seed B5).

        Raises:
            SessionNotFound: no store has it.
            Damaged: it cannot be read.
        """
        session = await self.get_session(session_id)
        damaged = (await session.where.backend.load(session.where.row)).damaged
        if damaged is not None:
            raise damaged
        return session

    async def load_all_sessions(self) -> LoadReport:
        """Read every session of every store; says which could not be (seed B5)."""
        count, failed = 0, []
        async for where in self.rows():
            try:
                damaged = (await where.backend.load(where.row)).damaged
                if damaged is not None:
                    raise damaged
                count += 1
            except HoldfastError as error:
                failed.append((where.row.name or "", error))
        report = LoadReport(count)
        report.failed = tuple(failed)
        return report

    async def resume_interrupted(self) -> list[Session]:
        """Lead every session in which a turn, a command or a wipe was cut off."""
        found: list[Session] = []
        open_states = {int(SessionState.PROCESSING), int(SessionState.TERMINATING)}
        async for where in self.rows():
            waiting = await where.backend.store.pending(where.stream, limit=1)
            try:
                if where.row.index.state in open_states or waiting:
                    await self.engine(where)
                elif where.row.node is None or not await self._take_over(where):
                    continue
            except HoldfastError:
                continue  # led elsewhere or damaged; `doctor` and `audit` tell
            found.append(self._handle(where, where.row.name or ""))
        return found

    async def _take_over(self, where: Located) -> bool:
        """Lead a session at rest whose node is gone, if that node left something open in it.

        Raises:
            LeaseHeld: its node lives.
        """
        async with self._lock(where.stream):
            if self.live(where.stream) is not None:
                return False
            loaded = await where.backend.lead(where.row)
            view = loaded.view
            if view.turn or view.open or view.questions or view.host_open:
                self.adopt(loaded)
                return True
            assert loaded.lease is not None, "only a leased session is given back"
            await where.backend.store.release(where.stream, loaded.lease.epoch)
            return False

    async def store_health(self) -> list[tuple[str, Health]]:
        """Health of every registered store by name (seed B5)."""
        await self.ready()
        health: list[tuple[str, Health]] = []
        for storage, backend in self.distinct_backends():
            try:
                found = await backend.store.health()
            except HoldfastError as error:
                found = Health(ok=False, detail=f"{error.reason}: {error.message}")
            health.append((f"{storage.value}:{backend.store.name}", found))
        return health
