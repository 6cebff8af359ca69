"""Child sessions: opened below another, judged under it, stopped with it (seeds B7, E2)."""

from __future__ import annotations

import logging
from dataclasses import replace

from holdfast.core.children import narrow
from holdfast.core.commands import Cancel, OpenChild
from holdfast.core.errors import Denied, HoldfastError, Unavailable
from holdfast.core.events import Ancestor, Opened
from holdfast.core.hooks import HookAction, HookEvent
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.lifecycle import SessionState
from holdfast.ports.store import Filter, StreamRow
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.listing import resolve_workspace
from holdfast.runtime.manager import Located
from holdfast.runtime.perform import clean
from holdfast.runtime.sessions import Sessions

LIVING = frozenset(
    int(state) for state in (SessionState.ACTIVE, SessionState.PROCESSING, SessionState.PAUSED)
)
PAGE = 200
STOP_TRIES = 20
STOP_RETRY_S = 0.5

_log = logging.getLogger(__name__)


class Children(Sessions):
    """Opening and finding child sessions."""

    async def create_session(
        self,
        id: str | None = None,
        config: SessionConfig | None = None,
        *,
        user_id: str | None = None,
        channel_id: str = "",
        chat_id: str = "",
    ) -> Session:
        """Create a session, below `config.parent_id` if that names one (seed D3)."""
        if isinstance(config, SessionConfig) and config.parent_id is not None:
            return await self.create_child_session(config.parent_id, id, config)
        return await super().create_session(
            id, config, user_id=user_id, channel_id=channel_id, chat_id=chat_id
        )

    async def create_child_session(
        self, parent_id: str, id: str | None = None, config: SessionConfig | None = None
    ) -> Session:
        """Open a session below another (seed B7).

        It has the parent's model, workspace and hooks unless it is given others
        within them, and can do no more than its parent at any moment: rules, grants
        and accounts of the parent are read, not copied. Its own grants stay its own.

        Raises:
            SessionNotFound: there is no parent.
            Denied: the parent may not open it, or it would be wider than its parent.
            SessionExists: the id is taken.
        """
        parent = await self.get_session(parent_id)
        name = generated_id(self.clock.random_bytes(16)) if id is None else validate_id(id)
        chosen = config or SessionConfig()
        above = await parent.view()
        wanted = chosen.to_settings(resolve_workspace(chosen.workspace))
        settings = narrow(above.settings, wanted)
        await self._family_hook(
            HookEvent.SUBAGENT_START, above.settings.hook_engine, parent_id, name
        )
        living = len(await self._rows_below(parent.where, LIVING))
        opened = Opened(
            session_id=name,
            tenant=self.tenant,
            user_id=above.user_id,
            channel_id=above.channel_id,
            chat_id=above.chat_id,
            installation="",
            commitment="",
            settings=replace(settings, parent_id=parent.id),
            system_prompt=clean(chosen.system_prompt or ""),
            git=above.git,
            label=above.label,
            exposure=above.exposure,
            risk=above.risk,
            lineage=(*above.lineage, Ancestor(parent.id, parent.where.stream)),
        )
        await self._check_free(opened)
        await parent.submit(OpenChild(session_id=name, living=living))
        return await self._open_new(opened, (), parent=parent.where.stream)

    async def with_shared_stores(
        self, parent_id: str, id: str | None = None, system_prompt: str = ""
    ) -> Session:
        """Open a child that shares its parent's allowances and budget (seed E2)."""
        return await self.create_child_session(
            parent_id, id, SessionConfig(system_prompt=system_prompt or None)
        )

    async def get_child_sessions(self, parent_id: str) -> list[str]:
        """Ids of the children of a session; none of one that is not there (seed B7)."""
        try:
            where = await self.locate(parent_id)
        except HoldfastError:
            return []
        rows = await self._rows_below(where, frozenset())
        return sorted(row.name for row in rows if row.name is not None)

    async def is_child_session(self, session_id: str) -> bool:
        """Whether a session stands below another (seed B7)."""
        return await self.parent_session_id(session_id) is not None

    async def parent_session_id(self, session_id: str) -> str | None:
        """The session it stands below, or None; a fork has no parent in this sense."""
        view = await (await self.get_session(session_id)).view()
        return view.lineage[-1].session_id if view.lineage else None

    async def below(self, where: Located) -> list[Located]:
        """All sessions below one, its children first."""
        rows = await self._rows_below(where, frozenset())
        found = [Located(where.backend, row) for row in rows]
        for child in tuple(found):
            found += await self.below(child)
        return found

    async def stop_children(self, stream: int) -> None:
        """Cancel what runs in the sessions below one, whoever leads them."""
        where = self._known.get(stream)
        for tries in range(STOP_TRIES if where is not None else 0):
            assert where is not None, "there are no tries without it"
            try:
                await self._stop_below(where)
                return
            except Unavailable:
                if tries + 1 == STOP_TRIES:
                    raise
                await self.clock.sleep(STOP_RETRY_S)

    async def _stop_below(self, where: Located) -> None:
        for row in await self._rows_below(where, LIVING):
            below = Located(where.backend, row)
            # In one at rest that nobody leads nothing runs, and nobody would take it up.
            if row.node is not None or row.index.state != int(SessionState.ACTIVE):
                await self._stop(below)
            await self._stop_below(below)

    async def _stop(self, below: Located) -> None:
        """Cancel what runs in one session, and see to it that somebody does."""
        try:
            await self.queue(below, Cancel(why="parent"))
            await self.lead_if_free(below)
        except Unavailable:
            raise
        except HoldfastError as error:  # it has ended meanwhile, or cannot be read
            _log.info("a child was not cancelled: %s", error.message)

    async def _rows_below(self, where: Located, states: frozenset[int]) -> list[StreamRow]:
        """The children of a session in these states; its forks are none."""
        wanted = Filter(tenant=where.row.tenant, parent=where.stream, states=states, limit=PAGE)
        return [
            row
            async for row in where.backend.rows(wanted)
            if row.name is not None and await self._child_of(where, row)
        ]

    async def _child_of(self, where: Located, row: StreamRow) -> bool:
        first = (await where.backend.journal(row).event_at(1)).event
        assert isinstance(first, Opened), "event 1 is a session's birth"
        return bool(first.lineage) and first.lineage[-1].stream == where.stream

    async def _family_hook(self, event: HookEvent, engine: str, parent: str, child: str) -> None:
        data: dict[str, object] = {"parent": parent, "child": child}
        answer = await self._around.hooks.fire(event, parent, data, engine=engine)
        if answer.action is HookAction.BLOCK:
            raise Denied(f"a hook refused the child: {answer.reason}")
