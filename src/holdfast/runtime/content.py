"""Content: what one engine looks at what comes in with, and what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Protocol

from holdfast.core.commands import Command, ToolEnded
from holdfast.core.facts import Facts
from holdfast.core.ids import EffectRef
from holdfast.core.security import Security
from holdfast.core.view import SessionView
from holdfast.runtime.examining import Examining
from holdfast.runtime.host import Host, Mail
from holdfast.runtime.inspecting import Inspecting
from holdfast.runtime.journal import Journal
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.tainting import Taints
from holdfast.runtime.window import Bodies


class _Led(Protocol):
    """What is needed of the engine."""

    host: Host
    journal: Journal
    view: SessionView
    bodies: Bodies

    def report(self, command: Command) -> None:
        """Take a report."""


class _Calls(Protocol):
    """Makes calls in their normalised form."""

    def prepared_at(self, ref: EffectRef) -> Prepared | None:
        """The call that a reference of the running turn names."""


class Content:
    """The content guards of one engine."""

    def __init__(
        self, engine: _Led, make: _Calls, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        host = engine.host
        self._engine = engine
        self.taints = Taints(engine.journal, host.detectors.taints)
        self.inspecting = Inspecting(host.detectors, self.taints)
        self.examining = Examining(engine, host.registry, self.taints, make, spawn)
        self._joined: tuple[Security, Security | None, Security] | None = None

    def security(self, view: SessionView) -> Security:
        """The session's settings, with the installation's joined in."""
        own, trust = view.settings.security, self._engine.host.trust
        known = self._joined
        if known is None or known[0] is not own or known[1] is not trust.security:
            known = self._joined = (own, trust.security, trust.joined(own) or own)
        return known[2]

    def facts(self, facts: Facts, view: SessionView, mail: Mail) -> Facts:
        """Add what was found to what a decision is told."""
        return replace(
            facts,
            inspected=mail.found,
            examined=self.examining.current(view),
            security=self.security(view),
        )

    async def inspected(self, batch: list[Mail]) -> list[Mail]:
        """Look at the messages of a batch before it is decided, once each; returns it."""
        security = self.security(self._engine.view)
        for mail in batch:
            if mail.refused is None and mail.inspected is not mail.command:
                mail.found = await self.inspecting.command(mail.command, security)
                mail.inspected = mail.command
        return batch

    async def result(self, ended: ToolEnded, prepared: Prepared) -> ToolEnded:
        """Look at what a tool brought in."""
        security = self.security(self._engine.view)
        return await self.inspecting.result(ended, prepared.action.flow, security)

    def look(self, start: tuple[EffectRef, ...]) -> None:
        """Examine the calls that are owed."""
        self.examining.look(start, self.security(self._engine.view))
