"""Content: what one engine looks at what comes in with, and what leaves it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from holdfast.core.commands import Command, ModelEnded, ToolEnded
from holdfast.core.events import Event
from holdfast.core.facts import Facts
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Integrity, Label, Sensitivity
from holdfast.core.messages import Message, Part, ToolResult, ToolUse
from holdfast.core.routing import Destination
from holdfast.core.security import Security
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest
from holdfast.ports.store import GrantChange
from holdfast.runtime.examining import Examining
from holdfast.runtime.hookviews import SessionWords
from holdfast.runtime.host import Host, Mail
from holdfast.runtime.inspecting import Inspecting
from holdfast.runtime.journal import Journal
from holdfast.runtime.normalise import Prepared, destination_of
from holdfast.runtime.observing import Observing
from holdfast.runtime.tainting import Taints
from holdfast.runtime.userrisk import UserRisk
from holdfast.runtime.veil import LiveOutput, Publish, Shown, Veil
from holdfast.runtime.window import Bodies


class _Led(Protocol):
    """What is needed of the engine."""

    host: Host
    journal: Journal
    view: SessionView
    bodies: Bodies
    observing: Observing

    def report(self, command: Command) -> None:
        """Take a report."""


class _Calls(Protocol):
    """Makes calls in their normalised form."""

    def prepared_at(self, ref: EffectRef) -> Prepared | None:
        """The call that a reference of the running turn names."""

    def prepare(self, use: ToolUse) -> Prepared:
        """Normalise a call."""


GrantChanges = tuple[GrantChange, ...]


@dataclass(frozen=True, slots=True)
class Answering:
    """Says what of an answer may be shown and kept, under some settings."""

    veil: Veil
    security: Security

    async def piecewise(self) -> Shown:
        """For a text that comes in pieces."""
        return await self.veil.shown(self.security)

    async def parts(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """For an answer that is whole."""
        return await self.veil.parts(parts, self.security)


class Content:
    """The content guards of one engine."""

    def __init__(
        self, engine: _Led, make: _Calls, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        host = engine.host
        self._engine = engine
        self.taints = Taints(engine.journal, host.detectors.taints)
        self.risk = UserRisk(engine.journal)
        self.veil = Veil(self.taints, host.detectors.taints)
        self.inspecting = Inspecting(host.detectors, self.taints, self.veil)
        self.examining = Examining(engine, host.registry, self.taints, make, spawn)
        self.words = SessionWords(
            host.detectors, self.taints, self.veil, lambda: self.security(engine.view)
        )
        engine.observing.look_through(self, spawn)
        self._remarked: tuple[Message, ...] = ()
        self._looked: tuple[str, Security] | None = None
        self._joined: tuple[Security, Security | None, Security] | None = None

    def security(self, view: SessionView) -> Security:
        """The session's settings, with the installation's joined in."""
        own, trust = view.settings.security, self._engine.host.trust
        known = self._joined
        if known is None or known[0] is not own or known[1] is not trust.security:
            known = self._joined = (own, trust.security, trust.binding(own))
        return known[2]

    def facts(self, facts: Facts, view: SessionView, mail: Mail) -> Facts:
        """Add what was found to what a decision is told."""
        return replace(
            facts,
            inspected=mail.found,
            examined=self.examining.current(view),
            security=self.security(view),
            risk=self.risk.current,
            agreed=self.risk.agreed,
        )

    async def inspected(self, batch: list[Mail]) -> list[Mail]:
        """Look at the messages of a batch before it is decided, once each; returns it."""
        security = self.security(self._engine.view)
        for mail in batch:
            if mail.refused is None and mail.inspected is not mail.command:
                mail.found = await self.inspecting.command(mail.command, security)
                mail.inspected = mail.command
        if any(mail.found is not None and mail.found.kinds for mail in batch):
            await self.risk.read(self._engine.view)
        return batch

    def changes(self, view: SessionView, events: Sequence[Event], now_ms: int) -> GrantChanges:
        """The rows that an append writes for what these events brought."""
        before = self._engine.view
        return (*self.taints.rows(events), *self.risk.changes(before, view, events, now_ms))

    def written(self, events: Sequence[Event]) -> None:
        """The events are durable, and their rows with them."""
        self.taints.written(events)

    async def answered(self, ended: ModelEnded) -> None:
        """Look at the calls of an answer before it is decided."""
        await self.examining.ahead(ended, self.security(self._engine.view))

    async def result(self, ended: ToolEnded, prepared: Prepared) -> ToolEnded:
        """Look at what a tool brought in."""
        if prepared.action.by_host:  # it is the embedding program's, not the session's
            return ended
        view = self._engine.view
        security = self.security(view)
        given = view.label.integrity is Integrity.TRUSTED or self.examining.given(prepared)
        flow = prepared.action.flow
        return await self.inspecting.result(ended, flow, security, given=given)

    async def request(
        self, system: str, messages: Sequence[Message], label: Label, to: Destination
    ) -> tuple[str, tuple[Message, ...], Label]:
        """A request as its model may see it, and the label of what it is sent.

        Raises:
            Unavailable: it cannot be told what stands there; nothing may be sent.
        """
        if not self.security(self._engine.view).enabled:
            return system, tuple(messages), label
        await self._prompt()
        clear = to.limits.clear
        if clear < Sensitivity.CRITICAL:
            await self._remarks(messages)
        system, swapped = await self.veil.for_model(system, messages, clear)
        if label.sensitivity > clear:  # all that is more was swapped, or may be told
            label = replace(label, sensitivity=max(clear, self._engine.view.exposure.level))
        return system, swapped, label

    async def _prompt(self) -> None:
        """See to it that the values of the system prompt are known; no event names them.

        Raises:
            Unavailable: it could not be looked at.
        """
        looked = (self._engine.bodies.prompt, self.security(self._engine.view))
        if looked != self._looked:
            await self.inspecting.passing(*looked)
            self._looked = looked

    async def _remarks(self, messages: Sequence[Message]) -> None:
        """Look at results that the runtime wrote: they repeat what approvers and hooks say.

        Each begins with a bracket; labels do not tell them from what a tool brought.

        Raises:
            Unavailable: one could not be looked at.
        """
        security, all = self.security(self._engine.view), tuple(messages)
        done = len(self._remarked)
        fresh: Iterable[Message] = all[done:]
        if all[:done] != self._remarked:
            known = set(map(id, self._remarked))
            fresh = (message for message in all if id(message) not in known)
        parts = (part for message in fresh for part in message.parts)
        written = dict.fromkeys(part.content for part in parts if isinstance(part, ToolResult))
        for content in written:
            if content.startswith("["):
                await self.inspecting.passing(content, security)
        self._remarked = all

    async def hosted(self, request: ModelRequest, client: ModelClient) -> ModelRequest:
        """A request of the embedding program's own, as the session's model may see it.

        Raises:
            Unavailable: it cannot be told what stands there; nothing may be sent.
        """
        if not self.security(self._engine.view).enabled:
            return request
        clear = destination_of(client).limits.clear
        system, messages = await self.veil.for_model(request.system, request.messages, clear)
        return replace(request, system=system, messages=messages)

    def restored(self, reply: ModelReply) -> ModelReply:
        """An answer to the embedding program, with the values it was asked with."""
        return replace(reply, parts=tuple(self.veil.restored(part) for part in reply.parts))

    def answer(self) -> Answering:
        """What may be shown and kept of an answer."""
        return Answering(self.veil, self.security(self._engine.view))

    async def performed(self, prepared: Prepared) -> Prepared:
        """A call as it is run: with values in place of their pseudonyms.

        Raises:
            InvalidInput, Unavailable: they cannot be put there.
        """
        assert prepared.tool is not None, "a call that was allowed has a tool"
        await self._prompt()
        given = await self.veil.arguments(prepared.arguments, prepared.tool.spec)
        return prepared if given is prepared.arguments else replace(prepared, arguments=given)

    def output(self, publish: Publish) -> LiveOutput | None:
        """What a tool's output is shown through while it runs; None shows it as it is."""
        security = self.security(self._engine.view)
        if not security.enabled or security.reader is Sensitivity.CRITICAL:
            return None
        classifier = self._engine.host.detectors.classifier(security)
        return LiveOutput(
            publish, security, lambda text: classifier.classify(text).findings, self.taints
        )

    async def forget(self) -> None:
        """After a wipe: nothing of the session's values is held any more."""
        self.veil.forget()
        self.examining.forget()
        self._looked = None
        self._remarked = ()
        await self.taints.forget()

    def look(self, start: tuple[EffectRef, ...]) -> None:
        """Examine the calls that are owed."""
        self.examining.look(start, self.security(self._engine.view))
