"""The manager's core: which sessions exist, who leads them, how commands reach them.

A manager is a runner: it leads sessions that nobody else leads. When another
process leads one, commands are submitted to that process through the inbox and
the outcome is read from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from holdfast.core.commands import External
from holdfast.core.errors import (
    DuplicateCommand,
    LeaseHeld,
    NoModel,
    SessionNotFound,
    StoreNotRegistered,
    Unavailable,
)
from holdfast.core.gitstate import GitState
from holdfast.core.settings import StorageType
from holdfast.core.tokens import TokenSettings
from holdfast.core.view import SessionView
from holdfast.ports.clock import Clock
from holdfast.ports.model import ModelClient
from holdfast.ports.registry import Registry
from holdfast.ports.shell import NoShell, ShellParser
from holdfast.ports.store import PendingKind, StreamRow
from holdfast.runtime.authority import Trust
from holdfast.runtime.backend import Backend, Follower, Loaded
from holdfast.runtime.codec import encode_command
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.engine import Engine
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.hooks import Hooks
from holdfast.runtime.host import (
    Commands,
    Handled,
    Host,
    Mail,
    check_command_id,
    letter,
    no_enclave,
)
from holdfast.runtime.hub import Hub
from holdfast.runtime.inbox import seal_command
from holdfast.runtime.located import Located, find_located
from holdfast.runtime.outcomes import check_timely, left_no_trace, outcome_of
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.sweep import WATCH_S, Sweeping
from holdfast.runtime.telling import Telling
from holdfast.runtime.waiting import waits

__all__ = ["Core", "Located", "Surroundings"]

DEFAULT_TENANT = "default"
DEFAULT_USER = "local"
STORE_ORDER = (StorageType.FILE, StorageType.CUSTOM, StorageType.MEMORY)
IDLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a manager is given by `bootstrap`."""

    clock: Clock
    registry: Registry
    build_client: Callable[[SessionView], ModelClient | None]
    kill_leftovers: Callable[[str], Awaitable[int]]
    git_state: Callable[[str], Awaitable[GitState | None]]
    hooks: Hooks
    shell: ShellParser = field(default_factory=NoShell)
    unsandboxed_allowed: bool = False
    idle_s: float = IDLE_S
    detectors: Detectors = field(default_factory=Detectors)
    enclave_client: Callable[[SessionView], ModelClient | None] = no_enclave
    tokens: TokenSettings | None = None


class Core(Sweeping, Telling):
    """Engines, backends and the way of a command."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self.clock = surroundings.clock
        self.idle_s = surroundings.idle_s
        self.registry = surroundings.registry
        self.shell = surroundings.shell
        self.detectors = surroundings.detectors
        self.backends: dict[StorageType, Backend] = {}
        self.private: tuple[str, ...] = ()
        self.tenant = DEFAULT_TENANT
        self.principal = DEFAULT_USER
        self.commands: Commands | None = None
        self._root: Core = self
        self._engines: dict[int, Engine] = {}
        self._hubs: dict[int, Hub] = {}
        self._locks: dict[int, asyncio.Lock] = {}
        self._known: dict[int, Located] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._closing = False
        self.trust = Trust()

    async def ready(self) -> None:
        """Open the stores if they are not; `bootstrap` says how."""

    def start_watching(self) -> None:
        """Begin to notice other processes' commits and idle engines."""
        for _, backend in self.distinct_backends():
            self._watchers.append(asyncio.create_task(self.watch(backend)))
        self._watchers.append(asyncio.create_task(self.evict_idle()))

    async def close(self) -> None:
        """Stop leading all sessions and close the stores; nothing is ended."""
        self._closing = True
        for task in tuple(self._watchers):
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers.clear()
        for engine in tuple(self._engines.values()):
            await engine.stop()
        self._engines.clear()
        for hub in self._hubs.values():
            hub.close()
        for _, backend in self.distinct_backends():
            await backend.store.aclose()
            backend.keys.close()
        await self._around.detectors.taints.aclose()
        await self.telemetry.flush()

    # --- finding ---------------------------------------------------------------------

    def backend_for(self, storage: StorageType | str) -> Backend:
        """The backend of a storage type.

        Raises:
            StoreNotRegistered: there is none; nothing falls back to memory.
        """
        backend = next((one for kind, one in self.backends.items() if kind == storage), None)
        if backend is None:
            raise StoreNotRegistered(f"no store is registered for storage_type {str(storage)!r}")
        return backend

    def distinct_backends(self) -> list[tuple[StorageType, Backend]]:
        """Each backend once, in a fixed order."""
        found: dict[int, tuple[StorageType, Backend]] = {}
        for storage in STORE_ORDER:
            backend = self.backends.get(storage)
            if backend is not None:
                found.setdefault(id(backend), (storage, backend))
        return list(found.values())

    @property
    def names_wiped(self) -> bool:
        """Whether a session that was wiped, and so has no workspace any more, may be named."""
        return True

    async def locate(self, session_id: str) -> Located:
        """Find a session by its id, store by store.

        Raises:
            SessionNotFound: no store has it.
        """
        await self.ready()
        backends = [backend for _, backend in self.distinct_backends()]
        found = await find_located(backends, self.tenant, session_id)
        if found is None:
            raise SessionNotFound(f"there is no session {session_id!r}")
        return self.place(found.backend, found.row)

    def place(self, backend: Backend, row: StreamRow) -> Located:
        """Where a session is kept; it is known from then on."""
        located = self._known[row.stream] = Located(backend, row)
        return located

    # --- leading -----------------------------------------------------------------------

    def _lock(self, stream: int) -> asyncio.Lock:
        return self._locks.setdefault(stream, asyncio.Lock())

    def hub(self, stream: int) -> Hub:
        """The session's hub; it outlives the engine."""
        return self._hubs.setdefault(stream, Hub())

    def emit(self, where: Located, session_id: str, kind: str, data: Mapping[str, object]) -> None:
        """Publish a live event of the embedding program under its own prefix."""
        engine = self.live(where.stream)
        view = engine.view if engine else None
        event = StreamEvent(
            type=f"host.{kind}",
            session=session_id,
            version=view.version if view else where.row.version,
            time_ms=self.clock.now_ms(),
            run=view.turn.id if view and view.turn else 0,
            data=dict(data),
            live=True,
        )
        self.hub(where.stream).publish(event)

    def live(self, stream: int) -> Engine | None:
        """The engine that leads the session in this process, or None."""
        engine = self._engines.get(stream)
        return engine if engine is not None and engine.lost is None else None

    async def engine(self, where: Located) -> Engine:
        """The session's engine, after taking the lease if need be.

        What was left open and what waited in the inbox has been looked at then.

        Raises:
            LeaseHeld: another live process leads the session.
        """
        async with self._lock(where.stream):
            if self._root._closing:
                raise Unavailable("the manager is closing")
            engine = self.live(where.stream)
            if engine is None:
                engine = self.adopt(await where.backend.lead(where.row))
        await engine.settled.wait()
        return engine

    def adopt(self, loaded: Loaded) -> Engine:
        """Start an engine on a session this node has the lease of."""
        assert loaded.lease is not None, "only a leased session is led"
        backend_host = self._host(loaded)
        stream = loaded.journal.stream
        engine = Engine(
            backend_host,
            loaded.journal,
            loaded.view,
            loaded.bodies,
            lease=loaded.lease,
            indexer=loaded.indexer,
            hub=self.hub(stream),
        )
        self._engines[stream] = engine
        with self.telemetry.within(None):  # whose request it was that began it
            engine.start()
        return engine

    def _host(self, loaded: Loaded) -> Host:
        return Host(
            store=loaded.journal.store,
            keys=loaded.journal.keys,
            clock=self.clock,
            registry=self.registry,
            model_for=self._around.build_client,
            kill_leftovers=self._around.kill_leftovers,
            git_state=self._around.git_state,
            unsandboxed_allowed=self._around.unsandboxed_allowed,
            private=self.private,
            hooks=self._around.hooks,
            shell=self._around.shell,
            trust=self.trust,
            stop_below=self.stop_children,
            detectors=self._around.detectors,
            enclave_for=self._around.enclave_client,
            telemetry=self.telemetry,
        )

    async def below(self, where: Located) -> list[Located]:
        """All sessions below one; `children` finds them."""
        return []

    async def stop_children(self, stream: int) -> None:
        """Cancel what runs below a session; `children` says how."""

    async def follow(self, where: Located, until: int | None = None) -> Follower:
        """Read a session without leading it, up to a version."""
        return Follower(await where.backend.load(where.row, until))

    # --- commands ----------------------------------------------------------------------

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
        """Have a command carried out, here or by whoever leads the session.

        Args:
            id: 16 bytes; the same id again gets the first outcome.
            by: the principal; default: the manager's.
            lead: take the lease if nobody has it.
            expects: the version the session is to have still, else `VersionMismatch`.

        Raises:
            HoldfastError: it was refused.
        """
        check_command_id(id)
        actor = await where.backend.actor(where.row.tenant, by or self.principal)
        body = self.commands.body if self.commands else b""
        if id is None and self.commands is not None:
            id = self.commands.next()
        digest = b""
        if id is not None:
            digest = self._digest(where, body or encode_command(command, expects))
        trace = self.telemetry.current()
        mail = partial(letter, command, digest=digest, actor=actor, expects=expects, trace=trace)
        for _ in range(3):
            try:
                if not lead and self.live(where.stream) is None:
                    break
                engine = await self.engine(where)
                engine.post(sent := mail(id=id))
                handled = await asyncio.shield(sent.future)  # who leaves takes no letter along
                if handled.duplicate and id is not None:
                    return await outcome_of(where.backend.journal(where.row), id, handled.last)
                return handled
            except LeaseHeld:
                if self.live(where.stream) is None:
                    break
        return await self._submit_elsewhere(where, mail(id=id or self.clock.random_bytes(16)))

    def command_id(self) -> bytes:
        """The id of a command that is to have one, 16 bytes."""
        return self.commands.next() if self.commands else self.clock.random_bytes(16)

    def _digest(self, where: Located, body: bytes) -> bytes:
        engine = self.live(where.stream)
        crypto = engine.journal.crypto if engine else None
        if crypto is None:
            crypto = Crypto(where.backend.keys.session_key(where.stream), self.clock.random_bytes)
        return crypto.digest(b"command", body)

    async def queue(
        self, where: Located, command: External, *, id: bytes | None = None, by: str | None = None
    ) -> bytes:
        """Only submit a command; returns its id. Whoever leads carries it out."""
        check_command_id(id)
        actor = await where.backend.actor(where.row.tenant, by or self.principal)
        chosen = id or self.clock.random_bytes(16)
        mail = letter(command, id=chosen, digest=b"", actor=actor, expects=None)
        journal = where.backend.journal(where.row)
        try:
            await where.backend.store.submit(seal_command(journal, mail, self.clock.now_ms()))
        except DuplicateCommand:
            pass  # carried out before: its id leads to the outcome
        finally:
            # A store tells only of other processes' commits; this one may be in all the same.
            engine = self.live(where.stream)
            if engine is not None:
                engine.look_at_inbox()
        return chosen

    async def _submit_elsewhere(self, where: Located, mail: Mail) -> Handled:
        journal = where.backend.journal(where.row)
        store = where.backend.store
        assert mail.id is not None
        await check_timely(store, where.stream, mail)
        try:
            await store.submit(seal_command(journal, mail, self.clock.now_ms()))
        except DuplicateCommand as known:
            return await outcome_of(journal, mail.id, known.version)
        while True:
            known_at = await store.command(where.stream, mail.id)
            if known_at is not None:
                return await outcome_of(journal, mail.id, known_at[0])
            if not await waits(store, where.stream, PendingKind.COMMAND, mail.id):
                again = await store.command(where.stream, mail.id)
                if again is None:
                    return await left_no_trace(journal, mail.command, mail.expects)
                continue
            await self.lead_if_free(where)
            await store.changed(WATCH_S / 4)

    async def check_model_for(self, where: Located) -> None:
        """Refuse early what this process leads and has no model for.

        Raises:
            NoModel: neither the session nor the manager has one.
            MissingExtra, InvalidInput: its client cannot be built.
        """
        try:
            engine = await self.engine(where)
        except LeaseHeld:
            return
        if await self._model_of(engine) is None:
            raise NoModel("no model: give the manager or the session one")

    async def _model_of(self, engine: Engine) -> ModelClient | None:
        """The client of the session's next call, or None."""
        return engine.host.model_for(engine.view)

    async def lead_if_free(self, where: Located) -> None:
        """Take the session's lease if nobody has it, and serve its inbox."""
        try:
            (await self.engine(where)).look_at_inbox()
        except LeaseHeld:
            pass  # somebody leads it and will see the inbox
