"""Spans and figures by OpenTelemetry's interface; whoever runs the program says where to.

- Only the interface is used: without an SDK that the program sets up, all of it is nothing.
- Whatever an SDK raises is passed over by whoever calls (`holdfast.ports.quiet`).
- A processor may export where a span ends, and the interface lets nobody see whether one
  does. So spans that are recorded end in a thread of their own, in the order in which they
  were said to be over and at the time at which they were (`Outbox`). They begin where they
  are begun, so that what happens within them has them as its parent at once.
- Only the W3C trace context is read from requests and written to them, never baggage,
  which may say anything of anybody. What is no `tracestate` by the letter is dropped
  before the library sees it, which would log it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from holdfast.adapters.telemetry.outbox import Outbox
from holdfast.ports.telemetry import Attribute, Kind, Span

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


def _is_state(text: str) -> bool:
    """Whether a text is a `tracestate` by the letter of the W3C's recommendation, section 3.3."""
    if len(text) > STATE_CHARS_MAX:
        return False
    members = [one.strip(" \t") for one in text.split(",")]
    return len(members) <= STATE_MEMBERS_MAX and all(map(_MEMBER.fullmatch, members))


def _extract(headers: Mapping[str, str]) -> object | None:
    given = {"traceparent": headers.get("traceparent", "")}
    state = headers.get("tracestate", "")
    if _is_state(state):  # the library would log what is none
        given["tracestate"] = state
    found = _W3C.extract(given, Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None


class OpenTelemetrySpan:
    """One span.

    Args:
        outbox: where it ends.
    """

    def __init__(self, span: trace.Span, parent: Context, outbox: Outbox) -> None:
        self._span = span
        self._parent = parent
        self._outbox = outbox
        self._over = False

    @property
    def trace(self) -> object | None:
        """The context that has it as the current span."""
        return trace.set_span_in_context(self._span, self._parent)

    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Set attributes, and the name if one is given."""
        if self._over:
            return
        if name:
            self._span.update_name(name)
        for key, value in attributes.items():
            self._span.set_attribute(key, value)

    def end(self, error: str = "") -> None:
        """End it, with an error as its status if there is one."""
        if self._over:
            return
        self._over = True
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        if self._span.is_recording():
            self._outbox.put(partial(self._span.end, time.time_ns()))
        else:  # it goes nowhere
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
        self._outbox = Outbox()
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

    @property
    def lost(self) -> int:
        """How many spans were dropped, and how many ends failed."""
        return self._outbox.lost

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
        found = self._tracer.start_span(
            name, context=parent, kind=_KINDS[kind], attributes=attributes, start_time=since_ns
        )
        return OpenTelemetrySpan(found, parent, self._outbox)

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

    async def flush(self) -> None:
        """Wait until all spans that are over have ended, exported or handed to what exports."""
        await self._outbox.flush()


def carry(headers: MutableMapping[str, str]) -> None:
    """Write the current trace context into the headers of a request."""
    _W3C.inject(headers)
