"""The one thread that writes to a SQLite store, with group commit.

Jobs of many callers are drained into one transaction and one sync to disk. Each
job tests all its conditions before it writes, so a refused one leaves nothing
behind and the others go on. If the transaction cannot be committed, every caller
of it gets the error and nothing is applied; only when it failed for lack of room
or through a bug of one job is each job tried again alone.

Rules
- The writer lock is taken before the jobs are drained: what waits for another
  process can still be called off, what was drained cannot.
- On a full disk the ballast is given up for urgent jobs alone (contract 2.21).
- A result is never set on a future that its caller has cancelled.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import apsw

from holdfast.adapters.store.sqlite_files import Ballast, WriterLock, typed_error, typed_os_error
from holdfast.adapters.store.sqlite_write import Transaction
from holdfast.core.errors import (
    HoldfastError,
    StoreBusy,
    StoreClosed,
    StoreFull,
    Unavailable,
)

_BATCH_MAX = 512
_POLL_S = 0.02
_CHECKPOINT_PAGES = 1000

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """One caller's wish.

    Args:
        run: does it inside a transaction; on the writer's thread.
        loop, future: where the caller waits.
        urgent: may use the room that the ballast gave up.
        outside: runs alone, with the lock but without a transaction.
    """

    run: Callable[[Transaction], T]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]
    urgent: bool = False
    outside: bool = False
    since: float = field(default_factory=time.monotonic)
    result: T | None = None
    error: BaseException | None = None


AnyJob = Job[Any]


class Writer:
    """Queue, thread and connection of all writing.

    Args:
        connection: used by this thread only.
        transaction: the statements on that connection.
        lock: taken around each transaction.
        ballast: given up when the disk is full.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        transaction: Transaction,
        lock: WriterLock,
        ballast: Ballast,
    ) -> None:
        self._connection = connection
        self._transaction = transaction
        self._lock = lock
        self._ballast = ballast
        self._mutex = threading.Lock()
        self._quick: deque[AnyJob] = deque()
        self._bulk: deque[AnyJob] = deque()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asleep = False
        self._stuck_since: float | None = None
        self._closing = False
        self._dropped = False
        self._waiters: list[AnyJob] = []
        self._data_version = connection.pragma("data_version")
        self._log_pages = 0
        self.checkpoint_pages = _CHECKPOINT_PAGES
        """How long the log may grow before it is brought into the file, in pages."""
        self.checkpoint_trouble = ""
        """Why the last checkpoint failed; "" if it did not."""
        # SQLite's own hook would checkpoint inside COMMIT, where the callers wait.
        connection.set_wal_hook(self._committed)
        self._thread = threading.Thread(target=self._main, name="holdfast-writer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: AnyJob, *, bulk: bool = False, wake: bool = True) -> None:
        """Queue a job; it is carried out even if its caller goes away.

        Args:
            job: the wish.
            bulk: large: it gets a transaction of its own, between two batches.
            wake: begin at once; if not, `wake` is called soon.

        Raises:
            StoreClosed: the store is closing.
        """
        with self._mutex:
            if self._closing:
                raise StoreClosed()
            (self._bulk if bulk else self._quick).append(job)
            if wake:
                self._rouse()

    def wake(self) -> None:
        """Begin with what is queued."""
        with self._mutex:
            self._rouse()

    def watch(self, waiter: AnyJob) -> None:
        """Answer True to a waiter as soon as another connection has committed.

        Raises:
            StoreClosed: the store is closing.
        """
        with self._mutex:
            if self._closing:
                raise StoreClosed()
            self._waiters.append(waiter)
            self._rouse()

    def unwatch(self, waiter: AnyJob) -> None:
        """Forget a waiter; nothing happens if it was answered."""
        with self._mutex:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def expire(self, before: float) -> bool:
        """Fail the jobs that wait for another process's lock since before a time.

        A long queue alone makes nobody late.

        Args:
            before: on the monotonic clock, in seconds.

        Returns:
            Whether jobs are left in the queue.
        """
        stuck = self._stuck_since
        if stuck is None or stuck >= before:
            return bool(self._quick or self._bulk)
        with self._mutex:
            late = [job for job in (*self._quick, *self._bulk) if job.since < before]
            for jobs in (self._quick, self._bulk):
                kept = [job for job in jobs if job.since >= before]
                jobs.clear()
                jobs.extend(kept)
            left = bool(self._quick or self._bulk)
        _fail(late, StoreBusy())
        deliver(late)
        return left

    def close(self, *, drop: bool = False) -> None:
        """Take no more jobs; the thread ends when the queue is empty.

        Args:
            drop: forget what is queued, as a crash does.
        """
        with self._mutex:
            self._closing = True
            self._dropped = self._dropped or drop
            self._rouse()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; False if it hangs in somebody else's lock."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _rouse(self) -> None:
        if self._asleep:
            self._asleep = False
            self._wake.put(None)

    # --- on the thread

    def _main(self) -> None:
        while self._wait():
            self._round()
        with self._mutex:
            left = [*self._quick, *self._bulk, *self._waiters]
            self._waiters.clear()
        _fail(left, StoreClosed())
        deliver(left)

    def _wait(self) -> bool:
        """Sleep until there is work; looks for foreign commits while somebody waits."""
        while True:
            self._look()
            with self._mutex:
                if self._dropped:
                    return False
                if self._quick or self._bulk:
                    return True
                if self._closing:
                    return False
                self._asleep = True
                timeout = _POLL_S if self._waiters else None
            try:
                self._wake.get(timeout=timeout)
            except queue.Empty:
                continue

    def _look(self) -> None:
        if not self._waiters:
            return
        try:
            version = self._connection.pragma("data_version")
        except apsw.Error as error:
            self._answer(typed_error(error, self._connection) or error)
            return
        if version != self._data_version:
            self._data_version = version
            self._answer(None)

    def _answer(self, error: BaseException | None) -> None:
        with self._mutex:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.result, waiter.error = True, error
        deliver(waiters)

    def _round(self) -> None:
        """Carry out one batch and one large job, each under the lock."""
        for bulk in (False, True):
            if not (self._bulk if bulk else self._quick):
                continue
            jobs: list[AnyJob] = []
            try:
                self._acquire()
                try:
                    jobs = self._drain(bulk)
                    if jobs:
                        self._carry_out(jobs)
                finally:
                    self._lock.release()
            except Exception as error:  # the thread's boundary: a caller must hear of it
                jobs = jobs or self._drain(bulk)
                _fail(jobs, _unexpected(error))
            deliver(jobs)
            self._checkpoint()

    def _acquire(self) -> None:
        self._stuck_since = time.monotonic()
        self._lock.acquire()
        self._stuck_since = None

    def _committed(self, _: apsw.Connection, database: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Bring a long log into the file, after the callers have their answers.

        A failure loses nothing, it only leaves the log long; the next commit
        tries again.
        """
        if self._log_pages < self.checkpoint_pages:
            return
        self._log_pages = 0
        self._acquire()
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self.checkpoint_trouble = ""
        except apsw.Error as error:
            self.checkpoint_trouble = str(error)
        finally:
            self._lock.release()

    def _drain(self, bulk: bool) -> list[AnyJob]:
        jobs = self._bulk if bulk else self._quick
        most = 1 if bulk else _BATCH_MAX
        with self._mutex:
            return [jobs.popleft() for _ in range(min(most, len(jobs)))]

    def _carry_out(self, jobs: list[AnyJob]) -> None:
        if not self._ballast.restore():
            _fail([job for job in jobs if not job.urgent], StoreFull())
            jobs = [job for job in jobs if job.urgent]
        if len(jobs) < 2 or not self._together(jobs):
            for job in jobs:
                self._alone(job)

    def _together(self, jobs: list[AnyJob]) -> bool:
        """Carry out jobs in one transaction; False to have each tried alone."""
        try:
            self._transaction.begin()
            for job in jobs:
                try:
                    job.result = job.run(self._transaction)
                except HoldfastError as error:
                    job.error = error
            self._transaction.commit()
        except apsw.Error as error:
            typed = typed_error(error, self._connection)
            self._transaction.rollback()
            if typed is None or isinstance(typed, StoreFull):
                return self._again(jobs)
            _fail(jobs, typed)
        except Exception:  # a bug of one job: each is tried alone, and its caller told
            self._transaction.rollback()
            return self._again(jobs)
        return True

    def _again(self, jobs: list[AnyJob]) -> bool:
        for job in jobs:
            job.result = job.error = None
        return False

    def _alone(self, job: AnyJob) -> None:
        if not job.urgent and not self._ballast.kept():
            job.error = StoreFull()
            return
        self._attempt(job)
        if isinstance(job.error, StoreFull) and job.urgent and self._ballast.free():
            job.error = None
            self._attempt(job)

    def _attempt(self, job: AnyJob) -> None:
        try:
            if job.outside:
                job.result = job.run(self._transaction)
            else:
                self._transaction.begin()
                job.result = job.run(self._transaction)
                self._transaction.commit()
        except apsw.Error as error:
            job.error = typed_error(error, self._connection) or error
            self._transaction.rollback()
        except Exception as error:  # refused, or a bug: its caller is told either way
            job.error = error
            self._transaction.rollback()


def deliver(jobs: Sequence[AnyJob]) -> None:
    """Hand results to their callers, with one call for each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[AnyJob]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, done in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, done)
        except RuntimeError:
            # The loop was closed: nobody waits there any more.
            continue


def _settle(jobs: list[AnyJob]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)


def _fail(jobs: Sequence[AnyJob], error: HoldfastError) -> None:
    for job in jobs:
        # Each caller gets its own: raising adds to an exception's traceback.
        job.error = type(error)(error.message)


def _unexpected(error: Exception) -> HoldfastError:
    if isinstance(error, HoldfastError):
        return error
    if isinstance(error, OSError):
        return typed_os_error(error)
    return Unavailable(f"the store's writer failed: {error}")
