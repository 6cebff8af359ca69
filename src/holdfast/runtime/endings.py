"""How sessions go on elsewhere and how they end: fork, terminate, destroy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from holdfast.core.commands import Terminate
from holdfast.core.errors import (
    InvalidInput,
    KeyDestroyed,
)
from holdfast.core.events import Details, Opened, Origin, Totals
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import estimate_tokens
from holdfast.core.view import SessionView
from holdfast.ports.store import Filter
from holdfast.runtime.backend import Loaded
from holdfast.runtime.config import (
    WipeReceipt,
)
from holdfast.runtime.handle import Session
from holdfast.runtime.manager import Located
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.snapshot import load_state


class Endings(Sessions):
    """Forks and wipes."""

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
            settings=replace(
                at.view.settings,
                name=title,
                permission=head.settings.permission,  # denials never go back (contract 1.4)
                confirmation=head.settings.confirmation,
                security=head.settings.security,
            ),
            system_prompt=at.bodies.prompt,
            details=Details(title=title, tags=at.view.details.tags, custom=at.view.details.custom),
            git=at.view.git,
            origin=origin,
            lineage=head.lineage,  # what binds a child binds its fork (contract 1.4)
            messages=messages,
            tokens=sum(estimate_tokens(message) for message in messages),
            totals=totals_of(at.view),
            label=head.label,
            exposure=head.exposure,
            risk=head.risk,
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
            checkpoint=0 if self._checkpoints is None else await self._covering(),
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
