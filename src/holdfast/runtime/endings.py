"""How sessions go on elsewhere and how they end: fork, terminate, destroy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.commands import Terminate
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    KeyDestroyed,
    NotNow,
    SessionNotFound,
)
from holdfast.core.events import Details, Event, Opened, Origin, Totals
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.lifecycle import ENDED, SessionState, decode_state
from holdfast.core.messages import estimate_tokens
from holdfast.core.view import SessionView
from holdfast.ports.store import Filter
from holdfast.runtime.backend import Loaded
from holdfast.runtime.config import (
    WipeReceipt,
)
from holdfast.runtime.exported import exports_of
from holdfast.runtime.handle import Session
from holdfast.runtime.host import Host
from holdfast.runtime.manager import Located
from holdfast.runtime.sessions import Sessions
from holdfast.runtime.snapshot import load_state

PAGE = 1000
WAIT_S = 0.01
TRIES_MAX = 200
AGAIN_FIRST_S = 0.05
AGAIN_S_MAX = 5.0
CLOSE_WAIT_S = 5.0

_log = logging.getLogger("holdfast")


@dataclass(slots=True, kw_only=True)
class Family:
    """What stands below a session that ends.

    Args:
        keep: ids that are not to be wiped, casefolded.
        tries_left: how often one whose key is gone is looked at again.
    """

    keep: frozenset[str]
    erased: dict[str, None] = field(default_factory=dict)
    kept: dict[str, None] = field(default_factory=dict)
    tries_left: int = TRIES_MAX

    def doomed(self, names: Sequence[str]) -> list[str]:
        """Those that are to be wiped; all are noted."""
        found = [name for name in names if name.casefold() not in self.keep]
        self.erased.update(dict.fromkeys(found))
        self.kept.update(dict.fromkeys(set(names) - set(found)))
        return found

    def add(self, receipt: WipeReceipt) -> None:
        """Note what was below one of them."""
        self.erased.update(dict.fromkeys(receipt.erased))
        self.kept.update(dict.fromkeys(receipt.kept))


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
            NotNow: it is being wiped.
        """
        parent = await self.get_session(source)
        loaded = await parent.where.backend.load(parent.where.row)
        head = loaded.view
        if head.state in ENDED:
            raise NotNow(f"the session is {head.state.title}; it is not forked any more")
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

    async def _open_new(
        self, opened: Opened, further: Sequence[Event], *, parent: int = 0
    ) -> Session:
        """Open a session; one whose parent began to end meanwhile goes with it.

        Raises:
            NotNow: that happened; nothing is left of the new one.
        """
        session = await super()._open_new(opened, further, parent=parent)
        row = await session.where.backend.store.stream_row(parent) if parent else None
        if row is not None and decode_state(row.index.state) in ENDED:
            await self._terminate(session.id, (), "parent", tombstone=False)
            raise NotNow(f"the session above is {decode_state(row.index.state).title}")
        return session

    async def _load_until(self, where: Located, version: int) -> Loaded:
        journal = where.backend.journal(where.row)
        view, bodies = await load_state(journal, use_snapshot=False, until=version)
        return Loaded(journal=journal, view=view, bodies=bodies, indexer=None)

    # --- the end -------------------------------------------------------------------------

    async def terminate_session(
        self,
        session_id: str,
        *,
        keep: Sequence[str] = (),
        reason: str = "",
        if_version: int | None = None,
    ) -> WipeReceipt:
        """Wipe a session: its key is destroyed and that is attested in its log.

        It takes nothing new from then on; then its forks and children are wiped with it,
        unless they are named in `keep`; then its own key goes.

        Args:
            if_version: only if the session has this version still.

        Raises:
            SessionNotFound: there is no such session.
            VersionMismatch: it has another version; nothing is wiped.
            HoldfastError: one below it cannot be wiped. The session stays Terminating;
                end it again with that one in `keep`, or once it can be wiped.
        """
        return await self._terminate(
            session_id, keep, reason, tombstone=False, if_version=if_version
        )

    async def destroy_session(
        self,
        session_id: str,
        *,
        keep: Sequence[str] = (),
        reason: str = "",
        if_version: int | None = None,
    ) -> WipeReceipt:
        """Terminate a session and take it out of all listings (seed B6)."""
        return await self._terminate(
            session_id, keep, reason, tombstone=True, if_version=if_version
        )

    async def _terminate(
        self,
        session_id: str,
        keep: Sequence[str],
        reason: str,
        *,
        tombstone: bool,
        if_version: int | None = None,
    ) -> WipeReceipt:
        session = (await self.get_session(session_id)).if_version(if_version)
        where = session.where
        family = Family(keep=frozenset(name.casefold() for name in keep))
        family.doomed(await self._named_below(where))
        command = Terminate(why=reason, tombstone=tombstone, keep=tuple(sorted(family.keep)))
        await session.submit(command)
        await self._end_below(where, family, tombstone=tombstone)
        await self._wiped(where)
        found = where.backend.keys.receipt(where.stream)
        assert found is not None, "a destroyed key leaves a receipt"
        return WipeReceipt(
            session_id=session_id,
            destroyed_at_ms=found.destroyed_at_ms,
            key_epoch=found.epoch,
            erased=tuple(family.erased),
            kept=tuple(family.kept),
            checkpoint=0 if self._checkpoints is None else await self._covering(),
            exports=await exports_of(where.backend.store, where.stream),
        )

    async def close(self) -> None:
        """Stop leading all sessions; a wipe that has begun here is given a moment to end."""
        until = self.clock.monotonic() + CLOSE_WAIT_S
        while self.clock.monotonic() < until:
            led = [engine for engine in self._engines.values() if engine.lost is None]
            if not any(e.view.state in ENDED and not e.view.wiped for e in led):
                break
            await self.clock.sleep(WAIT_S)
        await super().close()

    async def _end_below(self, where: Located, family: Family, *, tombstone: bool) -> None:
        """Wipe what stands below a session that takes no more, until nothing new is there."""
        while names := family.doomed(await self._named_below(where)):
            for name in names:
                try:
                    receipt = await self._terminate(
                        name, tuple(family.keep), "parent", tombstone=tombstone
                    )
                    family.add(receipt)
                except SessionNotFound:
                    pass  # somebody else was first
                except KeyDestroyed:  # somebody else is at its last steps
                    family.tries_left -= 1
                    if family.tries_left < 0:
                        raise
                    await self.clock.sleep(WAIT_S)

    async def _named_below(self, where: Located) -> list[str]:
        """Ids of the forks and children of a session, in all stores."""
        wanted = Filter(tenant=self.tenant, parent=where.stream, limit=PAGE)
        return [
            row.name
            for _, backend in self.distinct_backends()
            async for row in backend.rows(wanted)
            if row.name is not None
        ]

    def _host(self, loaded: Loaded) -> Host:
        return replace(super()._host(loaded), end_below=self._finish_below)

    async def _finish_below(self, stream: int, view: Callable[[], SessionView]) -> None:
        """Before a session that this process leads is wiped: nothing is left below it.

        What cannot be wiped now is tried again; until then the session is Terminating.
        """
        wait_s = AGAIN_FIRST_S
        while True:
            try:
                for _, backend in self.distinct_backends():
                    row = await backend.store.stream_row(stream)
                    if row is not None:
                        family = Family(keep=frozenset(view().keep))
                        hidden = view().tombstone
                        await self._end_below(Located(backend, row), family, tombstone=hidden)
                return
            except HoldfastError as error:
                _log.warning("what is below a session is not wiped yet: %s", error.reason)
            await self.clock.sleep(wait_s)
            wait_s = min(AGAIN_S_MAX, 2 * wait_s)

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
