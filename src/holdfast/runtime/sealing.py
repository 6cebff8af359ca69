"""Sealed sessions of a manager: each is hosted by a process of its own (decision 0026).

Rules
- A sealed session's key is given by the key store to its host alone, so this process can
  neither read nor lead it, by whatever way. What it can do is to start the host and relay.
- The host is this very program over the same store with a lease of its own: one loop, one
  gate, every guard. What cannot be taken to another process (functions as tools, clients,
  hooks, detectors of one's own) is refused when the session is made, and never left out.
- A host that dies is started again, and the session goes on as after any crash; a request
  is repeated under the id it had. When the wipe returns, the host is gone.
- A host ends with this process, however that ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.core.commands import External
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    KeyDestroyed,
    SessionSealed,
)
from holdfast.core.events import Event, Opened, Warned
from holdfast.core.lifecycle import SessionState
from holdfast.ports.sealed import HostEnded, Reply, SealedLauncher, SealedProcess
from holdfast.ports.store import StreamRow
from holdfast.runtime import sealedforms as forms
from holdfast.runtime.backend import Backend
from holdfast.runtime.codec import dump, encode_command
from holdfast.runtime.config import WipeReceipt
from holdfast.runtime.endings import Endings
from holdfast.runtime.engine import Engine
from holdfast.runtime.handle import Session
from holdfast.runtime.host import Handled, check_command_id
from holdfast.runtime.located import Located
from holdfast.runtime.sealedsession import SealedSession

STARTS_MAX = 2
"""How often a request is sent to a host; the first may end before it answers."""

UNFINISHED = frozenset({int(SessionState.PROCESSING), int(SessionState.TERMINATING)})


def not_here() -> str:
    """Say why no session can be sealed where nothing was set up for it."""
    return "no process can be started for it here"


@dataclass(slots=True, kw_only=True)
class SealedSetup:
    """How hosts come to be; `bootstrap` says.

    Args:
        launcher: starts their processes.
        problem: why a session cannot be sealed here now, or "".
        facts: what a host has to be told to open the same store, as plain JSON.
    """

    launcher: SealedLauncher | None = None
    problem: Callable[[], str] = not_here
    facts: Callable[[], Mapping[str, object]] = dict


@dataclass(slots=True)
class _Host:
    process: SealedProcess
    used_at: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sealing(Endings):
    """What a manager does with sealed sessions.

    Attributes:
        sealed_setup: how hosts come to be.
        hosting: the stream that this process hosts; None in an ordinary one.
    """

    sealed_setup: SealedSetup = SealedSetup()
    hosting: int | None = None
    _hosts: dict[int, _Host]

    # --- which sessions ---------------------------------------------------------------

    def is_held(self, where: Located) -> bool:
        """Whether the session is sealed, and another process is the one to host it."""
        if self.hosting is not None:
            return where.stream != self.hosting
        return where.backend.keys.is_sealed(where.stream)

    def _handle(self, where: Located, id: str) -> Session:
        if self.hosting is None and self.is_held(where):
            self._known[where.stream] = where
            return SealedSession(self, self, where, id)
        return super()._handle(where, id)

    async def engine(self, where: Located) -> Engine:
        """The session's engine; a sealed one has it in its host only.

        Raises:
            SessionSealed: this process does not host it.
            LeaseHeld: another live process leads it.
        """
        if self.live(where.stream) is None and self.is_held(where):
            raise SessionSealed("the session is sealed: only its own process leads it")
        return await super().engine(where)

    async def _take_over(self, where: Located) -> bool:
        if self.is_held(where):
            raise SessionSealed("the session is sealed: only its own process leads it")
        return await super()._take_over(where)

    # --- birth -------------------------------------------------------------------------

    async def _check_free(self, opened: Opened) -> None:
        await super()._check_free(opened)
        above = [one.stream for one in opened.lineage]
        keys = self.backend_for(opened.settings.storage_type).keys
        if above and (opened.settings.sealed or any(map(keys.is_sealed, above))):
            raise InvalidInput("a sealed session has neither a parent nor children")

    def _check_sealable(self) -> None:
        """Refuse what could not be kept in another process.

        Raises:
            InvalidInput: saying why.
        """
        problem = self.sealed_setup.problem()
        if not problem and (self.hooks.hooks() or self._around.hooks.names):
            problem = "hooks that are functions are not asked in another process"
        if problem:
            raise InvalidInput(f"the session cannot be sealed: {problem}")

    async def _open_new(
        self, opened: Opened, further: Sequence[Event], *, parent: int = 0
    ) -> Session:
        if not opened.settings.sealed or self.hosting is not None:
            return await super()._open_new(opened, further, parent=parent)
        if any(not isinstance(event, Warned) for event in further) or parent:
            raise InvalidInput("a session that is taken over from elsewhere cannot be sealed")
        self._check_sealable()  # all else the host looks at, with its own detectors and policy
        process = await self._launch("create", bytearray(dump(opened)))
        where = await self.locate(opened.session_id)
        self._table[where.stream] = _Host(process, self.clock.monotonic())
        return self._handle(where, opened.session_id)

    async def open_hosted(self, opened: Opened) -> Session:
        """Make the session that this process is to host.

        Raises:
            HoldfastError: as `create_session` does.
        """
        assert self.hosting is not None, "only a host makes a sealed session"
        return await super()._open_new(opened, self._warnings(opened))

    # --- hosts ---------------------------------------------------------------------------

    @property
    def _table(self) -> dict[int, _Host]:
        if "_hosts" not in vars(self):
            self._hosts = {}
        return self._hosts

    def sealed_pid(self, where: Located) -> int | None:
        """The process that hosts a session for this manager, if one is running."""
        host = self._table.get(where.stream)
        return None if host is None or host.process.over else host.process.pid

    async def _launch(self, op: str, body: bytearray, **meta: object) -> SealedProcess:
        launcher = self.sealed_setup.launcher
        if launcher is None:
            raise InvalidInput(f"the session cannot be hosted: {not_here()}")
        process = await launcher.start()
        try:
            reply = await process.ask(op, {**self.sealed_setup.facts(), **meta}, body)
            if reply.refused:
                raise forms.error_of(reply.meta)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(process.end()))
            raise
        finally:
            forms.wipe(body)
        return process

    async def _host_of(self, where: Located) -> _Host:
        """The session's host, started if there is none.

        Raises:
            KeyDestroyed: the session was wiped.
            InvalidInput: something here cannot be taken to another process.
        """
        self._check_sealable()
        async with self._lock(where.stream):
            host = self._table.get(where.stream)
            if host is not None and host.process.over:
                del self._table[where.stream]
                await host.process.gone()
                host = None
            if host is None:
                if not where.backend.keys.is_sealed(where.stream):
                    where.backend.keys.session_key(where.stream).wipe()  # it says why not
                    raise SessionSealed("the session's key is not a sealed session's")
                row = await where.backend.store.stream_row(where.stream)
                name = where.row.name if row is None else row.name
                process = await self._launch("open", bytearray(), session=name)
                host = self._table[where.stream] = _Host(process)
            host.used_at = self.clock.monotonic()
            return host

    async def sealed_call(
        self, where: Located, op: str, meta: Mapping[str, object], body: bytearray | None = None
    ) -> Reply:
        """Have a session's host do something; the body is overwritten.

        One that ends before it answers is started again, once, and asked again.

        Raises:
            HostEnded: it ended again.
            HoldfastError: what it refused with.
        """
        try:
            for left in range(STARTS_MAX - 1, -1, -1):
                host = await self._host_of(where)
                try:
                    reply = await host.process.ask(op, meta, body)
                except HostEnded:
                    if not left:
                        raise
                    continue
                host.used_at = self.clock.monotonic()
                if reply.refused:
                    raise forms.error_of(reply.meta)
                return reply
        finally:
            if body is not None:
                forms.wipe(body)
        raise HostEnded

    async def sealed_follow(
        self, where: Located, meta: Mapping[str, object], body: bytearray
    ) -> tuple[SealedProcess, Reply]:
        """Begin to read a session's events; returns whom to ask for the next.

        Raises:
            HoldfastError: what its host refused with.
        """
        reply = await self.sealed_call(where, "follow", meta, body)
        return self._table[where.stream].process, reply

    # --- commands ------------------------------------------------------------------------

    async def submit(
        self,
        where: Located,
        command: External,
        *,
        id: bytes | None = None,
        by: str | None = None,
        lead: bool = True,
        expects: int | None = None,
    ) -> Handled:
        """Have a command carried out; a sealed session's by its host."""
        led = self.hosting is not None or self.live(where.stream) is not None
        if led or not self.is_held(where):
            return await super().submit(where, command, id=id, by=by, lead=lead, expects=expects)
        check_command_id(id)
        chosen = id or self.clock.random_bytes(16)
        meta: dict[str, object] = {"id": chosen.hex(), "by": by or self.principal}
        body = bytearray(encode_command(command, expects))
        reply = await self.sealed_call(where, "submit", meta, body)
        first, last, turn, duplicate = (reply.meta[n] for n in ("first", "last", "turn", "twice"))
        assert isinstance(first, int) and isinstance(last, int) and isinstance(turn, int)
        return Handled(first, last, turn, duplicate is True)

    async def check_model_for(self, where: Located) -> None:
        """Refuse early what this process leads and has no model for; a host sees to its own."""
        led = self.hosting is not None or self.live(where.stream) is not None
        if led or not self.is_held(where):
            await super().check_model_for(where)

    # --- the end ---------------------------------------------------------------------------

    async def _terminate(
        self,
        session_id: str,
        keep: Sequence[str],
        reason: str,
        *,
        tombstone: bool,
        if_version: int | None = None,
    ) -> WipeReceipt:
        where = await self.locate(session_id)
        if self.hosting is not None or not self.is_held(where):
            return await super()._terminate(
                session_id, keep, reason, tombstone=tombstone, if_version=if_version
            )
        meta = {"keep": list(keep), "reason": reason, "tombstone": tombstone}
        meta["if_version"] = if_version
        try:
            reply = await self.sealed_call(where, "terminate", meta)
            receipt = forms.read(WipeReceipt, reply.body)
        except (HostEnded, KeyDestroyed):  # it died over it: what is left needs no key
            receipt = await self._rest_of_wipe(where, session_id)
        host = self._table.pop(where.stream, None)
        if host is not None:
            await host.process.gone()
        self._known.pop(where.stream, None)
        return receipt

    async def _rest_of_wipe(self, where: Located, session_id: str) -> WipeReceipt:
        found = where.backend.keys.receipt(where.stream)
        if found is None:
            raise HostEnded
        await self._wiped(where)
        return WipeReceipt(
            session_id=session_id,
            destroyed_at_ms=found.destroyed_at_ms,
            key_epoch=found.epoch,
        )

    # --- what is done without being asked ------------------------------------------------

    async def resume_interrupted(self) -> list[Session]:
        """Lead every session in which something was cut off; sealed ones by their hosts."""
        found = await super().resume_interrupted()
        if self.hosting is not None:
            return found
        async for where in self.rows():
            if not self.is_held(where):
                continue
            waiting = await where.backend.store.pending(where.stream, limit=1)
            if where.row.index.state in UNFINISHED or waiting or where.row.node is not None:
                try:
                    await self._host_of(where)
                except HoldfastError:
                    continue  # its own users are told
                found.append(self._handle(where, where.row.name or ""))
        return found

    async def _lead(self, backend: Backend, stream: int) -> None:
        row = await backend.store.stream_row(stream)
        if row is not None and self.hosting is None and backend.keys.is_sealed(stream):
            await self._lead_sealed(backend, row)
            return
        await super()._lead(backend, stream)

    async def _lead_sealed(self, backend: Backend, row: StreamRow) -> None:
        try:
            await self._host_of(Located(backend, row))
        except HoldfastError:
            return  # its own users are told

    def start_watching(self) -> None:
        """Begin to notice other processes' commits, and idle engines and hosts."""
        super().start_watching()
        if self.hosting is None:
            self._watchers.append(asyncio.create_task(self._rest_hosts()))

    async def _rest_hosts(self) -> None:
        """End the hosts that nobody uses and that have nothing to do."""
        while not self._closing:
            await self.clock.sleep(max(0.05, self.idle_s / 4))
            for stream, host in tuple(self._table.items()):
                idle = self.clock.monotonic() - host.used_at > self.idle_s
                if not idle or host.process.waiting:
                    continue
                async with self._lock(stream):
                    if host.process.waiting or not await _resting(host.process):
                        continue
                    self._table.pop(stream, None)
                    await host.process.end()

    async def close(self) -> None:
        """End all hosts, stop leading all sessions, close the stores; no session is ended."""
        self._closing = True
        hosts = list(self._table.values())
        self._table.clear()
        if hosts:
            await asyncio.gather(*(host.process.end() for host in hosts))
        await super().close()


async def _resting(process: SealedProcess) -> bool:
    try:
        reply = await process.ask("resting", {})
    except HostEnded:
        return True
    return not reply.refused and reply.meta.get("resting") is True


def own_parts(**given: object) -> str:
    """The names of what was given, or ""."""
    return ", ".join(name for name, value in given.items() if value is not None)
