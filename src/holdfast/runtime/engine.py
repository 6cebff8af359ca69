"""The engine: the only turn loop. It reconciles what is owed with what is running.

One engine leads one session while it holds the lease. Everything reaches it as
mail. It decides a batch at a time, appends it in one append, and only then acts:

    mail ─► decide ─► append ─► evolve ─► owed ─► start the missing, cancel the surplus
              ▲                                             │
              └────────────────── outcome ◄─────────────────┘

- One append is in flight at a time; what arrives meanwhile goes into the next.
- Fenced or Conflict means the lease is lost: the engine stops at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from holdfast.core.commands import Command, KeyGone, Recover, SetContext
from holdfast.core.decide import decide
from holdfast.core.errors import (
    CommandMismatch,
    Conflict,
    CounterRefused,
    DuplicateCommand,
    Fenced,
    HoldfastError,
    Interrupted,
    LeaseHeld,
    Stale,
    StoreBusy,
    StoreFull,
    Unavailable,
    WriteRefused,
)
from holdfast.core.events import EffectEnded
from holdfast.core.facts import Facts
from holdfast.core.view import FinishedTurn, Recorded, SessionView
from holdfast.ports.store import Lease
from holdfast.runtime.batch import Batch
from holdfast.runtime.host import Handled, Host, Mail, fail_all
from holdfast.runtime.hub import Hub
from holdfast.runtime.inbox import Inbox
from holdfast.runtime.index import Indexer, cleared
from holdfast.runtime.journal import Journal
from holdfast.runtime.observing import Observing
from holdfast.runtime.placing import place_of
from holdfast.runtime.snapshot import Snapshots
from holdfast.runtime.stream import translate
from holdfast.runtime.tenure import Tenure
from holdfast.runtime.waiters import TurnWaiters, turn_of
from holdfast.runtime.window import Bodies
from holdfast.runtime.workers import Workers

_log = logging.getLogger("holdfast")

BATCH_MAX = 64
STALE_MAX = 20
_LED_NO_MORE = "the session is not led here any more"
RETRY_S = 0.5
STOP_S = 5.0


class Engine:
    """Leads one session. See the module."""

    def __init__(
        self,
        host: Host,
        journal: Journal,
        view: SessionView,
        bodies: Bodies,
        *,
        lease: Lease,
        indexer: Indexer | None,
        hub: Hub,
    ) -> None:
        self.host = host
        self.journal = journal
        self.view = view
        self.bodies = bodies
        self.hub = hub
        self.id = host.clock.random_bytes(8).hex()
        self.lost: HoldfastError | None = None
        self.last_used = host.clock.monotonic()
        self.tenure = Tenure(lease, host.clock)
        self._indexer = indexer
        self._mail: deque[Mail] = deque()
        self._wake = asyncio.Event()
        self.settled = asyncio.Event()
        self._stopping = False
        self._committing = False
        self._failed: HoldfastError | None = None
        self._turns = TurnWaiters()
        self._inbox = Inbox(journal, self._wake.set)
        self.observing = Observing(host.telemetry)
        self.workers = Workers(self)
        self._snapshots = Snapshots(journal, view.version)
        self._task: asyncio.Task[None] | None = None

    # --- from outside ------------------------------------------------------------

    def start(self) -> None:
        """Begin to lead: settle what was left open and serve the inbox."""
        assert self._task is None, "an engine starts once"
        self._task = asyncio.create_task(self._run(), name=f"engine {self.view.session_id}")

    async def submit(
        self, command: Command, *, id: bytes | None = None, digest: bytes = b"", actor: int = 0
    ) -> Handled:
        """Have a command carried out; returns once its events are durable.

        A message that has to wait its turn is durable in the inbox first.

        Raises:
            HoldfastError: it was refused.
            LeaseHeld: this engine does not lead the session any more.
        """
        mail = Mail(command=command, id=id, digest=digest, actor=actor)
        mail.trace = self.observing.current()
        self.post(mail)
        return await asyncio.shield(mail.future)  # who leaves does not take the letter along

    def post(self, mail: Mail) -> None:
        """Take a letter."""
        if self._stopping or self.lost is not None:
            mail.fail(self.lost or LeaseHeld("the session is being handed over"))
            return
        self.last_used = self.host.clock.monotonic()
        if not self._inbox.joins(mail):
            self._mail.append(mail)
            self._wake.set()

    def report(self, command: Command) -> None:
        """Take a report of the engine's own workers."""
        self.post(Mail(command=command, internal=True))

    def look_at_inbox(self) -> None:
        """Something may wait in the inbox, or hold above the session now."""
        self.workers.authority.dirty = True
        self._inbox.look()

    async def turn(self, id: int) -> FinishedTurn | None:
        """Wait until the turn that a message started, or joined, has ended; see `TurnWaiters`.

        Raises:
            Interrupted: this engine stops leading before that.
        """
        return await self._turns.wait(self.view, id)

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits, nobody watches."""
        quiet = not (self._mail or self._committing or self._inbox.waiting or self.workers.busy)
        return quiet and not self._turns.waiting and not self.hub.watched

    async def stop(self) -> None:
        """Stop leading: cancel what runs, start nothing, give up the lease.

        Nothing is ended: whoever leads next goes on with what is owed.
        """
        await self.workers.stop()
        self._stopping = True
        self.settled.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_S)
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._record_last_reports()
        self._abandon(Interrupted(_LED_NO_MORE))
        try:
            await self.host.store.release(self.journal.stream, self.journal.epoch)
        except Unavailable:
            pass  # a closed or failing store has no lease left to give

    async def _record_last_reports(self) -> None:
        reports = [mail for mail in self._mail if mail.internal]
        if not reports or self.lost is not None:
            return
        try:
            await self._decide_and_append(reports)
        except HoldfastError:
            pass  # the outcomes stay in doubt, as after a crash

    # --- the loop ----------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self.workers.clear_leftovers()
            self.report(Recover())
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                if self._failed is not None:
                    raise self._failed
                await self._inbox.read_if_dirty(self)
                while batch := self._take():
                    self._committing = True
                    await self._commit(batch)
                    self._committing = False
                    self.workers.look_again()
                self.settled.set()
        except (Fenced, Conflict) as error:
            await self._lose(LeaseHeld(f"the session's lease is lost: {error.message}"))
        except WriteRefused as error:  # again and again: what waits here is carried out elsewhere
            await self._lose(Interrupted(f"{_LED_NO_MORE}: {error.message}"))
        except HoldfastError as error:
            await self._lose(error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # a bug must not leave callers waiting for ever
            _log.error("the engine of a session failed: %s", place_of(error))
            await self._lose(HoldfastError(f"the engine failed: {type(error).__name__}"))

    def _take(self) -> list[Mail]:
        """The next letters: what waited in the inbox first, when it may go now."""
        batch = self._inbox.ready(self.view)
        while self._mail and len(batch) < BATCH_MAX:
            batch.append(self._mail.popleft())
        return batch

    async def _commit(self, batch: list[Mail]) -> None:
        try:
            await self._commit_or_retry(batch)
        except (StoreFull, StoreBusy) as error:
            await self._keep_reports(batch, error)
        except (Fenced, Conflict) as error:
            # Nothing was appended: whoever leads now can carry the commands out.
            fail_all(batch, LeaseHeld(f"the session's lease is lost: {error.message}"))
            raise
        except WriteRefused as error:
            fail_all(batch, Interrupted(f"{_LED_NO_MORE}: {error.message}"))
            raise
        except HoldfastError as error:
            fail_all(batch, error)
            raise
        except BaseException:
            fail_all(batch, Interrupted(_LED_NO_MORE))
            raise

    async def _commit_or_retry(self, batch: list[Mail]) -> None:
        for _ in range(STALE_MAX):
            try:
                await self._decide_and_append(batch)
                return
            except (Stale, CounterRefused, DuplicateCommand, CommandMismatch) as error:
                self.workers.authority.dirty = True
                last: HoldfastError = error
        raise last

    async def _keep_reports(self, batch: list[Mail], error: Unavailable) -> None:
        """No room, or no lock: callers are told; outcomes and durable commands are tried again."""
        for mail in batch:
            if mail.internal:
                self._mail.append(mail)
            elif mail.seq:
                self._inbox.put_back(mail)
            else:
                mail.fail(error)
        self.settled.set()  # who waits to be let in is told of the trouble as well
        await self.host.clock.sleep(RETRY_S)
        self._wake.set()

    async def _decide_and_append(self, batch: list[Mail]) -> None:
        await self.workers.read_authority(batch)
        draft = Batch.of(self.host, self.view)
        for mail in await self.workers.content.inspected(self.workers.hooking.hold(batch)):
            if not await self._answer_known(mail):
                self._decide_one(draft, mail)
        await self._append(draft)
        await self._inbox.keep(draft.waiting)
        draft.tell()

    def _decide_one(self, draft: Batch, mail: Mail) -> None:
        facts = self._facts(draft, mail)
        id = mail.id.hex() if mail.id else ""
        by, guards = str(mail.actor), self.host.guards
        first = draft.view.version + 1
        if (refused := mail.refusal(draft.view.version)) is not None:
            draft.refusals.append((mail, refused))
            draft.refuse(mail, refused)
            return
        try:
            decision = decide(draft.view, facts, mail.command, command_id=id, by=by, guards=guards)
        except HoldfastError as error:
            draft.refusals.append((mail, error))
            if mail.seq:
                draft.refuse(mail, error)
            return
        draft.take(decision, mail.actor, mail.trace)
        if decision.later:
            draft.waiting.append(mail)
            return
        draft.mark_done(mail)
        if decision.error is not None:
            draft.refusals.append((mail, decision.error))
        else:
            last, turn = draft.view.version, turn_of(draft.view)
            draft.answers.append((mail, Handled(first if decision.own else 0, last, turn)))

    async def _answer_known(self, mail: Mail) -> bool:
        """Answer a command that was carried out before with its first outcome."""
        if mail.id is None:
            return False
        known = await self.host.store.command(self.journal.stream, mail.id)
        if known is None:
            return False
        version, digest = known
        if digest != mail.digest:
            mail.fail(CommandMismatch("this command id was used before with another body"))
        else:
            mail.succeed(Handled(version, version, duplicate=True))
        return True

    def _facts(self, draft: Batch, mail: Mail) -> Facts:
        kept = (0, 0)
        if isinstance(mail.command, SetContext) and mail.command.to_version is not None:
            kept = self.bodies.kept_by(mail.command.to_version, draft.entries(), draft.view.window)
        behind = bool(draft.waiting or self._inbox.waiting) and mail.seq == 0
        return self.workers.facts(draft, mail, kept=kept, behind=behind)

    async def _append(self, draft: Batch) -> None:
        if not draft.events:
            for kind, id in draft.settled:
                await self.host.store.drop_pending(self.journal.stream, kind, id)
            return
        index = self._indexer.row(draft.view) if self._indexer else cleared(draft.view)
        authority, content = self.workers.authority, self.workers.content
        extras = await draft.extras(authority, index, self.journal, content)
        await self.journal.append(draft.events, now_ms=draft.now_ms, extras=extras)
        authority.written(draft.accounts)
        content.written([event for event, _ in draft.events])
        turn_ended = self._fold(draft)
        self.workers.reconcile()  # at once: what follows may wait for the store
        if self.view.wiping:
            self.bodies = Bodies()  # before the key goes; nothing is said any more
        if self.view.wiped:
            await self._forget()
        elif turn_ended:
            self.workers.look_at_git()
            if self.view.turn is None:
                await self._snapshots.keep(self.view, self.bodies)

    def _fold(self, draft: Batch) -> bool:
        """Fold what is durable now; tells whether a turn has ended."""
        before, turn_ended = self.view, False
        for (event, actor), after in zip(draft.events, draft.views, strict=True):
            at = after.version
            recorded = Recorded(version=at, time_ms=draft.now_ms, event=event, actor=actor)
            self.bodies.take(recorded, after.window)
            self.observing.folded(before, after, recorded, draft.traces.get(at))
            if self.hub.watched:
                for public in translate(before, after, recorded):
                    self.hub.publish(public)
            elif isinstance(event, EffectEnded):
                self.hub.said()
            if before.turn is not None and after.turn is None:
                turn_ended = True
                self._turns.tell(after)  # the next turn may begin in the same append
            before = after
        self.view = before
        return turn_ended

    async def _forget(self) -> None:
        """After the wipe: no key, no text, nothing of it in the store's cache tables."""
        crypto, self.journal.crypto = self.journal.crypto, None
        await self.workers.content.forget()
        if crypto is not None:
            crypto.wipe()
        await self.host.store.erase(self.journal.stream)
        self.hub.close()

    async def destroy_key(self) -> None:
        """Destroy the data key and report it; repeated until it is on record."""
        now_ms = max(self.host.clock.now_ms(), self.view.updated_ms)
        receipt = self.host.keys.destroy_session(self.journal.stream, now_ms=now_ms)
        self.report(KeyGone(destroyed_at_ms=receipt.destroyed_at_ms, key_epoch=receipt.epoch))

    # --- losing the session --------------------------------------------------------

    def fail(self, error: HoldfastError) -> None:
        """Side work failed for good: stop leading, and say why to whoever asks."""
        self._failed = error
        self._wake.set()

    async def _lose(self, error: HoldfastError) -> None:
        self.lost = error
        self.settled.set()
        await self.workers.stop()
        self._abandon(error)

    def _abandon(self, error: HoldfastError) -> None:
        while self._mail:
            self._mail.popleft().fail(error)
        for mail in self._inbox.drop():
            mail.fail(error)
        self._turns.close(error.message)
        self.observing.close()
