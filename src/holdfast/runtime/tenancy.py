"""A manager as one principal sees it: one tenant, perhaps one session (ruling C1, R1).

- A view shares engines, hubs, stores, locks and the end of its manager; it is cheap,
  made for one request, and closes nothing.
- It acts in one tenant under the principal's name. What is not there and what
  belongs to others is the same `SessionNotFound`.
- A principal that is bound to a session sees that session and what stands below it.
  What it opens stands below it; what reaches beyond it is denied.
"""

from __future__ import annotations

import copy
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

from holdfast.core.agentconfig import KEEP, AgentConfig, CallSettings, Keep
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.errors import (
    InvalidInput,
    ScopeDenied,
    SessionExists,
    SessionNotFound,
)
from holdfast.core.ids import validate_id
from holdfast.core.lifecycle import SessionState
from holdfast.core.principals import EVERY_WORKSPACE, Principal
from holdfast.core.settings import ModelSettings, StorageType
from holdfast.ports.store import PendingRow
from holdfast.runtime.auditbus import Sees
from holdfast.runtime.backend import Backend
from holdfast.runtime.config import SessionConfig, WipeReceipt
from holdfast.runtime.handle import Session
from holdfast.runtime.host import Commands
from holdfast.runtime.listing import SessionPage, listed_rows, passes
from holdfast.runtime.located import Located, stands_below
from holdfast.runtime.manager import DEFAULT_TENANT
from holdfast.runtime.repeats import born_of, name_of
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.service import SessionService
from holdfast.runtime.takeover import ImportedSession


class Tenancy(SessionService):
    """Views of a manager; see the module."""

    _acts: Principal | None = None
    _everywhere: bool = True

    def acting_as(
        self, principal: Principal, *, workspace: str = "", commands: Commands | None = None
    ) -> Self:
        """The manager as a principal sees it.

        Args:
            workspace: which one an administrator of all of them means; default: "default".
            commands: the ids of what this view submits; None draws them.

        Raises:
            ScopeDenied: the principal does not belong to that workspace.
            InvalidInput: it is no name of one.
        """
        wanted = workspace or principal.workspace
        if wanted == EVERY_WORKSPACE:
            wanted = DEFAULT_TENANT
        if not principal.of(wanted):
            raise ScopeDenied("the token belongs to another workspace")
        view = copy.copy(self)
        view.tenant = validate_id(wanted)
        view.principal = principal.id
        view.bearer = principal.bearer
        view.commands = commands
        view._acts = principal
        view._everywhere = principal.workspace == EVERY_WORKSPACE and not workspace
        return view

    async def born(
        self, id: str | None, make: Callable[[str | None], Awaitable[Session]]
    ) -> Session:
        """Have a session made; a request that is repeated gets the one that it made.

        Args:
            id: as the caller wishes; None draws one.

        Raises:
            SessionExists: the id is taken, by something else.
            CommandMismatch: the request's key was used with another body.
        """
        if self.commands is None:
            return await make(id)
        name = id or name_of(self.commands)
        try:
            return await make(name)
        except SessionExists:
            session = await self.get_session(name)
            if not await born_of(self, session.where):
                raise
            return session

    @property
    def acts(self) -> Principal | None:
        """Who acts through this view; None is the program itself."""
        return self._acts

    async def close(self) -> None:
        """Close the manager; a view closes nothing."""
        if self._acts is None:
            await super().close()

    # --- one session and what is below it ----------------------------------------------

    def _session_only(self) -> str:
        return self._acts.session if self._acts is not None else ""

    def unbound(self, what: str) -> None:
        """Check that the principal is not bound to one session.

        Raises:
            ScopeDenied: it is.
        """
        if self._session_only():
            raise ScopeDenied(f"a token of one session cannot {what}")

    async def _home(self) -> Located:
        """Where the session is kept that the principal is bound to."""
        return await super().locate(self._session_only())

    @property
    def names_wiped(self) -> bool:
        """Whether it sees all workspaces: what was wiped has none any more."""
        who = self._acts
        return who is None or (not who.session and who.workspace == EVERY_WORKSPACE)

    async def locate(self, session_id: str) -> Located:
        """Find a session by its id, of those that the principal sees.

        Raises:
            SessionNotFound: there is none, or it is not the principal's.
        """
        where = await super().locate(session_id)
        if self._session_only() and not await self._within(where):
            raise SessionNotFound(f"there is no session {session_id!r}")
        return where

    async def _within(self, where: Located) -> bool:
        """Whether a session is the principal's own or stands below it."""
        try:
            return await stands_below(where, await self._home())
        except SessionNotFound:
            return False

    async def rows(self) -> AsyncIterator[Located]:
        """Every named session that the principal sees."""
        if not self._session_only():
            async for where in super().rows():
                yield where
            return
        await self.ready()
        try:
            home = await self._home()
        except SessionNotFound:
            return
        for where in (home, *await self.below(home)):
            if where.row.name is not None:
                yield where

    async def list_sessions(
        self,
        *,
        states: Iterable[SessionState | str] = (),
        user_id: str | None = None,
        title: str | None = None,
        tags: Sequence[str] = (),
        workspace: str | None = None,
        min_sensitivity: int = 0,
        storage_type: StorageType | str = StorageType.FILE,
        cursor: str = "",
        limit: int = 100,
    ) -> SessionPage:
        """List the sessions that the principal sees; see `Listing.list_sessions`."""
        if not self._session_only():
            return await super().list_sessions(
                states=states,
                user_id=user_id,
                title=title,
                tags=tags,
                workspace=workspace,
                min_sensitivity=min_sensitivity,
                storage_type=storage_type,
                cursor=cursor,
                limit=limit,
            )
        if not 1 <= limit <= 1000:
            raise InvalidInput("limit is 1 to 1000")
        test = passes(
            states=states,
            user_id=user_id,
            title=title,
            tags=tags,
            workspace=workspace,
            min_sensitivity=min_sensitivity,
        )
        rows = [where async for where in self.rows()]
        found = [one for one in listed_rows(rows) if test(one)]
        found.sort(key=lambda one: one.id)
        page = [one for one in found if one.id > cursor][:limit]
        more = bool(page) and page[-1].id != found[-1].id
        places = {one.row.name: one for one in rows}
        seen = [await self._seen(places[one.id], one) for one in page]
        return SessionPage(tuple(seen), page[-1].id if more else "")

    async def _sees(self, session_id: str | None) -> Sees | None:
        if session_id is not None or self._everywhere:
            return await super()._sees(session_id)
        self.unbound("read the audit log of others: name a session")
        store = self.audit_bus.store
        known: dict[int, bool] = {}

        async def ours(stream: int) -> bool:
            if stream not in known:
                row = await store.stream_row(stream)
                known[stream] = row is not None and row.tenant == self.tenant
            return known[stream]

        return ours

    async def _own(self, backend: Backend, rows: list[PendingRow]) -> list[PendingRow]:
        mine = await super()._own(backend, rows)
        if not self._session_only():
            return mine
        seen = {where.stream async for where in self.rows()}
        return [row for row in mine if row.stream in seen]

    # --- opening -------------------------------------------------------------------------

    async def create_session(
        self,
        id: str | None = None,
        config: SessionConfig | None = None,
        *,
        user_id: str | None = None,
        channel_id: str = "",
        chat_id: str = "",
    ) -> Session:
        """Create a session; one that a bound principal opens stands below its own."""
        home = self._session_only()
        if home and (config is None or config.parent_id is None):
            return await self.create_child_session(home, id, config)
        return await super().create_session(
            id, config, user_id=user_id, channel_id=channel_id, chat_id=chat_id
        )

    async def agent_config(self) -> AgentConfig:
        """The configuration in force for turns that begin now (seed B2); never a key."""
        self.unbound("read the agent's configuration")
        return await super().agent_config()

    async def set_agent_config(
        self,
        model: ModelSettings | None,
        *,
        api_key: str | Keep | None = KEEP,
        calls: CallSettings | None = None,
        expected: int | None = None,
    ) -> AgentConfig:
        """Put a configuration in place of the one there is; see `AgentService`."""
        self.unbound("change the agent's configuration")
        if self._acts is not None and isinstance(model, ModelSettings):
            model = replace(model, public_only=model.base_url is not None)
        return await super().set_agent_config(
            model, api_key=api_key, calls=calls, expected=expected
        )

    def _check_lending(self) -> None:
        if self._acts is not None and self._acts.workspace != EVERY_WORKSPACE:
            raise ScopeDenied(
                "only an administrator of all workspaces has keys of the installation used: "
                "a workspace's own configuration brings its own"
            )

    async def get_or_create_session(
        self,
        user_id: str,
        channel_id: str,
        chat_id: str,
        config: SessionConfig | None = None,
    ) -> Session:
        """The session of a user in a chat of a channel (seed A4)."""
        self.unbound("open sessions of users")
        return await super().get_or_create_session(user_id, channel_id, chat_id, config)

    async def fork_session(
        self,
        source: str,
        new_id: str | None = None,
        *,
        name: str | None = None,
        at_version: int | None = None,
    ) -> Session:
        """Open a new session with another's visible conversation (seed B14)."""
        self.unbound("fork")
        return await super().fork_session(source, new_id, name=name, at_version=at_version)

    async def import_session(
        self, path: str | os.PathLike[str], new_id: str | None = None
    ) -> ImportedSession:
        """Take in an export of ours as a new session."""
        self.unbound("import")
        return await super().import_session(path, new_id)

    async def import_file(
        self, path: str | os.PathLike[str], new_id: str | None = None
    ) -> ImportedSession:
        """Take in a session file of any known form."""
        self.unbound("import")
        return await super().import_file(path, new_id)

    async def restore_from_data(self, data: SessionData) -> ImportedSession:
        """Make a session from seed D15's record (seed B5)."""
        self.unbound("import")
        return await super().restore_from_data(data)

    async def _terminate(
        self,
        session_id: str,
        keep: Sequence[str],
        reason: str,
        *,
        tombstone: bool,
        if_version: int | None = None,
    ) -> WipeReceipt:
        await self.locate(session_id)
        whole = copy.copy(self)  # a wipe takes along what came from the session, seen or not
        if self._acts is not None:
            whole._acts = replace(self._acts, session="")
        return await SessionService._terminate(
            whole, session_id, keep, reason, tombstone=tombstone, if_version=if_version
        )

    async def export_session(self, session_id: str, out: IO[bytes] | str | Path) -> int:
        """Write a session as JSONL; a view writes to streams only, never to a path.

        Raises:
            InvalidInput: a path is given through a view.
        """
        if self._acts is not None and isinstance(out, (str, Path)):
            raise InvalidInput("an export through a view goes to a stream")
        return await super().export_session(session_id, out)

    async def audit_export(self, question: AuditQuestion) -> AsyncGenerator[bytes]:
        """The audit log, as far as the principal sees it; see `SessionService`.

        Raises:
            SessionNotFound: there is no such session, or it is not the principal's.
            ScopeDenied: all sessions are for an administrator of all workspaces.
        """
        who = self._acts
        if who is not None and not question.session_id:
            self.unbound("read the log of all sessions")
            if who.workspace != EVERY_WORKSPACE:
                raise ScopeDenied("the whole store is an administrator's to verify: name a session")
        async with aclosing(super().audit_export(question)) as lines:
            async for line in lines:
                yield line

    def at_work(self) -> tuple[int, int]:
        """How many sessions this process leads, and of how many live events are read."""
        led = sum(engine.lost is None for engine in self._engines.values())
        return led, sum(bool(hub.watched) for hub in self._hubs.values())
