"""Extracting: the quarantined model call behind a tool that reads one closed value.

The call crosses the gate as any model call of the turn does: it is judged, has intent
and outcome in the log, is reserved for and billed, stands between the hooks, and its
request has pseudonyms where its model may not see a value. It is sent the text and the
schema, nothing of the conversation, and no tools. What is refused, or fails, ends the
tool's call with an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from holdfast.core.commands import HostCall, HostEnded, ModelEnded, ToolEnded
from holdfast.core.context import Entry
from holdfast.core.errors import (
    Cancelled,
    Denied,
    HoldfastError,
    InvalidInput,
    NoModel,
    NotExtracted,
    NotFound,
    TooLarge,
)
from holdfast.core.events import Outcome
from holdfast.core.extraction import SOURCE_CHARS_MAX, Extraction, places_of
from holdfast.core.flows import UNDECLARED
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Label
from holdfast.core.messages import Message, Text, Thinking, ToolResult, ToolUse, user
from holdfast.core.routing import Destination
from holdfast.core.security import Security
from holdfast.core.view import OpenEffect, SessionView
from holdfast.ports.model import ModelClient, ModelRequest
from holdfast.ports.tool import ExtractingTool, ToolContext
from holdfast.runtime.asides import Asides, Leads, begin, end
from holdfast.runtime.hooking import Hooking
from holdfast.runtime.hooks import RETRIES_MAX
from holdfast.runtime.host import Host
from holdfast.runtime.issuing import issued_in
from holdfast.runtime.normalise import Prepared, destination_of, model_action
from holdfast.runtime.perform import ModelCall
from holdfast.runtime.pricing import cost_of_request, max_output_of
from holdfast.runtime.veil import Veil
from holdfast.runtime.window import Bodies

ANSWER_TOKENS_MAX = 256
ONLY_ATTEMPT = RETRIES_MAX + 1
"""Nothing is asked for again: a further attempt would need an intent of its own."""


class _Led(Leads, Protocol):
    """What is needed of the engine."""

    host: Host
    bodies: Bodies


class _Looks(Protocol):
    """Looks at what goes to a model."""

    veil: Veil

    def security(self, view: SessionView) -> Security:
        """The settings that hold for the session."""

    async def request(
        self, system: str, messages: Sequence[Message], label: Label, to: Destination
    ) -> tuple[str, tuple[Message, ...], Label]:
        """A request as its model may see it, and its label."""


class _Makes(Protocol):
    """Makes calls in their normalised form, between the hooks."""

    @property
    def hooking(self) -> Hooking:
        """Asks the hooks."""

    @property
    def content(self) -> _Looks:
        """Looks at what goes to a model."""

    def prepare(self, use: ToolUse) -> Prepared:
        """Normalise a call."""

    def effect_id(self, ref: EffectRef) -> str:
        """The idempotency key of an effect."""


class Works(Protocol):
    """What runs in the session."""

    def may_start(self, effect: OpenEffect) -> bool:
        """Check immediately before the act."""

    @property
    def asides(self) -> Asides:
        """The calls beside the turn."""


@dataclass(frozen=True, slots=True)
class Source:
    """The result that is read.

    Args:
        places: where an id has to stand in it.
    """

    text: str
    label: Label
    places: str = ""


class Quarantine:
    """Makes the quarantined model calls of one session."""

    def __init__(self, engine: _Led, works: Works, make: _Makes) -> None:
        self._engine = engine
        self._works = works
        self._make = make

    @property
    def allowed(self) -> bool:
        """Whether values may be extracted here."""
        return self._make.content.security(self._engine.view).extraction is True

    def source_of(self, prepared: Prepared) -> Source | None:
        """What a call reads; None for a call that extracts nothing.

        Raises:
            Denied: extraction is not switched on.
            InvalidInput: the source's tool declares no such field as the id is to stand in.
            NotFound: no result is visible that it names.
            TooLarge: it is longer than can be read.
        """
        if not isinstance(prepared.tool, ExtractingTool):
            return None
        if not self.allowed:
            raise Denied("extraction is not switched on here")
        wanted = prepared.tool.extraction(prepared.arguments)
        found = newest(self._engine.bodies.entries, wanted)
        if found is None:
            raise NotFound(f"no such result of {wanted.tool!r} is visible")
        if len(found.text) > SOURCE_CHARS_MAX:
            raise TooLarge(f"a value is read out of at most {SOURCE_CHARS_MAX} characters")
        issued = self._issued(wanted, found.text)
        return replace(found, places=places_of(wanted.schema, found.text, issued))

    def _issued(self, wanted: Extraction, text: str) -> list[str]:
        """What a source holds in the field that an id is to stand in; nothing without one."""
        name = wanted.schema.issued
        if not name:
            return []
        tool = self._engine.host.registry.get(wanted.tool)
        if tool is None or name not in tool.spec.flow.trusted_fields:
            raise InvalidInput(f"{wanted.tool!r} declares no field {name!r} of its own")
        return [str(one) for one in issued_in(text, name)]

    def around(
        self, prepared: Prepared, context: ToolContext, source: Source
    ) -> tuple[Prepared, ToolContext]:
        """A call that extracts, with its source; its result is as sensitive as that."""

        async def asked(question: str) -> tuple[str, str]:
            return source.places, await self._ask(question, source)

        flow = prepared.action.flow or UNDECLARED
        produces = max(flow.produces, source.label.sensitivity)
        action = replace(prepared.action, flow=replace(flow, produces=produces))
        return replace(prepared, action=action), replace(context, quarantine=asked)

    # --- the call -------------------------------------------------------------------------

    async def _ask(self, question: str, source: Source) -> str:
        """Put a question about a text to the session's model, by itself.

        Raises:
            Denied: the gate refused, or would have had to ask a person.
            NotExtracted: nothing that could be a value came back.
            Cancelled: the session stopped the call.
        """
        engine, host = self._engine, self._engine.host
        client = host.model_for(engine.view)
        if client is None:
            raise NoModel("no model is configured")
        request = ModelRequest(
            system=question,
            messages=(user(source.text, source.label),),
            max_output_tokens=min(ANSWER_TOKENS_MAX, max_output_of(client) or ANSWER_TOKENS_MAX),
        )
        enclave = host.enclave_for(engine.view)
        action = model_action(
            client.model,
            known=True,
            cost=cost_of_request(client, request),
            to=destination_of(client, enclave=enclave, wanted=host.enclave_wanted),
        )
        effect = await begin(engine, HostCall(action=action, extracts=True), 0)
        used = enclave if effect.enclave else client
        work = self._made(effect, used, request)
        with self._works.asides.running(effect.ref, work) as task:
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait({task})
                raise
            finally:
                await self._settle(effect, task)
        if task.cancelled():
            raise Cancelled("the session stopped the call")
        return self._said(task.result())

    async def _made(
        self, effect: OpenEffect, client: ModelClient | None, request: ModelRequest
    ) -> ModelEnded:
        """Make the call; whatever happens is an outcome."""
        if client is None:
            return _never(effect, Outcome.FAILED, "no_model")
        try:
            system, messages, label = await self._make.content.request(
                request.system,
                request.messages,
                request.messages[0].label,
                destination_of(client),
            )
        except HoldfastError as error:  # what may not be seen is not sent
            return _never(effect, Outcome.FAILED, error.reason)
        if not self._works.may_start(effect):
            return _never(effect, Outcome.CANCELLED, "cancelled")
        sent = replace(
            request,
            system=system,
            messages=messages,
            idempotency_key=self._make.effect_id(effect.ref),
        )
        clock = self._engine.host.clock
        call = ModelCall(
            ref=effect.ref,
            client=client,
            request=sent,
            publish=_nobody,
            prepare=self._make.prepare,
            clock=clock,
            label=label,
        )
        return await self._make.hooking.calls.model(call, clock.sleep, ONLY_ATTEMPT)

    async def _settle(self, effect: OpenEffect, task: asyncio.Task[ModelEnded]) -> None:
        """Put the outcome on record; one that failed in another way is a failure."""
        if task.cancelled():
            ended = _never(effect, Outcome.CANCELLED, "cancelled")
        elif task.exception() is not None:
            ended = replace(_never(effect, Outcome.FAILED, "adapter_failed"), ran=True)
        else:
            ended = task.result()
        if effect not in self._engine.view.host_open:
            return  # the session's end has recorded it
        await end(
            self._engine,
            HostEnded(
                ref=effect.ref,
                outcome=ended.outcome,
                usage=ended.usage,
                model=ended.model,
                provider=ended.provider,
                duration_ms=ended.duration_ms,
                reason=ended.reason,
                ran=ended.ran,
            ),
        )

    def _said(self, ended: ModelEnded) -> str:
        """The text of an answer, with values in place of their pseudonyms."""
        if ended.outcome is not Outcome.DONE or ended.message is None:
            raise NotExtracted(f"the model's call came to nothing ({ended.reason or 'no answer'})")
        said: list[str] = []
        for part in ended.message.parts:
            if isinstance(part, Thinking):
                continue
            if not isinstance(part, Text):
                raise NotExtracted("the answer is not a text")
            restored = self._make.content.veil.restored(part)
            assert isinstance(restored, Text), "a part stays what it is"
            said.append(restored.text)
        return "".join(said)


def newest(entries: Sequence[Entry], wanted: Extraction) -> Source | None:
    """The newest result that an extraction names, among what is visible."""
    uses: dict[str, ToolUse] = {}
    found = None
    for entry in entries:
        for part in entry.message.parts:
            if isinstance(part, ToolUse):
                uses[part.id] = part  # an id is good for one answer and its results
            elif isinstance(part, ToolResult) and not part.is_error:
                use = uses.get(part.tool_use_id)
                if use is not None and _named(use, wanted):
                    found = Source(part.content, entry.message.label)
    return found


def _named(use: ToolUse, wanted: Extraction) -> bool:
    if use.name.casefold() != wanted.tool.casefold():
        return False
    if not wanted.given:
        return True
    had = arguments_of(use)
    return all(name in had and same(had[name], value) for name, value in wanted.given.items())


def arguments_of(use: ToolUse) -> dict[str, object]:
    """The arguments of a call as the model wrote them; none if they are malformed."""
    try:
        found: object = json.loads(use.arguments)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def same(one: object, other: object) -> bool:
    """Whether two JSON values are the same; true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def labelled(ended: ToolEnded, source: Source) -> ToolEnded:
    """A result whose label says as well whose words it was read from."""
    message = ended.message
    return replace(ended, message=replace(message, label=message.label.join(source.label)))


def _never(effect: OpenEffect, outcome: Outcome, reason: str) -> ModelEnded:
    return ModelEnded(ref=effect.ref, outcome=outcome, reason=reason, ran=False)


def _nobody(type: str, data: dict[str, object]) -> None:
    """Nothing of a quarantined answer is shown."""
