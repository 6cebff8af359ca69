"""Approvals: what waits for a person, and how people answer (seeds B13, D6, E5).

An open question is a row of the store, so that it is listed and answered from any
process, with or without an engine that leads the session.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from holdfast.core.commands import Answer, Configure
from holdfast.core.errors import (
    ApprovalStale,
    ApproverRefused,
    HoldfastError,
    InvalidInput,
    NotNow,
    QuestionNotFound,
    WrongSession,
)
from holdfast.core.settings import ConfirmationPolicy
from holdfast.ports.store import PendingKind
from holdfast.runtime.asking import Approval, WiderPattern, split_id
from holdfast.runtime.confirming import confirmation_of
from holdfast.runtime.controls import Controls
from holdfast.runtime.feed import Feed
from holdfast.runtime.host import expect
from holdfast.runtime.manager import Located
from holdfast.runtime.perform import clean
from holdfast.runtime.placing import place_of
from holdfast.runtime.readers import seen_approvals
from holdfast.runtime.waiting import all_pending

__all__ = ["Approval", "Approvals", "Attendant", "Handler", "Said", "WiderPattern"]

_log = logging.getLogger("holdfast")

Said = str | tuple[str, str] | None
"""What a handler answers: a decision, a decision with a note, or nothing."""

Handler = Callable[[Approval], Awaitable[Said]]


class Approvals(Controls):
    """What a handle can do about questions; see `Session`."""

    async def approvals(self, *, by: str | None = None) -> list[Approval]:
        """What waits for a person in this session and all below it (seeds E5, B7).

        In the order of asking, session by session.

        Args:
            by: as of `history`.
        """
        found: list[Approval] = []
        for where in (self._where, *await self._core.below(self._where)):
            found += await self._asked_in(where, by)
        return found

    async def _own_approvals(self, by: str | None) -> list[Approval]:
        """What this session itself asks of a person now; calls in doubt are left out."""
        asked = await self._asked_in(self._where, by)
        return [one for one in asked if one.about != "in_doubt"]

    async def _asked_in(self, where: Located, by: str | None) -> list[Approval]:
        store = where.backend.store
        rows = [row async for row in all_pending(store, where.stream, PendingKind.QUESTION)]
        return await seen_approvals(self._core, where.backend, rows, by)

    async def answer_approval(
        self,
        id: int | str,
        decision: str,
        *,
        note: str = "",
        pattern: str = "",
        arguments: Mapping[str, object] | str | None = None,
        expires_in_s: int | None = None,
        max_uses: int | None = None,
        amount: int = 0,
        by: str | None = None,
    ) -> None:
        """Answer a question; it is used once, and the first answer counts.

        Args:
            id: an `Approval.id`, or the question's number.
            decision: one of its choices: once, session, workspace, always, deny, edit …
                "approve" is the same as once.
            note: feedback; the model reads it after a denial.
            pattern: one of the question's wider patterns; "" grants the literal call.
            arguments: with edit: the changed arguments; they are judged anew.
            expires_in_s: when what is granted ends, in seconds from now.
            max_uses: how often what is granted may be used.
            amount: with raise: the account's new limit, in its unit.
            by: the person; default: the manager's principal.

        Raises:
            WrongSession: the id is one of another session.
            QuestionNotFound: there is no such question. `AlreadyAnswered`,
                `ApprovalExpired` and `ApprovalWithdrawn` are of this kind.
            UnknownDecision: the decision is not one of the choices.
            ApprovalStale: what was asked about has changed; it is asked anew.
            ApproverRefused: this principal may not answer it.
            InvalidInput: the arguments, the pattern, the end or the uses are wrong.
        """
        number = self._number(id)
        who = by if by is not None else self._core.principal
        for what, text in (("decision", decision), ("note", note), ("pattern", pattern)):
            expect(what, text, str)
        expect("by", who, str)
        expect("amount", amount, int)
        command = Answer(
            question=number,
            decision=decision,
            note=clean(note),
            by=clean(who),
            pattern=clean(pattern),
            arguments=_json(arguments),
            expires_ms=self._end(expires_in_s),
            uses_max=_whole("max_uses", max_uses),
            amount=amount,
        )
        await self.submit(command, by=who)

    def _number(self, id: int | str) -> int:
        expect("id", id, int, str)
        if isinstance(id, int):
            return id
        if id.isdecimal() and len(id) <= 18:
            return int(id)
        session, number = split_id(id)
        if session.casefold() != self.id.casefold():
            raise WrongSession(f"approval {id!r} is not one of session {self.id!r}")
        return number

    def _end(self, expires_in_s: int | None) -> int | None:
        seconds = _whole("expires_in_s", expires_in_s)
        return None if seconds is None else self._core.clock.now_ms() + seconds * 1000

    async def confirm_tool(self, tool_id: str, approved: bool, reason: str | None = None) -> bool:
        """Confirm a tool call by the model's id of it (seed B13).

        False if nothing waits for that id: unknown, late or already answered; the
        reason is in the program's log. The models of the sessions below count their
        calls alike, so an id means one of this session's own calls.
        """
        expect("tool_id", tool_id, str)
        expect("approved", approved, bool)
        expect("reason", reason, str, type(None))
        asked = await self._own_approvals(None)
        waiting = next((one for one in asked if tool_id in one.tool_ids), None)
        if waiting is None:
            _log.info("confirm_tool: nothing waits for %r in %s", tool_id, self.id)
            return False
        yes = next((one for one in waiting.choices if one not in ("deny", "edit")), "once")
        decision = yes if approved else "deny"
        try:
            await self.answer_approval(waiting.question, decision, note=reason or "")
        except (QuestionNotFound, ApprovalStale, ApproverRefused, NotNow) as error:
            _log.info("confirm_tool: %r in %s: %s", tool_id, self.id, error.reason)
            return False
        return True

    async def set_confirmation_policy(
        self, policy: ConfirmationPolicy | Mapping[str, object]
    ) -> ConfirmationPolicy:
        """Say how people are asked from now on; questions that wait are not changed (seed B13).

        A child's gets stricter only. Returns what holds now.

        Raises:
            InvalidInput: a field is unknown, wrong or out of range.
        """
        await self.submit(Configure(confirmation=confirmation_of(policy)))
        return await self.get_confirmation_policy()

    async def get_confirmation_policy(self) -> ConfirmationPolicy:
        """How people are asked (seed B13)."""
        return (await self.view()).settings.confirmation

    def on_approval(self, handler: Handler, *, by: str | None = None) -> Attendant:
        """Have a coroutine answer this session's questions while this process lives.

        It is called with each open and each new `Approval`, one task each, and
        returns a decision, a decision with a note, or None to leave it to others.
        A handler that raises, hangs or is cancelled never approves: the question
        waits on and lapses at its time. While a handler stands the session counts
        as attended. Questions about calls in doubt are not given to handlers.

        Args:
            by: the principal the handler shows them to; as of `history`.

        Returns:
            What `close` ends.
        """
        if not callable(handler):
            raise InvalidInput("a handler is a coroutine function")
        attendant = Attendant(self, handler, Feed(self._core, self._where, by=by), by)
        attendant.task = self._core.errand(attendant.attend())
        return attendant


class Attendant:
    """A handler of a session's questions, at work until it is closed."""

    def __init__(
        self, session: Approvals, handler: Handler, feed: Feed, by: str | None = None
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self._session = session
        self._handler = handler
        self._feed = feed
        self._by = by
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._said: set[int] = set()

    def close(self) -> None:
        """Ask the handler nothing more."""
        if self.task is not None:
            self.task.cancel()

    async def attend(self) -> None:
        """Give the handler what is open, then what is asked."""
        try:
            await self._feed.start(None)
            await self._look()
            async for event in self._feed.events():
                if event.type in ("confirmation_required", "gap"):
                    await self._look()
                elif event.type in ("confirmation_received", "confirmation_timeout"):
                    self._over(event.data.get("question"))
        finally:
            self._feed.close()
            for task in self._asking.values():
                task.cancel()

    async def _look(self) -> None:
        for approval in await self._session._own_approvals(self._by):
            if approval.question not in self._asking:
                work = self._consult(approval)
                self._asking[approval.question] = asyncio.create_task(work)

    def _over(self, question: object) -> None:
        task = self._asking.pop(question, None) if isinstance(question, int) else None
        if task is not None and question not in self._said:
            task.cancel()

    async def _consult(self, approval: Approval) -> None:
        try:
            said = await self._handler(approval)
            if said is None:
                return
            decision, note = (said, "") if isinstance(said, str) else said
        except Exception as error:  # a handler's bug approves nothing: the question waits on
            _log.error("an approval handler failed: %s", place_of(error))
            return
        self._said.add(approval.question)  # from now on the answer's own event ends nothing
        try:
            await self._session.answer_approval(approval.question, decision, note=note)
        except HoldfastError as error:
            _log.info("an approval handler's answer was not accepted: %s", error.reason)
        finally:
            self._said.discard(approval.question)


def _json(arguments: Mapping[str, object] | str | None) -> str:
    if arguments is None:
        return ""
    if isinstance(arguments, str):
        return clean(arguments)
    expect("arguments", arguments, Mapping)
    try:
        return clean(json.dumps(dict(arguments), allow_nan=False, ensure_ascii=False))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"arguments are JSON: {error}") from None


def _whole(what: str, value: int | None) -> int | None:
    expect(what, value, int, type(None))
    if value is not None and value < 1:
        raise InvalidInput(f"{what} is at least 1")
    return value
