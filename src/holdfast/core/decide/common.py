"""What all deciding shares: a draft that grows event by event.

A draft applies each event to its own view at once, so that what follows in the
same append sees what came before it (contract 2.1: one append is everything one
command decided).
"""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.actions import Action
from holdfast.core.errors import HoldfastError
from holdfast.core.events import Event
from holdfast.core.facts import Facts
from holdfast.core.holds import after, completed
from holdfast.core.ids import EffectRef
from holdfast.core.judge import GUARDS, Guard
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView

Guards = tuple[tuple[str, Guard], ...]


class Draft:
    """Events decided so far and the view after them."""

    def __init__(self, view: SessionView, facts: Facts, guards: Guards = GUARDS) -> None:
        self.view = view
        self.facts = facts
        self.guards = guards
        self.events: list[Event] = []
        self.views: list[SessionView] = []
        self.error: HoldfastError | None = None
        self.act()

    def act(self) -> None:
        """Decide from here on as whoever the turn runs for: rules may be bound to a role."""
        turn = self.view.turn
        self.facts = self.facts.acting(turn.bearer if turn is not None else None)

    @property
    def revoked(self) -> bool:
        """Whether a turn runs whose token was revoked; it causes no new effect (2.13)."""
        turn = self.view.turn
        return turn is not None and self.facts.revoked(turn.bearer)

    def add(self, event: Event) -> int:
        """Take one more event, with what it settles; returns its version."""
        version = self.view.version + 1
        event = completed(self.view, event)
        recorded = Recorded(version=version, time_ms=self.facts.now_ms, event=event)
        self.view = evolve(self.view, recorded)
        self.facts = after(self.view, self.facts, event)
        self.events.append(event)
        self.views.append(self.view)
        return version

    def learn(self, actions: dict[EffectRef, Action]) -> None:
        """Take in more normalised actions."""
        self.facts = replace(self.facts, actions={**self.facts.actions, **actions})


class Later(Exception):
    """The command cannot be decided yet and stays queued."""
