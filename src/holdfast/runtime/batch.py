"""A batch: what several letters come to, decided in order for one append."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.core.context import Entry
from holdfast.core.decide import Decision
from holdfast.core.errors import HoldfastError
from holdfast.core.events import Admitted, Configured, EffectEnded, Event, Refused
from holdfast.core.messages import Message
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.ports.store import CommandDone, PendingKind
from holdfast.runtime.host import Handled, Mail
from holdfast.runtime.window import messages_of

GROWS = (Admitted, Configured)
"""Events that may be refused when the disk is full; all others may use the reserve."""


@dataclass(slots=True)
class Batch:
    """Events decided so far and whom to tell about them.

    Args:
        views: the session after each event.
        fresh: answers decided in this batch, by version; not in the window yet.
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
    views: list[SessionView] = field(default_factory=list)

    def take(self, decision: Decision, actor: int) -> None:
        """Take in what a command came to."""
        version = self.view.version
        for event in decision.events:
            version += 1
            if isinstance(event, EffectEnded) and event.effect == "model" and event.message:
                self.fresh[version] = event.message
            self.events.append((event, actor))
        self.views.extend(decision.views)
        self.view = decision.view

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

        Once the wipe has begun nothing is recorded any more: the key may be gone.
        """
        if self.view.wiping:
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
