"""The manager's sessions: create, find, list, fork, end, wipe; the seeds' methods by id.

`bootstrap.SessionManager` adds how one is opened.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

from holdfast.core.commands import Terminate
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    KeyDestroyed,
    SessionExists,
    SessionNotFound,
)
from holdfast.core.events import Details, Event, Opened, Origin, Totals
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.core.messages import estimate_tokens
from holdfast.core.settings import StorageType
from holdfast.core.view import SessionView
from holdfast.ports.store import Filter, Health
from holdfast.runtime.backend import Loaded
from holdfast.runtime.config import (
    SessionConfig,
    WipeReceipt,
)
from holdfast.runtime.envelope import Crypto, keyed_digest
from holdfast.runtime.handle import Session
from holdfast.runtime.index import Listed, blind, open_listed, tag_tokens, title_tokens
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.perform import clean
from holdfast.runtime.snapshot import load_state

ENDED_FOR_USERS = frozenset(
    {
        SessionState.COMPLETED,
        SessionState.ERROR,
        SessionState.TERMINATING,
        SessionState.TERMINATED,
    }
)
PAGE = 200


class LoadReport(int):
    """How many sessions could be read, and in `failed` which could not and why."""

    failed: tuple[tuple[str, HoldfastError], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSession:
    """One row of a listing; times are epoch seconds."""

    id: str
    state: str
    sensitivity_level: str
    created_at: int
    updated_at: int
    last_activity: int
    message_count: int
    turn_count: int
    tool_call_count: int
    title: str = ""
    tags: tuple[str, ...] = ()
    user_id: str = ""
    channel_id: str = ""
    chat_id: str = ""
    workspace: str = ""
    model: str = ""
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of a listing; `cursor` is empty at the end."""

    sessions: tuple[ListedSession, ...]
    cursor: str = ""


class Sessions(Core):
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
        chosen = config or SessionConfig()
        await self.ready()
        workspace = resolve_workspace(chosen.workspace)
        settings = chosen.to_settings(workspace)
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
        return await self._open_new(opened, ())

    async def _open_new(
        self, opened: Opened, further: Sequence[Event], *, parent: int = 0
    ) -> Session:
        for _, other in self.distinct_backends():
            if await other.store.find(self.tenant, opened.session_id) is not None:
                raise SessionExists(f"there is a session {opened.session_id!r} already")
        backend = self.backend_for(opened.settings.storage_type)
        actor = await backend.actor(self.tenant, self.principal)
        loaded = await backend.create(opened, further, actor=actor, parent=parent)
        self.adopt(loaded)
        return self._handle(await self.locate(opened.session_id), opened.session_id)

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

    async def get_user_session(
        self, user_id: str, channel_id: str, chat_id: str
    ) -> Session | None:
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

    # --- listing -----------------------------------------------------------------------

    async def list_sessions(
        self,
        *,
        states: Iterable[SessionState | str] = (),
        user_id: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        workspace: str | None = None,
        min_sensitivity: int = 0,
        storage_type: StorageType = StorageType.FILE,
        cursor: str = "",
        limit: int = 100,
    ) -> SessionPage:
        """List sessions of one store, newest change first, a page at a time.

        Args:
            title: words that the title must have, whole and without regard to case.
            tags: tags it must have, all of them.
            limit: sessions a page, 1 to 1000.
        """
        if not 1 <= limit <= 1000:
            raise InvalidInput("limit is 1 to 1000")
        await self.ready()
        backend = self.backend_for(storage_type)
        key = backend.keys.blind_key(self.tenant)
        tokens: set[bytes] = set(tag_tokens(key, tags))
        if title:
            tokens |= title_tokens(key, title)
        if user_id is not None:
            tokens.add(blind(key, "user", user_id))
        if workspace is not None:
            tokens.add(blind(key, "workspace", resolve_workspace(workspace)))
        wanted = frozenset(
            int(s if isinstance(s, SessionState) else decode_state(s)) for s in states
        )
        page = await backend.store.list_streams(
            Filter(
                tenant=self.tenant,
                states=wanted,
                tokens=frozenset(tokens),
                min_sensitivity=min_sensitivity,
                cursor=cursor,
                limit=limit,
            )
        )
        rows = tuple(self._listed(Located(backend, row)) for row in page.rows)
        return SessionPage(rows, page.cursor)

    def _listed(self, where: Located) -> ListedSession:
        row, index = where.row, where.row.index
        damaged = ""
        listed = Listed("", (), "", "", "", "", "")
        if index.sealed:
            try:
                key = where.backend.keys.session_key(row.stream)
                crypto = Crypto(key, self.clock.random_bytes)
                listed = open_listed(row.stream, crypto, index.sealed)
                crypto.wipe()
            except HoldfastError as error:
                damaged = error.reason
        return ListedSession(
            id=row.name or f"stream-{row.stream:016x}",
            state=decode_state(index.state).title,
            sensitivity_level=str(index.sensitivity),
            created_at=index.created_ms // 1000,
            updated_at=index.updated_ms // 1000,
            last_activity=index.last_activity_ms // 1000,
            message_count=index.messages,
            turn_count=index.turns,
            tool_call_count=index.tool_calls,
            title=listed.title,
            tags=listed.tags,
            user_id=listed.user_id,
            channel_id=listed.channel_id,
            chat_id=listed.chat_id,
            workspace=listed.workspace,
            model=listed.model,
            damaged=damaged,
        )

    async def rows(self) -> AsyncIterator[Located]:
        """Every named session of every store."""
        await self.ready()
        for _, backend in self.distinct_backends():
            cursor = ""
            while True:
                page = await backend.store.list_streams(
                    Filter(tenant=self.tenant, cursor=cursor, limit=PAGE)
                )
                for row in page.rows:
                    if row.name is not None:
                        yield Located(backend, row)
                cursor = page.cursor
                if not cursor:
                    break

    async def get_all_sessions(self) -> list[Session]:
        """Handles of all sessions (seed B6)."""
        return [self._handle(where, where.row.name or "") async for where in self.rows()]

    async def session_count(self) -> int:
        """How many sessions there are (seed B6)."""
        return sum([1 async for _ in self.rows()])

    # --- restoring ---------------------------------------------------------------------

    async def restore_session_by_id(self, session_id: str) -> Session:
        """Check that a session can be read, and return its handle (seed B5).

        Raises:
            SessionNotFound: no store has it.
            Damaged: it cannot be read.
        """
        session = await self.get_session(session_id)
        await session.view()
        return session

    async def load_all_sessions(self) -> LoadReport:
        """Read every session of every store; says which could not be (seed B5)."""
        count, failed = 0, []
        async for where in self.rows():
            try:
                await where.backend.load(where.row)
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
            if where.row.index.state in open_states or waiting:
                try:
                    await self.engine(where)
                except HoldfastError:
                    continue  # led elsewhere or damaged; `doctor` and `audit` tell
                found.append(self._handle(where, where.row.name or ""))
        return found

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

    # --- fork ----------------------------------------------------------------------------

    async def fork_session(
        self,
        source: str,
        new_id: str | None = None,
        *,
        name: str | None = None,
        at_version: int | None = None,
    ) -> Session:
        """Open a new session with another's visible conversation (seed B14, contract 1.4).

        Config, usage, counts and thinking come along, and the labels of the
        source's head; open effects, questions and session-only grants do not.

        Raises:
            SessionNotFound: there is no source.
            InvalidInput: it has no such version.
        """
        parent = await self.get_session(source)
        loaded = await parent.where.backend.load(parent.where.row)
        head = loaded.view
        version = head.version if at_version is None else at_version
        if not 1 <= version <= head.version:
            raise InvalidInput(f"{source!r} has no version {version}")
        at = loaded if version == head.version else await self._load_until(parent.where, version)
        rows = await at.journal.store.read(parent.where.stream, version - 1, 1)
        new = generated_id(self.clock.random_bytes(16)) if new_id is None else validate_id(new_id)
        title = name or f"{head.details.title or head.settings.name or source} (fork)"
        origin = Origin(
            session_id=parent.id,
            stream=parent.where.stream,
            version=version,
            head=rows[0].hash.hex(),
        )
        messages = tuple(entry.message for entry in at.bodies.visible())
        opened = Opened(
            session_id=new,
            tenant=self.tenant,
            user_id=head.user_id,
            channel_id=head.channel_id,
            chat_id=head.chat_id,
            installation="",
            commitment="",
            settings=replace(at.view.settings, name=title),
            system_prompt=at.bodies.prompt,
            details=Details(title=title, tags=at.view.details.tags, custom=at.view.details.custom),
            git=at.view.git,
            origin=origin,
            messages=messages,
            tokens=sum(estimate_tokens(message) for message in messages),
            totals=totals_of(at.view),
            label=head.label,
        )
        return await self._open_new(opened, (), parent=parent.where.stream)

    async def _load_until(self, where: Located, version: int) -> Loaded:
        journal = where.backend.journal(where.row)
        view, bodies = await load_state(journal, use_snapshot=False, until=version)
        return Loaded(journal=journal, view=view, bodies=bodies, indexer=None)

    # --- the end -------------------------------------------------------------------------

    async def terminate_session(
        self, session_id: str, *, keep: Sequence[str] = (), reason: str = ""
    ) -> WipeReceipt:
        """Wipe a session: its key is destroyed and that is attested in its log.

        Its forks and children are wiped with it, unless they are named in `keep`.

        Raises:
            SessionNotFound: there is no such session.
        """
        return await self._terminate(session_id, keep, reason, tombstone=False)

    async def destroy_session(
        self, session_id: str, *, keep: Sequence[str] = (), reason: str = ""
    ) -> WipeReceipt:
        """Terminate a session and take it out of all listings (seed B6)."""
        return await self._terminate(session_id, keep, reason, tombstone=True)

    async def _terminate(
        self, session_id: str, keep: Sequence[str], reason: str, *, tombstone: bool
    ) -> WipeReceipt:
        session = await self.get_session(session_id)
        kept_names = {name.casefold() for name in keep}
        erased: list[str] = []
        kept: list[str] = []
        for _, backend in self.distinct_backends():
            filter = Filter(tenant=self.tenant, parent=session.where.stream, limit=1000)
            for row in (await backend.store.list_streams(filter)).rows:
                if row.name is None:
                    continue
                if row.name.casefold() in kept_names:
                    kept.append(row.name)
                    continue
                receipt = await self._terminate(row.name, keep, reason, tombstone=tombstone)
                erased += [row.name, *receipt.erased]
                kept += receipt.kept
        where = session.where
        await session.submit(Terminate(why=reason, tombstone=tombstone))
        await self._wiped(where)
        found = where.backend.keys.receipt(where.stream)
        assert found is not None, "a destroyed key leaves a receipt"
        return WipeReceipt(
            session_id=session_id,
            destroyed_at_ms=found.destroyed_at_ms,
            key_epoch=found.epoch,
            erased=tuple(erased),
            kept=tuple(kept),
        )

    async def _wiped(self, where: Located) -> None:
        """Wait until the wipe is on record and the session is no longer led."""
        while True:
            row = await where.backend.store.stream_row(where.stream)
            if row is None or row.index.state == int(SessionState.TERMINATED):
                break
            if self.live(where.stream) is None:
                try:
                    await self.lead_if_free(Located(where.backend, row))
                except KeyDestroyed:
                    break
            await self.clock.sleep(0.005)
        async with self._lock(where.stream):
            engine = self._engines.pop(where.stream, None)
            if engine is not None:
                await engine.stop()
        self._known.pop(where.stream, None)


def totals_of(view: SessionView) -> Totals:
    """The counts a fork or an export brings along."""
    return Totals(
        messages=view.message_count,
        turns=view.turn_count,
        rounds=view.round_count,
        tool_calls=view.tool_call_count,
        approvals=view.approval_count,
        usage=view.usage,
        last_prompt_tokens=view.context_tokens,
    )


def resolve_workspace(path: str) -> str:
    """The real, absolute path of a workspace; "" stays "".

    Raises:
        InvalidInput: it is not a directory.
    """
    if not path:
        return ""
    if "\0" in path:
        raise InvalidInput("a path has no NUL")
    real = os.path.realpath(os.path.expanduser(path))
    if not os.path.isdir(real):
        raise InvalidInput(f"the workspace {path!r} is not a directory")
    return real


