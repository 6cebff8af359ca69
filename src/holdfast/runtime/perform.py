"""Performing: the one place that acts on the world.

Each function does one effect whose intent is durable and returns the command
that reports its outcome. It never decides whether to act, and it always returns
an outcome: a cancelled one keeps what was said so far.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from holdfast.core.actions import Action
from holdfast.core.commands import ModelEnded, ToolEnded
from holdfast.core.decide.effects import CALL_ID_BYTES_MAX, CALL_NAME_BYTES_MAX
from holdfast.core.errors import HoldfastError, InvalidInput, ProviderFailed
from holdfast.core.events import Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.labels import UNTRUSTED, Label
from holdfast.core.messages import Message, Part, Role, Text, ToolUse, tool_result
from holdfast.ports.clock import Clock
from holdfast.ports.model import (
    ModelClient,
    ModelReply,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    ToolUseStarted,
)
from holdfast.ports.tool import Json, ToolContext, ToolOutcome
from holdfast.runtime.normalise import Prepared

KEPT_CHARS_MAX = 200_000

Publish = Callable[[str, dict[str, object]], None]
Prepare = Callable[[ToolUse], Prepared]


def clean(text: str) -> str:
    """Replace lone surrogates, which cannot be written as UTF-8.

    Raises:
        InvalidInput: it is no text.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"a text is expected, not {type(text).__name__}")
    return text.encode("utf-8", "replace").decode("utf-8")


class Piecewise(Protocol):
    """A text in pieces, as it may be shown."""

    async def push(self, text: str) -> str:
        """Take the next piece; returns what may be shown now."""

    async def finish(self) -> str:
        """Returns what is left."""


class Shows(Protocol):
    """Says what of an answer may be shown and kept."""

    async def piecewise(self) -> Piecewise:
        """For a text that comes in pieces."""

    async def parts(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """For an answer that is whole."""


class Open:
    """Shows everything as it is."""

    async def piecewise(self) -> Piecewise:
        """Nothing is held back."""
        return self

    async def parts(self, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        """Nothing is changed."""
        return parts

    async def push(self, text: str) -> str:
        """The piece itself."""
        return text

    async def finish(self) -> str:
        """Nothing is left."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A model call about to be made.

    Args:
        veil: what may be shown and kept of the answer.
    """

    ref: EffectRef
    client: ModelClient
    request: ModelRequest
    publish: Publish
    prepare: Prepare
    clock: Clock
    label: Label
    veil: Shows = field(default_factory=Open)


async def call_model(call: ModelCall) -> ModelEnded:
    """Make one attempt; retries that cost nothing are the adapter's, see the models port.

    One that may have been charged, and of which nothing came, asks for another.
    """
    started = call.clock.monotonic()
    said: list[str] = []
    try:
        return await _answered(call, await _stream(call, said), _ms(call.clock, started))
    except asyncio.CancelledError:
        text = clean("".join(said))
        message = Message(Role.ASSISTANT, (Text(text),), call.label) if text.strip() else None
        return _not_done(call, started, Outcome.CANCELLED, "cancelled", message=message)
    except ProviderFailed as failure:
        detail = await _told(call, failure.message)
        failed = _not_done(call, started, Outcome.FAILED, failure.reason, detail=detail)
        silent = failure.retryable and failure.billable and not said
        return replace(failed, again=silent)
    except HoldfastError as failure:
        detail = await _told(call, failure.message)
        return _not_done(call, started, Outcome.FAILED, failure.reason, detail=detail)
    except Exception as failure:  # an adapter's bug fails the call, never the engine
        detail = f"the model adapter failed: {type(failure).__name__}"
        return _not_done(call, started, Outcome.FAILED, "adapter_failed", detail=detail)


async def _told(call: ModelCall, text: str) -> str:
    """What may be shown of an error; a provider's may repeat what it was sent."""
    try:
        parts = await call.veil.parts((Text(text),))
    except HoldfastError as failure:
        return failure.message  # there is nothing of the text in it
    return "".join(part.text for part in parts if isinstance(part, Text))


async def _stream(call: ModelCall, said: list[str]) -> ModelReply:
    reply: ModelReply | None = None
    text_out, thinking_out = await call.veil.piecewise(), await call.veil.piecewise()

    def say(text: str) -> None:
        if text:
            call.publish("text_delta", {"text": text, "offset": sum(map(len, said))})
            said.append(text)

    def think(text: str) -> None:
        if text:
            call.publish("thinking_delta", {"text": text})

    async for event in call.client.stream(call.request):
        match event:
            case TextDelta(text=text):
                say(await text_out.push(text))
            case ThinkingDelta(text=text):
                think(await thinking_out.push(text))
            case ToolUseStarted(id=id, name=name):
                for use in await call.veil.parts((ToolUse(id, name),)):
                    assert isinstance(use, ToolUse), "a part stays what it is"
                    call.publish("tool_call_delta", {"id": use.id, "name": use.name})
            case ModelReply():
                reply = event
    say(await text_out.finish())
    think(await thinking_out.finish())
    if reply is None:
        missing = "the stream ended without an answer"
        raise ProviderFailed(missing, retryable=True, billable=True)
    return reply


async def _answered(call: ModelCall, reply: ModelReply, duration_ms: int) -> ModelEnded:
    parts = await call.veil.parts(_tidy(reply.parts))
    message = Message(Role.ASSISTANT, parts, call.label)
    actions: tuple[Action, ...] = tuple(call.prepare(use).action for use in message.tool_uses)
    return ModelEnded(
        ref=call.ref,
        outcome=Outcome.DONE,
        message=message,
        usage=reply.usage,
        model=reply.model or call.client.model,
        provider=reply.provider or call.client.provider,
        stop=reply.stop,
        duration_ms=duration_ms,
        actions=actions,
    )


def _tidy(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Make text encodable and call ids unique within the answer."""
    seen: set[str] = set()
    tidy: list[Part] = []
    for part in parts:
        if isinstance(part, Text):
            tidy.append(Text(clean(part.text)))
        elif isinstance(part, ToolUse):
            given, name = clean(part.id), clean(part.name)
            base = given if 0 < len(given.encode()) <= CALL_ID_BYTES_MAX - 8 else "call"
            id, count = base, 1
            while id in seen:
                count += 1
                id = f"{base}-{count}"
            seen.add(id)
            if not 0 < len(name.encode()) <= CALL_NAME_BYTES_MAX:
                name = "unnamed"  # no tool has that name, so the gate refuses the call
            tidy.append(ToolUse(id, name, clean(part.arguments)))
        else:
            tidy.append(part)
    return tuple(tidy)


def _not_done(
    call: ModelCall,
    started: float,
    outcome: Outcome,
    reason: str,
    *,
    detail: str = "",
    message: Message | None = None,
) -> ModelEnded:
    return ModelEnded(
        ref=call.ref,
        outcome=outcome,
        message=message,
        model=call.client.model,
        provider=call.client.provider,
        reason=reason,
        detail=detail,
        duration_ms=_ms(call.clock, started),
    )


def _ms(clock: Clock, started: float) -> int:
    return max(0, int((clock.monotonic() - started) * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool call about to be made; it runs the normalised form (contract 2.2).

    Args:
        may_start: asked immediately before the act; if not, nothing is done (contract 1.6).
        shown: the arguments as hooks may see them; None means those that are run.
    """

    ref: EffectRef
    prepared: Prepared
    context: ToolContext
    publish: Publish
    clock: Clock
    may_start: Callable[[], bool]
    began: list[bool] = field(default_factory=list)
    shown: Mapping[str, Json] | None = None


async def call_tool(call: ToolCall) -> ToolEnded:
    """Run a tool under its time limit."""
    started = call.clock.monotonic()
    kept: list[str] = []
    context = replace(call.context, emit=_keeper(call, kept))
    try:
        outcome = await _within(_act(call, context), context.timeout_s, call.clock)
        return _tool_ended(call, outcome, started)
    except asyncio.CancelledError:
        return _stopped(
            call, started, kept, outcome=Outcome.CANCELLED, reason="cancelled", code=130
        )
    except TimeoutError:
        return _stopped(call, started, kept, outcome=Outcome.FAILED, reason="time_limit", code=124)
    except HoldfastError as failure:
        text = f"[{failure.reason}: {failure.message}]"
        failed = ToolOutcome(content=text, is_error=True, exit_code=1)
        return _tool_ended(call, failed, started, failure.reason)
    except Exception as failure:  # a tool's bug fails the call, never the engine
        text = f"[the tool failed: {type(failure).__name__}: {failure}]"
        failed = ToolOutcome(content=text, is_error=True, exit_code=1)
        return _tool_ended(call, failed, started, "tool_failed")


async def _act(call: ToolCall, context: ToolContext) -> ToolOutcome:
    """The act itself. Steps of others may have come since it was decided: look again."""
    tool = call.prepared.tool
    assert tool is not None, "a call that was allowed has a tool"
    if not call.may_start():
        raise asyncio.CancelledError
    call.began.append(True)
    return await tool.run(call.prepared.arguments, context)


async def _within(work: Awaitable[ToolOutcome], limit_s: float, clock: Clock) -> ToolOutcome:
    """Await with a time limit on the port's clock."""
    task = asyncio.ensure_future(work)
    # What comes too late is looked at, so that it is no warning, however often this is cancelled.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    timer = asyncio.ensure_future(clock.sleep(limit_s))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        timer.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _keeper(call: ToolCall, kept: list[str]) -> Callable[[str], None]:
    size = 0

    def emit(piece: str) -> None:
        nonlocal size
        use = call.prepared.use
        call.publish("tool_output_delta", {"id": use.id, "name": use.name, "delta": piece})
        if size < KEPT_CHARS_MAX:
            kept.append(piece[: KEPT_CHARS_MAX - size])
            size += len(piece)

    return emit


def _tool_ended(
    call: ToolCall, outcome: ToolOutcome, started: float, reason: str = ""
) -> ToolEnded:
    use = call.prepared.use
    failed = outcome.is_error
    return ToolEnded(
        ref=call.ref,
        outcome=Outcome.FAILED if failed else Outcome.DONE,
        message=tool_result(
            use.id, use.name, clean(outcome.content), is_error=failed, label=_label(call)
        ),
        exit_code=outcome.exit_code,
        duration_ms=_ms(call.clock, started),
        reason=reason,
        metadata=_facts(outcome.metadata),
    )


def _facts(metadata: Mapping[str, object]) -> str:
    """A tool's metadata as JSON text; what JSON cannot say is written as text."""
    try:
        return json.dumps(dict(metadata), default=str, allow_nan=False)
    except ValueError:
        return json.dumps({str(key): str(value) for key, value in metadata.items()})


def _stopped(
    call: ToolCall, started: float, kept: list[str], *, outcome: Outcome, reason: str, code: int
) -> ToolEnded:
    use = call.prepared.use
    seconds = _ms(call.clock, started) / 1000
    words = "cancelled" if outcome is Outcome.CANCELLED else "stopped at its time limit"
    text = f"[{words} after {seconds:.1f} s; it may have had effects]"
    if not call.began and call.context.attempt == 1:
        text = "[cancelled before it started]"
    said = clean("".join(kept))
    if said:
        text = f"{said}\n{text}"
    return ToolEnded(
        ref=call.ref,
        outcome=outcome,
        message=tool_result(use.id, use.name, text, is_error=True, label=_label(call)),
        exit_code=code,
        duration_ms=_ms(call.clock, started),
        reason=reason,
        ran=bool(call.began),
    )


def _label(call: ToolCall) -> Label:
    """What a tool brings in came from outside."""
    return replace(UNTRUSTED, origins=(f"tool:{call.prepared.action.name}",))
