"""Where the agent's configuration is kept: a sealed row, and a log of its changes.

Rules
- The row is sealed under a key of the tenant, the provider's key with it. Its scope's
  revision is the configuration's version: it goes up with each change, and whoever begins
  a turn asserts it, so that a change is noticed without being looked for (contract 1.7).
- Each change is an event of a log of its own, encrypted and chained as a session's, in the
  append that writes the row. The event has settings and never a key.
- That log is no session: it stands under a tenant that none can have, so nobody finds,
  reads or ends it as one; the audit sees it as it sees every log.
- One writer at a time, in all processes: it leads the log while it writes.
- A request that is repeated changes nothing and has its first outcome, whatever is stored
  now (contract 1.11): the log tells it, and the log has no key.
- A row that does not open, or that the log's last event did not write, is no
  configuration: it is refused, and nothing stands in for it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from holdfast.core.agentconfig import AgentKey, AgentRecord, CallSettings, KeySource, key_of
from holdfast.core.errors import (
    CommandMismatch,
    HoldfastError,
    LeaseHeld,
    SessionExists,
    StoreBusy,
    Unreadable,
    VersionMismatch,
)
from holdfast.core.events import Configured, Opened, StateSet
from holdfast.core.lifecycle import SessionState
from holdfast.core.session import evolve
from holdfast.core.settings import Settings
from holdfast.core.view import Recorded
from holdfast.ports.store import Assert, CommandDone, Grant, GrantChange, StreamRow
from holdfast.runtime.backend import Backend, Loaded
from holdfast.runtime.boxes import NONCE_BYTES, BoxCipher, derive
from holdfast.runtime.codec import dump, load
from holdfast.runtime.host import Commands
from holdfast.runtime.journal import Extras
from holdfast.runtime.snapshot import write_snapshot

COMMAND = b"agent-config"
WAIT_S = 5.0
BORN = 2
"""The version of the log before the first change."""

LOOK_S = 0.02
READS_MAX = 5
SNAPSHOT_EVENTS = 32
_PURPOSE = "agent config"
_ROW = b"agent-config".ljust(16, b"\0")


def config_scope(tenant: str) -> str:
    """The scope whose revision is the version of a tenant's configuration."""
    return f"c:{tenant}"


def log_tenant(tenant: str) -> str:
    """Under which tenant the log of a tenant's configuration stands; no session can."""
    return f"config:{tenant}"


def tenant_of(row: StreamRow) -> str | None:
    """Whose configuration a log is of; None if it is another log."""
    mark, colon, tenant = row.tenant.partition(":")
    return tenant if colon and mark == "config" else None


def log_name(tenant: str) -> str:
    """How the audit names that log; no session's id has a colon."""
    return f"agent-config:{tenant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is stored for a tenant.

    Args:
        revision: of its scope; 0 if nothing ever was.
        record: None if nothing is configured.
        problem: why what is stored is no configuration, or "".
    """

    revision: int = 0
    record: AgentRecord | None = None
    problem: str = ""

    def check(self) -> None:
        """Refuse what is no configuration.

        Raises:
            Unreadable: it is not what was written.
        """
        if self.problem:
            raise Unreadable(self.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOutcome:
    """What a change came to.

    Args:
        kept: what was stored then; of a repeated request without the key.
        key: what is shown of the key.
        repeated: the change was made before, and something else may be stored by now.
    """

    kept: Kept
    key: AgentKey
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A change that somebody asks for.

    Args:
        make: the record, of what is stored and the event's version; it may refuse.
        principal: who asks.
        expected: the version that is to be there; None is any.
        commands: the ids of a request: the same again changes nothing. They are only
            `principal`'s.
    """

    make: Callable[[Kept, int], AgentRecord]
    principal: str
    expected: int | None = None
    commands: Commands | None = None


class AgentBook:
    """The configurations of one store, tenant by tenant."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = asyncio.Lock()

    @property
    def backend(self) -> Backend:
        """The store that they are kept in."""
        return self._backend

    # --- reading -------------------------------------------------------------------

    async def revision(self, tenant: str) -> int:
        """The version that is stored now."""
        return (await self._backend.store.grants(config_scope(tenant)))[0]

    async def read(self, tenant: str) -> Kept:
        """What is stored now; row and log are read until both are of one moment."""
        kept = Kept()
        for _ in range(READS_MAX):
            kept = await self._read(tenant)
            if not kept.problem:
                break
        return kept

    async def _read(self, tenant: str) -> Kept:
        store = self._backend.store
        revision, rows = await store.grants(config_scope(tenant))
        log = await store.find(log_tenant(tenant), log_name(tenant))
        version = 0 if log is None else log.version
        if not rows and revision == 0 and version <= BORN:  # a log without a change is none yet
            return Kept()
        try:
            if [row.id for row in rows] != [_ROW]:
                raise Unreadable("the agent's configuration is not there any more")
            record = self._open(tenant, rows[0])
            if record.version != version:
                raise Unreadable("the agent's configuration is not the one its log tells of")
        except HoldfastError as error:
            return Kept(revision=revision, problem=error.message)
        return Kept(revision=revision, record=record)

    def _box(self, tenant: str) -> BoxCipher:
        secret = self._backend.keys.tenant_secret(tenant)
        return BoxCipher(derive(secret, b"holdfast/agent-config-box/1"))

    def _open(self, tenant: str, row: Grant) -> AgentRecord:
        place = (tenant, row.scope, row.id)
        return load(AgentRecord, self._box(tenant).open(_PURPOSE, place, row.body))

    def _seal(self, tenant: str, record: AgentRecord) -> GrantChange:
        scope = config_scope(tenant)
        nonce = self._backend.clock.random_bytes(NONCE_BYTES)
        body = self._box(tenant).seal(_PURPOSE, (tenant, scope, _ROW), dump(record), nonce)
        return GrantChange(scope=scope, id=_ROW, body=body)

    # --- writing -------------------------------------------------------------------

    async def write(self, tenant: str, wish: Wish) -> ConfigOutcome:
        """Put another configuration in place; returns what is stored then.

        Raises:
            VersionMismatch: another version is there.
            CommandMismatch: the request's key was used with another body.
            Unreadable: the request was carried out before, and the log does not tell how.
            StoreBusy: others write all the time.
        """
        async with self._lock:
            loaded = await self._lead(tenant)
            try:
                return await self._write(loaded, tenant, wish)
            finally:
                journal = loaded.journal
                await self._backend.store.release(journal.stream, journal.epoch)
                if journal.crypto is not None:
                    journal.crypto.wipe()

    async def _write(self, loaded: Loaded, tenant: str, wish: Wish) -> ConfigOutcome:
        done = await self._done(loaded, wish.commands)
        if isinstance(done, int):
            return await self._first(loaded, done, wish.principal)
        kept = await self._read(tenant)
        if wish.expected is not None and wish.expected != kept.revision:
            raise VersionMismatch("the configuration has changed since that version")
        record = wish.make(kept, loaded.view.version + 1)
        actor = await self._backend.actor(tenant, wish.principal)
        row = self._seal(tenant, record)
        after = Kept(revision=kept.revision + 1, record=record)
        event = Configured(settings=_settings(loaded.view.settings, record, after.revision))
        extras = Extras(
            done=done,
            asserts=(Assert(scope=row.scope, revision=kept.revision),),
            grants=(row,),
        )
        await self._append(loaded, event, actor, extras)
        return ConfigOutcome(kept=after, key=key_of(record))

    async def _first(self, loaded: Loaded, version: int, principal: str) -> ConfigOutcome:
        """What a request came to when it was carried out, by the event that says so."""
        told = await loaded.journal.event_at(version)
        settings = told.event.settings if isinstance(told.event, Configured) else None
        if settings is None:
            raise Unreadable("the log does not tell what this request came to")
        return outcome_of(settings, told, principal)

    async def _done(
        self, loaded: Loaded, commands: Commands | None
    ) -> tuple[CommandDone, ...] | int:
        """What marks a request as carried out; if it was, with the same body, the version."""
        if commands is None:
            return ()
        crypto, stream = loaded.journal.crypto, loaded.journal.stream
        assert crypto is not None, "the log has its key"
        one = CommandDone(
            id=commands.named(COMMAND), digest=crypto.digest(b"command", commands.body)
        )
        known = await self._backend.store.command(stream, one.id)
        if known is None:
            return (one,)
        if known[1] != one.digest:
            raise CommandMismatch("this key was used before with another body")
        return known[0]

    async def _append(self, loaded: Loaded, event: Configured, actor: int, extras: Extras) -> None:
        journal, before = loaded.journal, loaded.view
        now_ms = max(self._backend.clock.now_ms(), before.updated_ms)
        told = Recorded(version=before.version + 1, time_ms=now_ms, event=event, actor=actor)
        loaded.view = evolve(before, told)
        loaded.bodies.take(told, loaded.view.window)
        assert loaded.indexer is not None, "a log that is led has one"
        extras = replace(extras, index=loaded.indexer.row(loaded.view))
        await journal.append([(event, actor)], now_ms=now_ms, extras=extras)
        if journal.version % SNAPSHOT_EVENTS == 0:
            await write_snapshot(journal, loaded.view, loaded.bodies)

    # --- the log -------------------------------------------------------------------

    async def _lead(self, tenant: str) -> Loaded:
        """Take the lease of the log, made if there is none.

        Raises:
            StoreBusy: others have it for longer than a change takes.
        """
        clock, store = self._backend.clock, self._backend.store
        until = clock.monotonic() + WAIT_S
        while True:
            row = await store.find(log_tenant(tenant), log_name(tenant))
            try:
                return await (self._born(tenant) if row is None else self._backend.lead(row))
            except (LeaseHeld, SessionExists):
                if clock.monotonic() > until:
                    raise StoreBusy("the agent's configuration is being changed") from None
                await clock.sleep(LOOK_S)

    async def _born(self, tenant: str) -> Loaded:
        opened = Opened(
            session_id=log_name(tenant),
            tenant=log_tenant(tenant),
            user_id=log_name(tenant),
            installation="",
            commitment="",
        )
        # Hidden at once: no listing has it, and so no rule ends it as a session at rest.
        hidden = StateSet(state=SessionState.ACTIVE.title, reason="hidden", tombstone=True)
        return await self._backend.create(opened, (hidden,), actor=0)


def _settings(before: Settings, record: AgentRecord, revision: int) -> Settings:
    """What the log says of a configuration: all but the key; `outcome_of` reads it."""
    key = key_of(record)
    said = {
        "key": key.source,
        "key_changed_ms": record.key_changed_ms,
        "calls": asdict(record.calls),
        "changed_ms": record.changed_ms,
        "revision": revision,
    }
    extra = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return replace(before, model=record.model, extra=extra)


def outcome_of(settings: Settings, told: Recorded, principal: str) -> ConfigOutcome:
    """What a change came to, as its event says, which may be one of an earlier release."""
    said = json.loads(settings.extra)
    record = AgentRecord(
        model=settings.model,
        calls=CallSettings(**said["calls"]),
        version=told.version,
        changed_ms=said.get("changed_ms", told.time_ms),
        key_changed_ms=said["key_changed_ms"],
        by=principal,
    )
    key = key_of(record)
    if said["key"] == KeySource.STORED:
        key = replace(key, set=True, source=KeySource.STORED.value)
    revision = said.get("revision", told.version - BORN)
    return ConfigOutcome(kept=Kept(revision=revision, record=record), key=key, repeated=True)
