"""Observing: what telemetry is told of one session's runs and calls.

- Told is what is durable: a span begins where its intent is folded and ends where its
  outcome is, so that there is one place that tells and nothing that was not on record.
- Names are those of the GenAI conventions of OpenTelemetry. Values are names of tools,
  models and providers, codes, numbers and the session's id; a word that came from
  outside and is none we know is `_OTHER`.
- Content is told only where the telemetry wants it and the session's content is looked
  at, and then as another reader than the author sees it, at most at the level normal.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from holdfast.core.errors import HoldfastError
from holdfast.core.events import Admitted, EffectEnded, EffectStarted, Outcome
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Sensitivity
from holdfast.core.messages import Message, Text, ToolResult, ToolUse
from holdfast.core.quantities import Usage
from holdfast.core.security import Security
from holdfast.core.view import FinishedTurn, Recorded, SessionView
from holdfast.ports.telemetry import NO_TELEMETRY, Attribute, Kind, Span, Telemetry
from holdfast.runtime.hookviews import Words
from holdfast.runtime.placing import place_of
from holdfast.runtime.tainting import Taints

_log = logging.getLogger("holdfast")
OTHER = "_OTHER"
CONTENT_CHARS_MAX = 10_000
TOO_LONG = "[CUT]"
CHAT, TOOL, AGENT = "chat", "execute_tool", "invoke_agent"
TOKENS, DURATION = "gen_ai.client.token.usage", "gen_ai.client.operation.duration"

_MODEL_EFFECTS = frozenset({"model", "host_model", "extraction"})
_TOOL_EFFECTS = frozenset({"tool", "host_tool"})
_STOPS = frozenset({"stop", "tool_use", "length", "refusal", "content_filter"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}", re.ASCII)
_CODE = re.compile(r"[a-z][a-z0-9_.]{0,63}", re.ASCII)
Attributes = dict[str, Attribute]


class _Looks(Protocol):
    """Looks at what a session says."""

    @property
    def words(self) -> Words:
        """Hides values in texts."""

    @property
    def taints(self) -> Taints:
        """The values that are followed."""

    def security(self, view: SessionView) -> Security:
        """The settings that hold for the session."""


@dataclass(slots=True)
class _Open:
    """A call that runs."""

    span: Span
    operation: str
    name: str


@dataclass(slots=True)
class _Run:
    """A run, as far as it was seen."""

    id: int
    span: Span
    began_ms: int
    seen: Attributes = field(default_factory=dict)


class Observing:
    """Tells of one session; see the module.

    Args:
        telemetry: whom it tells.
    """

    def __init__(self, telemetry: Telemetry = NO_TELEMETRY) -> None:
        self._telemetry = telemetry
        self._idle = telemetry is NO_TELEMETRY
        self._run: _Run | None = None
        self._open: dict[EffectRef, _Open] = {}
        self._telling: dict[Span, str] = {}
        self._looks: _Looks | None = None
        self._spawn: Callable[[Coroutine[Any, Any, None]], None] | None = None

    def look_through(
        self, looks: _Looks, spawn: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        """Say what content is looked through with before it is told.

        Args:
            spawn: runs what takes time beside the engine.
        """
        self._looks, self._spawn = looks, spawn

    def current(self) -> object | None:
        """Where what the calling code asks for belongs."""
        return self._telemetry.current()

    def within(self, ref: EffectRef) -> AbstractContextManager[None]:
        """Have what happens here belong to a call that runs."""
        known = self._open.get(ref)
        return self._telemetry.within(known.span.trace if known is not None else None)

    def folded(
        self, before: SessionView, after: SessionView, recorded: Recorded, trace: object | None
    ) -> None:
        """Tell of an event that is durable now.

        Args:
            before, after: the session without it and with it.
            trace: where what led to it belongs.
        """
        if self._idle:
            return
        try:
            self._folded(before, after, recorded, trace)
        except Exception as error:  # what is on record is so, whatever becomes of its telling
            _log.error("what happened in a session could not be told: %s", place_of(error))

    def _folded(
        self, before: SessionView, after: SessionView, recorded: Recorded, trace: object | None
    ) -> None:
        event = recorded.event
        if after.turn is not None and before.turn is None:
            self._run_begins(after, recorded, trace)
        match event:
            case EffectStarted():
                self._begins(after, recorded, event, trace)
            case EffectEnded():
                self._ends(before, event)
        if before.turn is not None and after.turn is None:
            self._run_ends(after, recorded)

    def close(self) -> None:
        """End what is open: the session is led here no more."""
        for span, error in self._telling.items():
            span.end(error)
        for known in self._open.values():
            known.span.end("interrupted")
        self._telling.clear()
        self._open.clear()
        if self._run is not None:
            self._run.span.note({"holdfast.outcome": "interrupted"})
            self._run.span.end()
            self._run = None

    # --- runs ------------------------------------------------------------------------------

    def _run_begins(self, view: SessionView, recorded: Recorded, trace: object | None) -> None:
        event = recorded.event
        run = self._of_run(view, recorded.time_ms, trace)
        if isinstance(event, Admitted):
            self._say(view, run.span, "gen_ai.input.messages", _said(event.message))

    def _of_run(self, view: SessionView, now_ms: int, trace: object | None = None) -> _Run:
        """The run that goes on; one that began elsewhere is seen from here on."""
        turn = view.turn
        assert turn is not None, "a run goes on"
        if self._run is None or self._run.id != turn.id:
            about: Attributes = {
                "gen_ai.operation.name": AGENT,
                "gen_ai.conversation.id": view.session_id,
                "holdfast.run": turn.id,
            }
            if view.version > turn.id:
                about["holdfast.resumed"] = True
            span = self._telemetry.start(AGENT, Kind.INTERNAL, about, trace)
            self._run = _Run(turn.id, span, now_ms)
        return self._run

    def _run_ends(self, view: SessionView, recorded: Recorded) -> None:
        run, done = self._run, view.last_turn
        if run is None or done is None:
            return
        self._run = None
        run.span.note({**run.seen, **_usage(done.usage), "holdfast.outcome": done.outcome})
        error = _error_of_run(done)
        figures = {"gen_ai.operation.name": AGENT, **run.seen, **_failed(error)}
        self._telemetry.measure(DURATION, (recorded.time_ms - run.began_ms) / 1000, figures)
        run.span.end(error)

    # --- calls -----------------------------------------------------------------------------

    def _begins(
        self, view: SessionView, recorded: Recorded, event: EffectStarted, trace: object | None
    ) -> None:
        ref = EffectRef(event.cause, event.ordinal)
        beside = ref in {one.ref for one in view.host_open}
        if not beside and view.turn is not None:
            trace = self._of_run(view, recorded.time_ms).span.trace
        name = _known(event.name)
        about: Attributes = {"gen_ai.conversation.id": view.session_id}
        if event.effect in _MODEL_EFFECTS:
            operation, kind = CHAT, Kind.CLIENT
            about["gen_ai.request.model"] = name
        elif event.effect in _TOOL_EFFECTS:
            operation, kind = TOOL, Kind.INTERNAL
            about |= {"gen_ai.tool.name": name, "gen_ai.tool.type": "function"}
        else:
            return
        about["gen_ai.operation.name"] = operation
        if event.attempt > 1:
            about["holdfast.attempt"] = event.attempt
        span = self._telemetry.start(f"{operation} {name}", kind, about, trace)
        former = self._open.get(ref)
        if former is not None:  # an attempt whose end another engine had to find
            former.span.end("lost")
        self._open[ref] = _Open(span, operation, name)

    def _ends(self, view: SessionView, event: EffectEnded) -> None:
        known = self._open.pop(EffectRef(event.cause, event.ordinal), None)
        if known is None:
            return
        error = "" if event.outcome is Outcome.DONE else _code(event.reason or event.outcome.value)
        about: Attributes = {}
        if known.operation == CHAT:
            about = self._chat(known, event)
        elif event.exit_code:
            about["holdfast.exit_code"] = event.exit_code
        known.span.note({**about, **_usage(event.usage), "holdfast.outcome": event.outcome.value})
        figures = {"gen_ai.operation.name": known.operation, **_named(about), **_failed(error)}
        self._telemetry.measure(DURATION, event.duration_ms / 1000, figures)
        self._telling[known.span] = error
        if known.operation == CHAT:
            told = self._say(view, known.span, "gen_ai.output.messages", _said(event.message))
        else:
            told = self._say(view, known.span, "gen_ai.tool.call.result", _result(event.message))
        if not told:
            self._end(known.span)

    def _chat(self, known: _Open, event: EffectEnded) -> Attributes:
        about: Attributes = {"gen_ai.request.model": known.name}
        if event.provider:
            about["gen_ai.provider.name"] = _known(event.provider)
        if event.model:
            about["gen_ai.response.model"] = _known(event.model)
        if event.stop:
            about["gen_ai.response.finish_reasons"] = [
                event.stop if event.stop in _STOPS else OTHER
            ]
        if self._run is not None and event.effect == "model":
            self._run.seen = _named(about)
        usage = event.usage
        for kind, count in (
            ()
            if usage is None
            else (
                ("input", usage.input_tokens),
                ("output", usage.output_tokens),
            )
        ):
            figures = {"gen_ai.operation.name": CHAT, "gen_ai.token.type": kind, **_named(about)}
            self._telemetry.measure(TOKENS, count, figures)
        return about

    # --- content ---------------------------------------------------------------------------

    def _say(self, view: SessionView, span: Span, name: str, content: object) -> bool:
        """Have content be told, if it is wanted and looked at; whether it will be."""
        looks, spawn = self._looks, self._spawn
        if not self._telemetry.content or looks is None or spawn is None or not content:
            return False
        security = looks.security(view)
        if not security.enabled:
            return False
        level = min(security.reader, Sensitivity.NORMAL)
        spawn(self._tell(looks, span, name, content, level))
        return True

    async def _tell(
        self, looks: _Looks, span: Span, name: str, content: object, level: Sensitivity
    ) -> None:
        try:
            shown = await _shown(content, looks.words, level)
            if not looks.taints.forgotten:  # else it was not known any more what to hide
                span.note({name: json.dumps(shown, ensure_ascii=False)})
        except HoldfastError:
            pass  # it cannot be told what stands there, so it is not told
        finally:
            self._end(span)

    def _end(self, span: Span) -> None:
        """End a span that waits for nothing but its content."""
        error = self._telling.pop(span, None)
        if error is not None:
            span.end(error)


async def _shown(value: object, words: Words, level: Sensitivity) -> object:
    """Content without what is above a level."""
    if isinstance(value, str):
        shown = await words.hide(value, level)
        cut = len(shown) > CONTENT_CHARS_MAX
        return shown[:CONTENT_CHARS_MAX] + TOO_LONG if cut else shown
    if isinstance(value, Mapping):
        return {name: await _shown(one, words, level) for name, one in value.items()}
    if isinstance(value, list):
        return [await _shown(one, words, level) for one in value]
    return value


def _said(message: Message | None) -> list[object]:
    """A message in the form of the conventions, without thinking."""
    if message is None:
        return []
    parts: list[object] = []
    for part in message.parts:
        if isinstance(part, Text):
            parts.append({"type": "text", "content": part.text})
        elif isinstance(part, ToolUse):
            call = {"type": "tool_call", "name": part.name, "arguments": part.arguments}
            parts.append(call)
    return [{"role": message.role.value, "parts": parts}]


def _result(message: Message | None) -> list[object]:
    parts = message.parts if message is not None else ()
    return [part.content for part in parts if isinstance(part, ToolResult)]


def _usage(usage: Usage | None) -> Attributes:
    if usage is None:
        return {}
    found: Attributes = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    more = {
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "holdfast.cost_micros": usage.cost_micros,
    }
    return found | {name: count for name, count in more.items() if count}


def _named(about: Mapping[str, Attribute]) -> Attributes:
    """What figures are told apart by."""
    names = ("gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model")
    return {name: about[name] for name in names if name in about}


def _failed(error: str) -> Attributes:
    return {"error.type": error} if error else {}


def _error_of_run(done: FinishedTurn) -> str:
    if done.outcome == "completed":
        return ""
    return _code(done.reason or done.outcome)


def _known(name: str) -> str:
    """A name, if it may be one."""
    return name if _NAME.fullmatch(name) else OTHER


def _code(text: str) -> str:
    return text if _CODE.fullmatch(text) else OTHER
