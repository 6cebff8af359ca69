"""`Session`: the handle callers hold. It has no state but where the session is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from holdfast.core.commands import Send
from holdfast.core.decide.money import EXCEEDED
from holdfast.core.errors import Cancelled, Denied, Interrupted, InvalidInput, ProviderFailed
from holdfast.core.guards import sensitivity
from holdfast.core.labels import TRUSTED
from holdfast.core.messages import Message, user
from holdfast.core.settings import QueuePolicy
from holdfast.core.view import FinishedTurn, SessionView
from holdfast.runtime.approvals import Approvals
from holdfast.runtime.budget_api import Budgets
from holdfast.runtime.changing import Changing
from holdfast.runtime.config import AgentResult
from holdfast.runtime.escapes import EscapeHandler
from holdfast.runtime.feed import Feed
from holdfast.runtime.grants_api import Allowances
from holdfast.runtime.guarding import Guarding
from holdfast.runtime.host import Handled, check_command_id
from holdfast.runtime.perform import clean
from holdfast.runtime.permissions import Permissions
from holdfast.runtime.readers import Reading
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.window import Bodies

POLL_S = 0.25


class Session(Approvals, Allowances, Budgets, Changing, Permissions, EscapeHandler, Guarding):
    """One session. Cheap to make, safe to share, valid in any number of tasks."""

    # --- talking -------------------------------------------------------------------

    async def generate(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
        by: str | None = None,
    ) -> AgentResult:
        """Send a message and wait for the answer (seed B8).

        Cancelling the task that waits here detaches it; the turn goes on. Use
        `cancel` to end the turn.

        Args:
            command_id: 16 bytes; sending the same again pays nothing twice.
            policy: overrides the session's queue policy for this message.

        Raises:
            Cancelled: the turn was cancelled.
            Interrupted: it ended without an answer (limit, end of the session).
            Denied: an account had not enough left, and nobody raised it.
            ProviderFailed: the model failed.
            HoldfastError: the message was refused.
        """
        handled = await self.send(prompt, command_id, policy, by)
        return await self._result(*await self._finished(handled), by)

    async def send(
        self,
        prompt: str,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
        by: str | None = None,
    ) -> Handled:
        """Send a message without waiting for the answer; see `generate`.

        Returns:
            where its events are, once they are durable.

        Raises:
            HoldfastError: the message was refused.
        """
        try:
            chosen = None if policy is None else QueuePolicy(policy)
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        if not isinstance(prompt, str) or not isinstance(by, str | None):
            raise InvalidInput("a prompt and a principal are text")
        check_command_id(command_id)
        await self._core.check_model_for(self._where)
        id = command_id or self._core.command_id()
        command = Send(message=user(clean(prompt)), policy=chosen, bearer=self._core.bearer)
        return await self._core.submit(self._where, command, id=id, by=by)

    async def _finished(self, handled: Handled) -> tuple[FinishedTurn, SessionView, Bodies]:
        while not handled.duplicate and (engine := self._core.live(self._where.stream)):
            try:
                finished = await engine.turn(handled.turn)
                if finished is None:
                    break
                return finished, engine.view, engine.bodies
            except Interrupted:
                if self._core.live(self._where.stream) is engine or engine.view.wiping:
                    raise
        return await self._finished_elsewhere(handled)

    async def _finished_elsewhere(
        self, handled: Handled
    ) -> tuple[FinishedTurn, SessionView, Bodies]:
        """Read the log until the turn with that message has ended."""

        def ended(view: SessionView) -> bool:
            return view.last_turn is not None and view.last_turn.version >= handled.first

        # From the message on, not from the head: later turns may have ended since.
        follower = await self._core.follow(self._where, until=handled.first or None)
        while not ended(follower.view):
            if not await follower.advance(ended):
                await self._core.lead_if_free(self._where)
                await self._where.backend.store.changed(POLL_S)
        assert follower.view.last_turn is not None
        return follower.view.last_turn, follower.view, follower.bodies

    async def _result(
        self, finished: FinishedTurn, view: SessionView, bodies: Bodies, by: str | None
    ) -> AgentResult:
        if finished.outcome == "cancelled":
            if finished.reason in ("user", "interrupt"):
                raise Cancelled("the turn was cancelled")
            raise Interrupted(f"the turn ended without an answer: {finished.reason}")
        reading = Reading(self._core, self._where, by)
        detail = await reading.text(view, finished.detail)
        if finished.outcome == "failed" and _by_gate(finished.reason):
            raise Denied(detail)
        if finished.outcome == "failed":
            raise ProviderFailed(detail or finished.reason)
        message = bodies.message_at(finished.answer)
        if message is None and finished.answer:
            journal = self._where.backend.journal(self._where.row)
            event = (await journal.event_at(finished.answer)).event
            message = getattr(event, "message", None)
        shown: Sequence[Message] = bodies.shown()
        if not reading.own(view):
            shown = tuple(await reading.messages(view, shown))
        return AgentResult(
            text=await reading.text(view, message.text if message else ""),
            messages=shown,
            usage=finished.usage,
            tool_calls_count=finished.tool_calls,
            version=finished.version,
            label=message.label if message else TRUSTED,
        )

    async def stream(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
        by: str | None = None,
        answers: bool = True,
    ) -> AsyncIterator[StreamEvent]:
        """Send a message and yield the run's events, to `agent_end`.

        Leaving the loop detaches; it does not cancel the turn.

        Args:
            answers: the reader can answer questions: while it reads, they lapse after
                `attended_s` of the confirmation policy.

        Raises:
            HoldfastError: the message was refused.
        """
        check_command_id(command_id)
        id = command_id or self._core.command_id()
        feed = Feed(self._core, self._where, answers=answers, by=by)
        try:
            # First the feed: one that starts after the message would not show the run's start.
            await feed.start(None)
            sending = asyncio.ensure_future(self.send(prompt, id, policy, by))
            sending.add_done_callback(_seen)
            async for event in _run_of(feed, sending, id.hex()):
                yield event
        finally:
            feed.close()

    def event_tx(self) -> AsyncIterator[StreamEvent]:
        """A subscriber to what happens next; nothing can be sent this way (seed D10)."""
        return self.subscribe_events()

    async def subscribe_events(
        self, from_version: int | None = None, *, answers: bool = True, by: str | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Yield the session's events: the log after `from_version`, then live.

        Durable events come exactly once and in order; deltas only while they
        happen in this process. A reader that is too slow gets a `gap` event that
        names the versions it missed. The stream ends with the session.

        Args:
            from_version: the last version already seen; 0 replays everything;
                None starts with what happens next.
            answers: the reader can answer questions; see `stream`.
            by: the principal who reads; default: the manager's. Another than the author
                sees of the author's words what the session's `reader` level permits.

        Raises:
            Unavailable: it cannot be told what another than the author may see.
        """
        feed = Feed(self._core, self._where, answers=answers, by=by)
        try:
            for event in await feed.start(from_version):
                yield event
                if event.type == "session_ended":
                    return
            async for event in feed.events():
                yield event
        finally:
            feed.close()


def _seen(done: asyncio.Future[Handled]) -> None:
    """Look at an outcome nobody waits for any more, so that it is no warning."""
    if not done.cancelled():
        done.exception()


class RunFilter:
    """Picks the events of the run that a command started or joined."""

    def __init__(self, command: str) -> None:
        self._command = command
        self.run = 0
        self.over = False

    def takes(self, event: StreamEvent) -> bool:
        """Whether the event is one of the run; notes the run's end."""
        if event.data.get("command") == self._command:
            self.run = event.run
        if not self.run or event.run not in (self.run, 0) or self.over:
            return False
        self.over = event.run == self.run and event.type == "agent_end"
        return True


async def _run_of(
    feed: Feed, sending: asyncio.Future[Handled], command: str
) -> AsyncIterator[StreamEvent]:
    """The events of the run that a command starts or joins, to its end.

    A command that was carried out before is replayed from the log.
    """
    chosen, replayed, settled = RunFilter(command), False, False
    events = feed.events()
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while not chosen.over:
            waiting: set[asyncio.Future[Any]] = {upcoming}
            if not settled:  # it may be done already, and that has to be looked at once
                waiting.add(sending)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            settled = sending.done()
            batch: list[StreamEvent] = []
            if sending.done() and sending.result().duplicate and not chosen.run and not replayed:
                replayed = True
                batch = await feed.missed(sending.result().first - 1)
            if upcoming.done():
                event = upcoming.result()
                if event is None:
                    return
                batch.append(event)
                upcoming = asyncio.ensure_future(anext(events, None))
            for event in batch:
                if chosen.takes(event):
                    yield event
            if sending.done():
                sending.result()
    finally:
        upcoming.cancel()


def _by_gate(reason: str) -> bool:
    """Whether a turn failed because its model call was not to happen."""
    return reason in (EXCEEDED, "denied_by_person") or reason.startswith(f"{sensitivity.NAME}.")
