"""Spans and figures by OpenTelemetry's interface; whoever runs the program says where to.

- Only the interface is used: without an SDK that the program sets up, all of it is nothing.
- Whatever an SDK or an exporter raises stays here, and the log says once that it did.
- A processor that exports where a span ends is waited for: that it does not is a matter of
  whoever sets up the SDK (docs/how-to/observe.md).
- Only the W3C trace context is read from requests and written to them, never baggage,
  which may say anything of anybody. What is no `tracestate` by the letter is dropped
  before the library sees it, which would log it.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from holdfast.ports.telemetry import NO_SPAN, Attribute, Kind, Span

_log = logging.getLogger("holdfast")
P = ParamSpec("P")
T = TypeVar("T")

NAME = "holdfast"
HISTOGRAMS: Mapping[str, tuple[str, str, tuple[float, ...]]] = {
    "gen_ai.client.token.usage": (
        "{token}",
        "Tokens of model calls.",
        tuple(4.0**power for power in range(14)),
    ),
    "gen_ai.client.operation.duration": (
        "s",
        "How long model calls, tool calls and runs took.",
        tuple(0.01 * 2.0**power for power in range(14)),
    ),
}
"""Unit, meaning and bounds of each; the bounds are those of the GenAI conventions."""

_KINDS = {
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.CLIENT: trace.SpanKind.CLIENT,
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
}
_W3C = TraceContextTextMapPropagator()
STATE_CHARS_MAX, STATE_MEMBERS_MAX = 2048, 32
_MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]",
    re.ASCII,
)
_told: set[str] = set()
NOWHERE: object | None = None


def _quiet(other: T) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function return something else where it would raise."""

    def wrapped(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def quiet(*args: P.args, **given: P.kwargs) -> T:
            try:
                return function(*args, **given)
            except Exception as error:  # telemetry fails nothing but itself
                kind = type(error).__name__
                if kind not in _told and len(_told) < 100:
                    _told.add(kind)
                    _log.warning("telemetry failed and is passed over: %s", kind)
                return other

        return quiet

    return wrapped


def _is_state(text: str) -> bool:
    """Whether a text is a `tracestate` by the letter of the W3C's recommendation, section 3.3."""
    if len(text) > STATE_CHARS_MAX:
        return False
    members = [one.strip(" \t") for one in text.split(",")]
    return len(members) <= STATE_MEMBERS_MAX and all(map(_MEMBER.fullmatch, members))


@_quiet(NOWHERE)
def _extract(headers: Mapping[str, str]) -> object | None:
    given = {"traceparent": headers.get("traceparent", "")}
    state = headers.get("tracestate", "")
    if _is_state(state):  # the library would log what is none
        given["tracestate"] = state
    found = _W3C.extract(given, Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


class OpenTelemetrySpan:
    """One span."""

    def __init__(self, span: trace.Span, parent: Context) -> None:
        self._span = span
        self._parent = parent

    @property
    def trace(self) -> object | None:
        """The context that has it as the current span."""
        return trace.set_span_in_context(self._span, self._parent)

    @_quiet(None)
    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Set attributes, and the name if one is given."""
        if name:
            self._span.update_name(name)
        for key, value in attributes.items():
            self._span.set_attribute(key, value)

    @_quiet(None)
    def end(self, error: str = "") -> None:
        """End it, with an error as its status if there is one."""
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class OpenTelemetry:
    """Tells OpenTelemetry.

    Args:
        tracers, meters: whom to tell; default: those that are set for the process, also
            if they are set later.
        content: whether redacted content is wanted.
    """

    def __init__(
        self,
        tracers: trace.TracerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
        *,
        content: bool = False,
    ) -> None:
        self._content = content
        self._tracer = trace.get_tracer(NAME, tracer_provider=tracers)
        meter = metrics.get_meter(NAME, meter_provider=meters)
        self._histograms = {
            name: meter.create_histogram(
                name, unit, meaning, explicit_bucket_boundaries_advisory=bounds
            )
            for name, (unit, meaning, bounds) in HISTOGRAMS.items()
        }

    @property
    def content(self) -> bool:
        """Whether redacted content is wanted."""
        return self._content

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        trace: object | None,
        *,
        since_ns: int | None = None,
    ) -> Span:
        """Begin a span; it is ended by hand, and is current only `within` it."""
        parent = trace if isinstance(trace, Context) else Context()
        return self._start(name, kind, attributes, parent, since_ns)

    @_quiet(NO_SPAN)
    def _start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        parent: Context,
        since_ns: int | None,
    ) -> Span:
        found = self._tracer.start_span(
            name, context=parent, kind=_KINDS[kind], attributes=attributes, start_time=since_ns
        )
        return OpenTelemetrySpan(found, parent)

    @_quiet(None)
    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """Tell a figure of one of `HISTOGRAMS`."""
        self._histograms[name].record(value, attributes)

    def current(self) -> object | None:
        """The current context, if it has a span."""
        found = contexts.get_current()
        return found if trace.get_current_span(found).get_span_context().is_valid else None

    def incoming(self, headers: Mapping[str, str]) -> object | None:
        """The context that `traceparent` and `tracestate` say."""
        return _extract(headers)

    @contextmanager
    def within(self, trace: object | None) -> Iterator[None]:
        """Have a context be the current one."""
        token = contexts.attach(trace if isinstance(trace, Context) else Context())
        try:
            yield
        finally:
            contexts.detach(token)


def carry(headers: MutableMapping[str, str]) -> None:
    """Write the current trace context into the headers of a request."""
    _W3C.inject(headers)
