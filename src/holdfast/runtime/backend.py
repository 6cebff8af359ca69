"""A backend: one store with its keys, and how sessions in it are born and loaded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from holdfast.core.errors import (
    ChainBroken,
    HoldfastError,
    KeyDestroyed,
    LeaseHeld,
    SessionExists,
)
from holdfast.core.events import KIND_OF, Ended, Event, Opened, WipeStarted
from holdfast.core.lifecycle import SessionState
from holdfast.core.session import evolve
from holdfast.core.signedtokens import SignedForm
from holdfast.core.view import Recorded, SessionView
from holdfast.ports.clock import Clock
from holdfast.ports.keys import Keys
from holdfast.ports.store import Append, CommandDone, Filter, Lease, Store, StreamRow
from holdfast.ports.taints import Taint
from holdfast.runtime.envelope import Crypto, keyed_digest, seal_box
from holdfast.runtime.index import Indexer
from holdfast.runtime.journal import Journal, check_commitment
from holdfast.runtime.snapshot import load_readable, load_state
from holdfast.runtime.tainting import inherited
from holdfast.runtime.tokenbook import TokenBook
from holdfast.runtime.tokensigning import no_form
from holdfast.runtime.window import Bodies


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A session in memory."""

    journal: Journal
    view: SessionView
    bodies: Bodies
    indexer: Indexer | None
    lease: Lease | None = None
    damaged: HoldfastError | None = None


class Backend:
    """One store with its keys.

    Args:
        signed_form: gives what writes and reads signed tokens.
    """

    def __init__(
        self,
        store: Store,
        keys: Keys,
        clock: Clock,
        signed_form: Callable[[], SignedForm] = no_form,
    ) -> None:
        self.store = store
        self.keys = keys
        self.clock = clock
        self.book = TokenBook(store, keys, clock, signed_form)
        self.token_epoch = 0
        self._actors: dict[tuple[str, str], int] = {}

    # --- people --------------------------------------------------------------------

    async def actor(self, tenant: str, principal: str) -> int:
        """The pseudonym of a principal; its name is kept sealed and can be erased."""
        known = self._actors.get((tenant, principal))
        if known is not None:
            return known
        name = principal.encode("utf-8", "replace")
        digest = keyed_digest(self.keys.blind_key(tenant), b"principal", name)
        secret = self.keys.tenant_secret(tenant)
        sealed = seal_box(secret, "principal", (tenant,), name, self.clock.random_bytes(12))
        fresh = self.random_number()
        found = await self.store.principal(tenant, digest, sealed, fresh)
        self._actors[(tenant, principal)] = found
        return found

    async def forget_actor(self, tenant: str, principal: str) -> bool:
        """Erase the name behind a principal's pseudonym; True if there was one."""
        actor = await self.actor(tenant, principal)
        del self._actors[(tenant, principal)]
        return await self.store.erase_principal(actor)

    def random_number(self) -> int:
        """A random number of 63 bits, never 0."""
        return (int.from_bytes(self.clock.random_bytes(8)) >> 1) or 1

    # --- finding -------------------------------------------------------------------

    async def rows(self, wanted: Filter) -> AsyncIterator[StreamRow]:
        """All that a listing of the store has, page by page.

        Args:
            wanted: `limit` is the size of a page.
        """
        while True:
            page = await self.store.list_streams(wanted)
            for row in page.rows:
                yield row
            if not page.cursor:
                return
            wanted = replace(wanted, cursor=page.cursor)

    # --- birth ---------------------------------------------------------------------

    async def create(
        self,
        opened: Opened,
        further: Sequence[Event],
        *,
        actor: int,
        parent: int = 0,
        taints: Sequence[Taint] = (),
        birth: tuple[bytes, bytes] | None = None,
    ) -> Loaded:
        """Create a session with its first events; it is leased to this node.

        Args:
            opened: without installation and commitment; they are filled in.
            further: events of the same append.
            taints: registered values of where it comes from; they are wiped.
            birth: id and body of the command that it is born of, if that has an id.

        Raises:
            SessionExists: the id is taken; nothing of the attempt remains.
        """
        if await self.store.find(opened.tenant, opened.session_id) is not None:
            raise SessionExists(f"there is a session {opened.session_id!r} already")
        stream = self.random_number()
        key = self.keys.create_session_key(
            tenant=opened.tenant,
            user=opened.user_id,
            stream=stream,
            sealed=opened.settings.sealed,
        )
        crypto = Crypto(key, self.clock.random_bytes)
        journal = Journal(
            store=self.store,
            keys=self.keys,
            clock=self.clock,
            stream=stream,
            crypto=crypto,
            epoch=1,
        )
        indexer = Indexer(stream, crypto, self.keys.blind_key(opened.tenant), parent)
        first = replace(
            opened, installation=self.keys.installation.hex(), commitment=crypto.commitment.hex()
        )
        now_ms = self.clock.now_ms()
        view, bodies = SessionView(), Bodies()
        for event in (first, *further):
            recorded = Recorded(version=view.version + 1, time_ms=now_ms, event=event, actor=actor)
            view = evolve(view, recorded)
            bodies.take(recorded, view.window)
        try:
            rows = await journal.seal([(e, actor) for e in (first, *further)], now_ms=now_ms)
            request = Append(
                stream=stream,
                expected_version=0,
                epoch=1,
                events=rows,
                index=indexer.row(view),
                grants=inherited(taints, crypto, stream),
                done=_done(birth, crypto),
            )
            lease = await self.store.create_stream(
                name=opened.session_id, tenant=opened.tenant, owner=actor, first=request
            )
        except BaseException as error:
            if isinstance(error, SessionExists):
                self.keys.destroy_session(stream, now_ms=now_ms)
            raise
        journal.adopt(lease)
        return Loaded(journal=journal, view=view, bodies=bodies, indexer=indexer, lease=lease)

    # --- loading ---------------------------------------------------------------------

    def journal(self, row: StreamRow) -> Journal:
        """The session's journal for reading.

        Raises:
            KeyDestroyed: the session was wiped.
            KeyMissing: its key is not in this key store.
        """
        crypto = Crypto(self.keys.session_key(row.stream), self.clock.random_bytes)
        return Journal(
            store=self.store, keys=self.keys, clock=self.clock, stream=row.stream, crypto=crypto
        )

    async def load(self, row: StreamRow, until: int | None = None) -> Loaded:
        """Read a session without leading it, up to a version.

        A damaged one is read up to the damage, which `damaged` names.

        Raises:
            KeyDestroyed, KeyMissing: there is no key to read it with.
            Damaged: not even its first event can be read.
        """
        journal = self.journal(row)
        await self._check_first(journal)
        view, bodies, damaged = await load_readable(journal, until=until)
        journal.version = view.version
        rows = await self.store.read(row.stream, view.version - 1, 1)
        journal.head = rows[0].hash if rows else journal.head
        return Loaded(journal=journal, view=view, bodies=bodies, indexer=None, damaged=damaged)

    async def lead(self, row: StreamRow) -> Loaded:
        """Take the session's lease and read it.

        Raises:
            LeaseHeld: another live process leads it.
            KeyDestroyed: it was wiped, and that is on record.
        """
        lease = await self.store.lease(row.stream)
        try:
            return await self._load_leased(row, lease)
        except BaseException:
            await self.store.release(row.stream, lease.epoch)
            raise

    async def _load_leased(self, row: StreamRow, lease: Lease) -> Loaded:
        try:
            journal = self.journal(row)
        except KeyDestroyed:
            return await self._half_wiped(row, lease)
        view, bodies = await load_state(journal)
        await self._check_first(journal)
        if view.version != lease.version:
            now = await self.store.stream_row(row.stream)
            if now is not None and now.epoch != lease.epoch:
                raise LeaseHeld("another process has taken the session meanwhile")
            raise ChainBroken(f"the log ends at {view.version}, not at {lease.version}")
        last = await self.store.read(row.stream, view.version - 1, 1)
        if not last or last[0].hash != lease.head:
            raise ChainBroken("the last event is not the one the session's row names")
        journal.adopt(lease)
        assert journal.crypto is not None
        indexer = Indexer(
            row.stream, journal.crypto, self.keys.blind_key(row.tenant), row.index.parent
        )
        return Loaded(journal=journal, view=view, bodies=bodies, indexer=indexer, lease=lease)

    async def _half_wiped(self, row: StreamRow, lease: Lease) -> Loaded:
        """A wipe was cut off after the key was destroyed: what remains is to attest it."""
        last = await self.store.read(row.stream, lease.version - 1, 1)
        if last and last[0].kind == KIND_OF[Ended]:
            await self.store.erase(row.stream)  # a crash may have come between the end and this
        if not last or last[0].kind != KIND_OF[WipeStarted]:
            raise KeyDestroyed("the session was wiped")
        journal = Journal(
            store=self.store, keys=self.keys, clock=self.clock, stream=row.stream, crypto=None
        )
        journal.adopt(lease)
        view = SessionView(
            version=lease.version,
            session_id=row.name or "",
            tenant=row.tenant,
            state=SessionState.TERMINATING,
            created_ms=row.index.created_ms,
            updated_ms=row.index.updated_ms,
            tombstone=row.index.hidden,
            wiping=True,
        )
        return Loaded(journal=journal, view=view, bodies=Bodies(), indexer=None, lease=lease)

    async def _check_first(self, journal: Journal) -> None:
        first = await journal.event_at(1)
        assert journal.crypto is not None
        if not isinstance(first.event, Opened):
            raise ChainBroken("event 1 is not the session's birth")
        check_commitment(first.event, journal.crypto, self.keys.installation)


def _done(birth: tuple[bytes, bytes] | None, crypto: Crypto) -> tuple[CommandDone, ...]:
    if birth is None:
        return ()
    id, body = birth
    return (CommandDone(id=id, digest=crypto.digest(b"command", body)),)


class Follower:
    """Reads a session that is led elsewhere, as it grows."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    @property
    def view(self) -> SessionView:
        """The last fold."""
        return self._loaded.view

    @property
    def damaged(self) -> HoldfastError | None:
        """What keeps the session from being read to its end, or None."""
        return self._loaded.damaged

    @property
    def bodies(self) -> Bodies:
        """The visible window of that fold."""
        return self._loaded.bodies

    async def advance(
        self, stop: Callable[[SessionView], bool] = lambda view: False
    ) -> list[tuple[SessionView, SessionView, Recorded]]:
        """Read what is new, at most to where `stop` holds: (view before, view after, event)."""
        loaded = self._loaded
        steps: list[tuple[SessionView, SessionView, Recorded]] = []
        journal = loaded.journal
        async for recorded in journal.replay(loaded.view.version, journal.head):
            before = loaded.view
            loaded.view = evolve(before, recorded)
            loaded.bodies.take(recorded, loaded.view.window)
            steps.append((before, loaded.view, recorded))
            if stop(loaded.view):
                break
        if steps:
            rows = await journal.store.read(journal.stream, loaded.view.version - 1, 1)
            journal.version, journal.head = loaded.view.version, rows[0].hash
        return steps
