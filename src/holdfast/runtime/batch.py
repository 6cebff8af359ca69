"""A batch: what several letters come to, decided in order for one append."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from holdfast.core.accounts import Account
from holdfast.core.authority import Authority
from holdfast.core.context import Entry
from holdfast.core.decide import Decision
from holdfast.core.errors import HoldfastError, VersionMismatch
from holdfast.core.events import Admitted, Configured, EffectEnded, Event, Refused, WipeStarted
from holdfast.core.messages import Message
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.ports.store import CommandDone, GrantChange, IndexRow, PendingKind
from holdfast.runtime import questions
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.bearers import asserted
from holdfast.runtime.host import NEVER_CHANGES, Handled, HoldsModel, Host, Mail
from holdfast.runtime.journal import Extras, Journal
from holdfast.runtime.window import edit_of, messages_of

GROWS = (Admitted, Configured)
"""Events that may be refused when the disk is full; all others may use the reserve."""


class Brought(Protocol):
    """Knows the rows that go with what events bring in."""

    def changes(
        self, view: SessionView, events: Sequence[Event], now_ms: int
    ) -> tuple[GrantChange, ...]:
        """The rows to write and to remove."""

    async def forget(self) -> None:
        """Overwrite the values that are followed."""


@dataclass(slots=True)
class Batch:
    """Events decided so far and whom to tell about them.

    Args:
        views: the session after each event.
        fresh: answers decided in this batch, by version; not in the window yet.
        edits: changed arguments decided in this batch, by version.
        accounts: as they are after what was charged so far, or None.
        turn_model: tells under which model a turn begins.
        traces: where events belong, by version, for telemetry.
    """

    view: SessionView
    now_ms: int
    events: list[tuple[Event, int]] = field(default_factory=list)
    done: list[CommandDone] = field(default_factory=list)
    settled: list[tuple[PendingKind, bytes]] = field(default_factory=list)
    answers: list[tuple[Mail, Handled]] = field(default_factory=list)
    refusals: list[tuple[Mail, HoldfastError]] = field(default_factory=list)
    waiting: list[Mail] = field(default_factory=list)
    fresh: dict[int, Message] = field(default_factory=dict)
    edits: dict[int, str] = field(default_factory=dict)
    views: list[SessionView] = field(default_factory=list)
    accounts: tuple[Account, ...] | None = None
    turn_model: HoldsModel = NEVER_CHANGES
    traces: dict[int, object] = field(default_factory=dict)
    _before: SessionView = field(init=False)

    def __post_init__(self) -> None:
        self._before = self.view

    @classmethod
    def of(cls, host: Host, view: SessionView) -> Batch:
        """A draft on a session as it is now."""
        now_ms = max(host.clock.now_ms(), view.updated_ms)
        return cls(view, now_ms, turn_model=host.turn_model)

    def take(self, decision: Decision, actor: int, trace: object | None = None) -> None:
        """Take in what a command came to."""
        version = self.view.version
        for event in decision.events:
            version += 1
            if isinstance(event, EffectEnded) and event.effect == "model" and event.message:
                self.fresh[version] = event.message
            if edit := edit_of(event):
                self.edits[version] = edit
            if trace is not None:
                self.traces[version] = trace
            self.events.append((event, actor))
        self.views.extend(decision.views)
        self.view = decision.view
        if decision.accounts is not None:
            self.accounts = decision.accounts

    def charged(self, authority: Authority) -> Authority:
        """What holds above the session, with what this batch has charged so far."""
        return authority if self.accounts is None else replace(authority, accounts=self.accounts)

    def entries(self) -> list[Entry]:
        """The messages decided so far, with the versions they will have."""
        first = self.view.version - len(self.events) + 1
        return [
            Entry(version, message)
            for version, (event, _) in enumerate(self.events, start=first)
            for message in messages_of(event)
        ]

    def refuse(self, mail: Mail, error: HoldfastError) -> None:
        """Put on record that a queued command was refused, so that it leaves the inbox.

        Once the wipe has begun nothing is recorded any more: the key may be gone. One
        that came too late for its version leaves no trace: that would be another version,
        and would undo what others expect.
        """
        if self.view.wiping or isinstance(error, VersionMismatch):
            if mail.id is not None:
                self.settled.append((PendingKind.COMMAND, mail.id))
            return
        event = Refused(
            action=type(mail.command).__name__.casefold(),
            guard="decide",
            reason=error.reason,
            command=mail.id.hex() if mail.id else "",
        )
        recorded = Recorded(version=self.view.version + 1, time_ms=self.now_ms, event=event)
        self.events.append((event, mail.actor))
        self.view = evolve(self.view, recorded)
        self.views.append(self.view)
        self.mark_done(mail)

    def mark_done(self, mail: Mail) -> None:
        """Note that a command is carried out by this append."""
        if mail.id is None:
            return
        self.done.append(CommandDone(id=mail.id, digest=mail.digest))
        if mail.seq:
            self.settled.append((PendingKind.COMMAND, mail.id))

    async def extras(
        self, authority: AuthorityReader, index: IndexRow, journal: Journal, content: Brought
    ) -> Extras:
        """What goes with the append beside the events.

        Where the wipe begins, the session's values are erased first: they go before that
        is on record, and before the key.
        """
        found = self._extras(authority, index, journal, content)
        if any(isinstance(event, WipeStarted) for event, _ in self.events):
            await content.forget()
        return found

    def _extras(
        self, authority: AuthorityReader, index: IndexRow, journal: Journal, content: Brought
    ) -> Extras:
        events = [event for event, _ in self.events]
        gone = {one.id for one in self._before.questions} - {one.id for one in self.view.questions}
        return Extras(
            done=tuple(self.done),
            settled=(*self.settled, *questions.settled(gone)),
            pending=questions.rows(journal, self.view, events, self.now_ms),
            asserts=(
                *authority.asserts(events),
                *asserted(self.events, self.views),
                *self.turn_model.asserts(self._before, self.view),
            ),
            takes=authority.takes(events, self.accounts or ()),
            settles=authority.settles(events, self.accounts or ()),
            limits=authority.limits(events),
            grants=(
                *authority.grant_changes(events),
                *authority.rule_changes(self.view, events),
                *content.changes(self.view, events, self.now_ms),
            ),
            index=index,
            urgent=self.urgent,
            drop_name=self.view.wiped,
        )

    @property
    def urgent(self) -> bool:
        """Whether the append may use the disk's reserve (contract 2.21)."""
        return not any(isinstance(event, GROWS) for event, _ in self.events)

    def tell(self) -> None:
        """Answer everybody, once all is durable."""
        for mail, handled in self.answers:
            mail.succeed(handled)
        for mail, error in self.refusals:
            mail.fail(error)
