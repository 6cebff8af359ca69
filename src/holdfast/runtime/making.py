"""Making calls out of intents: what the model is sent and what a tool is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from holdfast.core.commands import Command, FixPlan, ModelEnded, ToolEnded
from holdfast.core.errors import HoldfastError, NotNow
from holdfast.core.events import Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Integrity, Label
from holdfast.core.messages import Message, ToolUse, tool_result
from holdfast.core.network import NetworkPolicy
from holdfast.core.routing import Destination
from holdfast.core.security import Security
from holdfast.core.tools import ToolSpec
from holdfast.core.view import OpenEffect, SessionView
from holdfast.ports.model import ModelClient, ModelRequest
from holdfast.ports.tool import ExtractingTool, PlanningTool, ToolContext
from holdfast.runtime.extracting import Quarantine, Works, labelled
from holdfast.runtime.hooking import Hooking
from holdfast.runtime.host import Handled, Host, Mail
from holdfast.runtime.hub import Hub
from holdfast.runtime.journal import Journal
from holdfast.runtime.metering import SessionMeter
from holdfast.runtime.normalise import Prepared, destination_of, prepare
from holdfast.runtime.observing import Observing
from holdfast.runtime.offer import offered, read_spill
from holdfast.runtime.paths import escapes, judged
from holdfast.runtime.perform import ModelCall, Publish, Shows, ToolCall
from holdfast.runtime.pricing import THINKING_TOKENS, max_output_of
from holdfast.runtime.reaching import network_of
from holdfast.runtime.stream import StreamEvent
from holdfast.runtime.tenure import Tenure
from holdfast.runtime.veil import LiveOutput, Veil
from holdfast.runtime.window import Bodies

REPLY_ROOM = 0.8
NO_EDITS: Mapping[int, str] = {}


class Led(Protocol):
    """The engine as its workers see it."""

    id: str
    host: Host
    journal: Journal
    view: SessionView
    bodies: Bodies
    hub: Hub
    tenure: Tenure
    observing: Observing

    async def submit(self, command: Command, *, actor: int = 0) -> Handled:
        """Have a command carried out."""

    def report(self, command: Command) -> None:
        """Take a report."""

    def post(self, mail: Mail) -> None:
        """Take a letter."""

    def fail(self, error: HoldfastError) -> None:
        """Side work failed for good."""

    async def destroy_key(self) -> None:
        """Destroy the data key and report it."""


class Looks(Protocol):
    """Looks at what goes to models and tools and what comes back from them."""

    veil: Veil

    def security(self, view: SessionView) -> Security:
        """The settings that hold for the session."""

    async def request(
        self, system: str, messages: Sequence[Message], label: Label, to: Destination
    ) -> tuple[str, tuple[Message, ...], Label]:
        """A request as its model may see it, and its label."""

    def answer(self) -> Shows:
        """What may be shown and kept of an answer."""

    async def answered(self, ended: ModelEnded) -> None:
        """Look at the calls of an answer before it is decided."""

    async def performed(self, prepared: Prepared) -> Prepared:
        """A call as it is run."""

    def output(self, publish: Publish) -> LiveOutput | None:
        """What a tool's output is shown through while it runs."""

    async def result(self, ended: ToolEnded, prepared: Prepared) -> ToolEnded:
        """A result with its label."""


class Maker:
    """Makes the calls of one engine.

    Args:
        works: what runs in the session.
    """

    def __init__(self, engine: Led, works: Works) -> None:
        self._engine = engine
        self.hooking: Hooking
        self.content: Looks
        self._meter = SessionMeter(engine.journal, engine.view.lineage)
        self.quarantine = Quarantine(engine, works, self)

    def prepare(self, use: ToolUse) -> Prepared:
        """Normalise a call."""
        engine = self._engine
        crypto = engine.journal.crypto
        assert crypto is not None, "a session with effects has its key"
        host, workspace = engine.host, engine.view.settings.workspace
        online = self._network() is not None
        return prepare(use, host.registry, workspace, crypto, host.shell, online=online)

    def _network(self) -> NetworkPolicy | None:
        engine = self._engine
        return network_of(engine.host.trust.network, self.content.security(engine.view))

    async def model(self, effect: OpenEffect) -> ModelEnded:
        """Make a model call; returns its report."""
        engine = self._engine
        view = engine.view
        try:
            client = self._client(effect)
        except HoldfastError as error:
            client, detail = None, error.message
        else:
            detail = "no model is configured"
        if client is None:
            return ModelEnded(
                ref=effect.ref, outcome=Outcome.FAILED, reason="no_model", detail=detail, ran=False
            )
        tools = self._tools(view)
        spent = len(engine.bodies.prompt) // 4 + sum(len(tool.parameters) // 4 for tool in tools)
        limit = min(view.settings.context_tokens, client.context_tokens)
        room = max(1000, int(limit * REPLY_ROOM) - spent)
        try:
            system, messages, label = await self.content.request(
                engine.bodies.prompt,
                engine.bodies.render(room),
                engine.bodies.rendered_label,
                destination_of(client),
            )
        except HoldfastError as error:  # what may not be seen is not sent
            return ModelEnded(
                ref=effect.ref,
                outcome=Outcome.FAILED,
                reason=error.reason,
                detail=error.message,
                ran=False,
            )
        thinking = view.settings.thinking_tokens or THINKING_TOKENS
        request = ModelRequest(
            system=system,
            messages=messages,
            tools=tools,
            thinking_tokens=thinking if view.settings.thinking else None,
            max_output_tokens=max_output_of(client),
            idempotency_key=self.effect_id(effect.ref),
        )
        call = ModelCall(
            ref=effect.ref,
            client=client,
            request=request,
            publish=self._publish,
            prepare=self.prepare,
            clock=engine.host.clock,
            label=label,
            veil=self.content.answer(),
        )
        ended = await self.hooking.calls.model(call, engine.host.clock.sleep, effect.attempt)
        with suppress(asyncio.CancelledError):  # the answer is there, and has to be paid for
            await self.content.answered(ended)
        return ended

    def _tools(self, view: SessionView) -> tuple[ToolSpec, ...]:
        """The tools the model is told of; what extracts only where that is switched on."""
        registry = self._engine.host.registry
        found = offered(view, registry.specs())
        if self.quarantine.allowed:
            return found
        return tuple(
            spec for spec in found if not isinstance(registry.get(spec.name), ExtractingTool)
        )

    def _client(self, effect: OpenEffect) -> ModelClient | None:
        """The client of a call; one that belongs into the enclave goes nowhere else."""
        host, view = self._engine.host, self._engine.view
        return host.enclave_for(view) if effect.enclave else host.model_for(view)

    async def tool(self, effect: OpenEffect, may_start: Callable[[], bool]) -> ToolEnded:
        """Run a tool in the form that was judged; returns its report.

        Args:
            may_start: asked immediately before the act (contract 1.6).
        """
        engine = self._engine
        prepared = self.prepared_of(effect)
        if prepared is None or prepared.tool is None or prepared.action.digest != effect.digest:
            text = "[not run: the call is not the one that was judged]"
            message = tool_result("", effect.name, text, is_error=True)
            return ToolEnded(
                ref=effect.ref,
                outcome=Outcome.FAILED,
                message=message,
                reason="not_as_judged",
                ran=False,
            )
        try:
            self._fix_plan(prepared)
            source = self.quarantine.source_of(prepared)
            performed = await self.content.performed(prepared)
        except HoldfastError as error:
            return _not_run(effect, prepared.use, error)
        context = self.context(effect, prepared)
        if source is not None:
            performed, context = self.quarantine.around(performed, context, source)
        live = self.content.output(self._publish)
        call = ToolCall(
            ref=effect.ref,
            prepared=performed,
            context=context,
            publish=live or self._publish,
            clock=engine.host.clock,
            may_start=may_start,
            shown=prepared.arguments,
        )
        try:
            ended = await self.hooking.calls.tool(call, engine.host.clock.sleep)
            return ended if source is None else labelled(ended, source)
        finally:
            if live is not None:
                await live.finish()

    def _fix_plan(self, prepared: Prepared) -> None:
        """Fix the plan that a model declares, as long as nobody else can be its author.

        Raises:
            NotNow: untrusted content has been read.
            InvalidInput: it is no plan.
        """
        if not isinstance(prepared.tool, PlanningTool):
            return
        steps = prepared.tool.plan(prepared.arguments)
        if self._engine.view.label.integrity is Integrity.UNTRUSTED:
            raise NotNow("a plan is declared before anything untrusted is read")
        self._engine.report(FixPlan(steps=steps, source="model"))

    def prepared_of(self, effect: OpenEffect) -> Prepared | None:
        """The normalised call behind an intent, or None if it is not in the window."""
        return self.prepared_at(effect.ref)

    def prepared_at(self, ref: EffectRef) -> Prepared | None:
        """The normalised call at a place, or None if it is not in the window."""
        message = self._engine.bodies.message_at(ref.cause)
        uses = message.tool_uses if message else ()
        if not 1 <= ref.ordinal <= len(uses):
            return None
        call = self._engine.view.call(ref.ordinal)
        use = uses[ref.ordinal - 1]
        return self.prepare(self.edited(use, call.edited if call else 0))

    def edited(self, use: ToolUse, at: int, drafted: Mapping[int, str] = NO_EDITS) -> ToolUse:
        """A call as it is now: with the arguments that a person or a hook put in their place.

        Args:
            at: version of the event that changed them, or 0.
            drafted: changes that are decided but not durable yet.
        """
        if not at:
            return use
        arguments = drafted.get(at) or self._engine.bodies.edits[at]
        return ToolUse(use.id, use.name, arguments)

    def context(self, effect: OpenEffect, prepared: Prepared) -> ToolContext:
        """What a tool is told beside its arguments."""
        engine = self._engine
        tool = prepared.tool
        assert tool is not None
        limit = min(tool.spec.timeout_s, engine.view.settings.limits.tool_s)
        as_judged = prepared.action.digest == effect.digest
        return ToolContext(
            session_id=engine.view.session_id,
            workspace=engine.view.settings.workspace or None,
            effect_id=self.effect_id(effect.ref),
            epoch=engine.journal.epoch,
            attempt=effect.attempt,
            timeout_s=float(limit),
            emit=lambda piece: None,
            spill=self._spill,
            read_spill=self._read_spill,
            unsandboxed_allowed=engine.host.unsandboxed_allowed,
            judged=judged(prepared.action.paths),
            # The intent stands for these paths only if they lead where they led then.
            escapes=escapes(prepared.action.paths) if as_judged else (),
            private=engine.host.private,
            network=self._network(),
            meter=self._meter,
        )

    def effect_id(self, ref: EffectRef) -> str:
        """The effect's stable id, its idempotency key."""
        crypto = self._engine.journal.crypto
        assert crypto is not None, "a session with effects has its key"
        return crypto.effect_id(self._engine.journal.stream, ref.cause, ref.ordinal)

    async def _spill(self, data: bytes) -> str:
        blob, parts, _ = await self._engine.journal.put_blob(data)
        return f"spill:{blob.hex()}-{parts}"

    async def _read_spill(self, handle: str) -> bytes:
        return await read_spill(self._engine.journal, handle)

    def _publish(self, type: str, data: dict[str, object]) -> None:
        engine = self._engine
        if not engine.hub.wants(type):
            return
        view = engine.view
        engine.hub.publish(
            StreamEvent(
                type=type,
                session=view.session_id,
                version=view.version,
                time_ms=engine.host.clock.now_ms(),
                run=view.turn.id if view.turn else 0,
                data=data,
                live=True,
            )
        )


def _not_run(effect: OpenEffect, use: ToolUse, error: HoldfastError) -> ToolEnded:
    text = f"[not run: {error.message}]"
    return ToolEnded(
        ref=effect.ref,
        outcome=Outcome.FAILED,
        message=tool_result(use.id, use.name, text, is_error=True),
        reason=error.reason,
        ran=False,
    )


def cancelled(effect: OpenEffect, call_id: str, *, never: bool) -> ModelEnded | ToolEnded:
    """The report for an effect that was cancelled and does not come back.

    Args:
        call_id: the provider's id of a tool call.
        never: it never started.
    """
    if effect.effect == "model":
        return ModelEnded(
            ref=effect.ref,
            outcome=Outcome.CANCELLED,
            intent=effect.version,
            reason="cancelled",
            ran=not never,
        )
    no_trace = never and effect.attempt == 1  # an earlier attempt may have had effects
    text = (
        "[cancelled before it started]"
        if no_trace
        else "[cancelled; it did not stop in time and may still be running]"
    )
    return ToolEnded(
        ref=effect.ref,
        outcome=Outcome.CANCELLED,
        message=tool_result(call_id, effect.name, text, is_error=True),
        intent=effect.version,
        exit_code=130,
        reason="cancelled" if no_trace else "cancel_timeout",
        ran=not never,
    )
