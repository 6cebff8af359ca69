"""Driving a session's turns from a terminal.

The event loop runs on a thread of its own, so that the session goes on (serves
its inbox, answers other processes) while the main thread waits for a person, and
so that Ctrl-C reaches the main thread wherever it waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from holdfast.cli.exits import CANCELLED, WAITING, code_of_run
from holdfast.cli.printer import Printer
from holdfast.core.errors import HoldfastError, NotNow, QuestionNotFound
from holdfast.core.lifecycle import SessionState
from holdfast.ports.store import PendingKind
from holdfast.runtime.approvals import Approval
from holdfast.runtime.handle import Session
from holdfast.runtime.service import SessionService
from holdfast.runtime.stream import StreamEvent

QUIET_S = 0.1
CANCEL_TRIES = 100
GRANTS = ("session", "workspace", "always")
T = TypeVar("T")
Ask = Callable[[Approval], tuple[str, str] | None]
"""Asks a person; returns the decision and what goes with it, or None if nobody can be asked."""


class Left(Exception):
    """Ctrl-C was pressed twice: leave at once."""


class Background:
    """An event loop on its own thread, which lives as long as the process."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="holdfast loop", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is Left:
            return  # leaving at once: the process ends now
        self.run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; the main thread goes on."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait; Ctrl-C leaves it running."""
        return self.start(work).result()


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the events were left: "ended", "asked", "paused", "quiet" or "closed"."""

    why: str
    event: StreamEvent | None = None


class Driver:
    """Shows the events of one session's runs, asks, and cancels on Ctrl-C.

    Args:
        ask: asks a person; returns None where nobody can be asked.
        patient: wait while the session is paused instead of leaving; somebody who
            can answer is there.
        wait: wait for answers from elsewhere where nobody can be asked here.
    """

    def __init__(
        self,
        background: Background,
        manager: SessionService,
        session: Session,
        printer: Printer,
        *,
        ask: Ask,
        patient: bool,
        wait: bool = False,
    ) -> None:
        self._background = background
        self._manager = manager
        self._session = session
        self._printer = printer
        self._ask = ask
        self._patient = patient
        self._wait_for_answers = wait
        self._cancelling = False
        self.text = ""

    def send(self, prompt: str) -> int:
        """Send a message and see it through; returns the exit code."""
        return self._see_through(self._session.stream(prompt, answers=self._patient))

    def finish(self) -> int | None:
        """Finish what was interrupted; None if nothing was.

        Raises:
            NotNow: the session is paused, and nobody waits for its resumption.
        """
        version = self._background.run(self._lead_if_owed())
        if version is None:
            return None
        events = self._session.subscribe_events(version, answers=self._patient)
        return self._see_through(events, until_quiet=True)

    async def _lead_if_owed(self) -> int | None:
        view = await self._session.view()
        if view.turn is None and not await self._waiting():
            return None
        await self._manager.lead_if_free(self._session.where)
        # What was asked before is asked again; the event of it lies behind.
        return min([view.version, *(question.id - 1 for question in view.questions)])

    async def _waiting(self) -> int:
        where = self._session.where
        rows = await where.backend.store.pending(where.stream, PendingKind.COMMAND)
        return len(rows)

    # --- one run ---------------------------------------------------------------------

    def _see_through(self, events: AsyncIterator[StreamEvent], *, until_quiet: bool = False) -> int:
        self._cancelling = False
        pump = Pump(self, events, until_quiet)
        code = 0
        try:
            while True:
                stop = self._wait(self._background.start(pump.on()))
                if stop.why == "ended":
                    code = self._ended(stop)
                    if not until_quiet:
                        return code
                elif stop.why == "asked":
                    if not self._answer() and not self._wait_for_answers:
                        return WAITING
                elif stop.why == "paused" and not self._patient:
                    raise NotNow(
                        f"the session is paused; `holdfast sessions resume {self._session.id}` "
                        "lets it go on"
                    )
                elif stop.why == "quiet":
                    return code
                elif stop.why == "closed":
                    raise NotNow("the session has ended")
        finally:
            self._background.run(pump.close())

    def _ended(self, stop: Stop) -> int:
        assert stop.event is not None, "a run's end is an event"
        data = stop.event.data
        return code_of_run(str(data["outcome"]), str(data["reason"]))

    def _wait(self, running: Future[Stop]) -> Stop:
        while True:
            try:
                return running.result()
            except KeyboardInterrupt:
                self._interrupted()

    def _interrupted(self) -> None:
        if self._cancelling:
            raise Left from None
        self._cancelling = True
        self._printer.note("cancelling … (Ctrl-C again leaves at once)", "warn")
        self._background.start(self._cancel())

    async def _cancel(self) -> None:
        """Cancel the turn; one that has only just been sent may not have begun."""
        for _ in range(CANCEL_TRIES):
            if await self._session.cancel():
                return
            await asyncio.sleep(QUIET_S)

    # --- questions -------------------------------------------------------------------

    def _answer(self) -> bool:
        """Have the open questions answered; False if nobody can be asked."""
        for approval in self._background.run(self._session.approvals()):
            try:
                said = self._ask(approval)
            except KeyboardInterrupt:
                self._interrupted()
                return True
            if said is None:
                return False
            try:
                self._background.run(self._say(approval, *said))
            except QuestionNotFound:
                self._printer.note("it has been answered elsewhere meanwhile")
            except HoldfastError as error:
                self._printer.note(f"not accepted: {error.message}", "bad")
        return True

    async def _say(self, approval: Approval, decision: str, rest: str) -> None:
        """Answer; what stands behind the decision is a pattern, arguments, an amount or a note."""
        session, id = self._session, approval.question
        if decision == "edit":
            await session.answer_approval(id, decision, arguments=rest)
        elif decision == "raise" and rest.isdecimal():
            await session.answer_approval(id, decision, amount=int(rest))
        elif decision in GRANTS and rest:
            await session.answer_approval(id, decision, pattern=rest)
        else:
            await session.answer_approval(id, decision, note=rest)

    # --- for the pump ----------------------------------------------------------------

    def show(self, event: StreamEvent) -> None:
        """Show an event and remember what was said last."""
        if event.type == "turn_end":
            self.text = str(event.data["text"])
        self._printer.show(event)

    async def quiet(self) -> bool:
        """Nothing runs and nothing waits for its turn."""
        view = await self._session.view()
        if view.turn is not None or await self._waiting():
            return view.state is SessionState.PAUSED and not await self._waiting()
        return True

    async def paused(self) -> bool:
        """Whether the session is paused."""
        return await self._session.state() is SessionState.PAUSED


class Pump:
    """Takes events one by one; can be stopped and set going again."""

    def __init__(
        self, driver: Driver, events: AsyncIterator[StreamEvent], until_quiet: bool
    ) -> None:
        self._driver = driver
        self._events = events
        self._until_quiet = until_quiet
        self._upcoming: asyncio.Task[StreamEvent | None] | None = None

    async def on(self) -> Stop:
        """Show events until there is something to decide."""
        while True:
            if self._upcoming is None:
                self._upcoming = asyncio.create_task(_next(self._events))
            limit = QUIET_S if self._until_quiet else None
            await asyncio.wait({self._upcoming}, timeout=limit)
            if not self._upcoming.done():
                if await self._driver.quiet():
                    return Stop("paused" if await self._driver.paused() else "quiet")
                continue
            event, self._upcoming = self._upcoming.result(), None
            if event is None:
                return Stop("closed")
            self._driver.show(event)
            why = _stops(event)
            if why:
                return Stop(why, event)

    async def close(self) -> None:
        """Leave the events."""
        if self._upcoming is not None:
            self._upcoming.cancel()
            await asyncio.wait({self._upcoming})
        close = getattr(self._events, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):
                await close()


async def _next(events: AsyncIterator[StreamEvent]) -> StreamEvent | None:
    return await anext(events, None)


def _stops(event: StreamEvent) -> str:
    if event.type == "agent_end":
        return "ended"
    if event.type == "confirmation_required":
        return "asked"
    if event.type == "session_state" and event.data["state"] == SessionState.PAUSED.title:
        return "paused"
    return "closed" if event.type == "session_ended" else ""


def leave_at_once() -> None:
    """End the process now; the log is crash-safe and children die with it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(CANCELLED)
