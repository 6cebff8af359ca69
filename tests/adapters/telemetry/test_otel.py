"""OpenTelemetry is told, and nothing of it that fails is anybody else's failure."""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from holdfast.adapters.telemetry.otel import OpenTelemetry, carry
from holdfast.ports.quiet import quiet
from holdfast.ports.telemetry import NO_SPAN, Kind
from tracekit import Kept

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_span_begins_when_it_is_said_and_ends_once() -> None:
    """What is said after its end is nothing."""
    kept = Kept()
    span = kept.telemetry.start("a", Kind.CLIENT, {"x": 1}, None, since_ns=5)
    span.note({"y": ("z",)}, name="b")
    span.end("broken")
    span.note({"x": 2}, name="c")
    span.end()
    kept.settle()
    (found,) = kept.spans
    assert ("b", 5, StatusCode.ERROR) == (found.name, found.start_time, found.status.status_code)
    assert {"x": 1, "y": ("z",), "error.type": "broken"} == dict(found.attributes or {})


def test_what_is_within_a_span_belongs_to_it_also_in_tasks_that_begin_there() -> None:
    """And what comes behind does not; headers are written only within."""
    kept = Kept()
    telemetry = kept.telemetry

    async def inner() -> None:
        await asyncio.sleep(0)
        telemetry.start("inner", Kind.INTERNAL, {}, telemetry.current()).end()

    async def work() -> None:
        outer = telemetry.start("outer", Kind.INTERNAL, {}, None)
        headers: dict[str, str] = {}
        with telemetry.within(outer.trace):
            task = asyncio.create_task(inner())
            carry(headers)
        assert telemetry.current() is None
        await task
        outer.end()
        await telemetry.flush()
        assert f"{kept.one('outer').context.span_id:016x}" == headers["traceparent"].split("-")[2]
        carry(empty := dict[str, str]())
        assert {} == empty

    asyncio.run(work())
    assert {"outer": "", "inner": "outer"} == kept.tree()


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "00",
        PARENT[:-1],
        PARENT.replace("0af", "xyz"),
        "00-" + "0" * 32 + PARENT[35:],
        "\0" * 99,
    ],
)
def test_a_trace_that_is_none_is_nowhere(wrong: str) -> None:
    """What is none begins a trace of its own."""
    telemetry = Kept().telemetry
    assert telemetry.incoming({"traceparent": wrong}) is None
    assert telemetry.incoming({}) is None
    assert isinstance(telemetry.incoming({"traceparent": PARENT}), Context)


class Failing(SpanProcessor):
    """Fails at everything."""

    def on_start(self, span: object, parent_context: Context | None = None) -> None:
        """Fail."""
        raise RuntimeError("canary")

    def on_end(self, span: ReadableSpan) -> None:
        """Fail."""
        raise RuntimeError("canary")


def test_what_fails_there_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """The log says so once of what is called and once of what ends, and not what it was about."""
    tracers = TracerProvider(shutdown_on_exit=False)
    telemetry = quiet(OpenTelemetry(tracers))
    good = [telemetry.start("a", Kind.INTERNAL, {}, None) for _ in range(2)]
    tracers.add_span_processor(Failing())
    with caplog.at_level(logging.WARNING, "holdfast"):
        assert NO_SPAN is telemetry.start("b", Kind.INTERNAL, {}, good[0].trace)
        for one in good:
            one.end()
        telemetry.measure("no.such.figure", 1, {})
        asyncio.run(telemetry.flush())
    assert [
        "telemetry failed in end and is passed over: RuntimeError",
        "telemetry failed in start and is passed over: RuntimeError",
    ] == sorted(caplog.messages)
    assert 4 == telemetry.lost


class Waiting(SpanProcessor):
    """Exports where a span ends, and takes as long as it is told to.

    Attributes:
        begun, go: an export has begun; it may end.
        ended: what was exported, in order.
    """

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Wait."""
        self.begun.set()
        assert self.go.wait(20)
        self.ended.append(span)


def test_an_exporter_holds_up_nobody_and_spans_end_when_they_were_over() -> None:
    """Also when nobody lets them end for long; in their order, once, and children know parents."""
    waiting = Waiting()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(waiting)
    telemetry = OpenTelemetry(tracers)
    before = time.time_ns()
    outer = telemetry.start("outer", Kind.INTERNAL, {}, None)
    for number in range(100):
        inner = telemetry.start(f"inner {number}", Kind.CLIENT, {}, outer.trace)
        inner.end("broken")
        inner.end("again")
        inner.note({"late": True}, name="late")
    outer.end()
    after = time.time_ns()
    assert waiting.begun.wait(20)
    assert [] == waiting.ended
    waiting.go.set()
    asyncio.run(telemetry.flush())
    assert [*(f"inner {number}" for number in range(100)), "outer"] == [
        one.name for one in waiting.ended
    ]
    context = waiting.ended[-1].context
    assert context is not None
    for one in waiting.ended[:-1]:
        assert one.parent is not None
        assert context.span_id == one.parent.span_id
        assert {"error.type": "broken"} == dict(one.attributes or {})
    ends = [one.end_time or 0 for one in waiting.ended]
    assert sorted(ends) == ends
    assert before <= ends[0] <= ends[-1] <= after
    assert 0 == telemetry.lost


def test_what_is_not_recorded_needs_no_thread() -> None:
    """Nobody waits for what goes nowhere."""
    telemetry = OpenTelemetry(TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    before = set(threading.enumerate())
    telemetry.start("a", Kind.INTERNAL, {}, None).end()
    assert set(threading.enumerate()) <= before


WITHOUT = """
import sys
sys.modules["opentelemetry.sdk"] = None
from holdfast.adapters.telemetry.otel import OpenTelemetry, carry
from holdfast.ports.telemetry import Kind
telemetry, headers = OpenTelemetry(), {}
span = telemetry.start("a", Kind.INTERNAL, {}, telemetry.current())
with telemetry.within(span.trace):
    carry(headers)
telemetry.measure("gen_ai.client.token.usage", 1, {})
span.end()
print(headers, telemetry.content)
"""


def test_without_an_sdk_it_is_nothing() -> None:
    """The interface alone keeps nothing, and nothing is carried on."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True
    )
    assert ("{} False\n", "") == (ran.stdout, ran.stderr)


STATES = [
    "canary",
    "canary=",
    "canary=a\x00b",
    "Canary=1",
    "a=canary=b",
    "a=1,,canary=2",
    "a@b@canary=1",
    ",".join(f"canary{number}=1" for number in range(33)),
    "canary=1," * 9_000,
    "canary=" + "b" * 257,
    "canary=1,canary=2",
]


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_is_none_is_dropped_and_in_no_log(
    state: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trace itself is believed all the same; what a caller wrote is not logged."""
    telemetry = Kept().telemetry
    headers: dict[str, str] = {}
    given = {"traceparent": PARENT, "tracestate": state}
    with caplog.at_level(logging.DEBUG), telemetry.within(telemetry.incoming(given)):
        carry(headers)
    assert {"traceparent": PARENT} == headers
    assert "canary" not in caplog.text


@pytest.mark.parametrize("state", ["a=1", "a=1, b@c=x y z", "0a@b=!~", "a/b*c_d-e=" + "v" * 256])
def test_a_state_goes_on_as_it_came(state: str) -> None:
    """Member by member."""
    telemetry = Kept().telemetry
    headers: dict[str, str] = {}
    with telemetry.within(telemetry.incoming({"traceparent": PARENT, "tracestate": state})):
        carry(headers)
    assert state.replace(", ", ",") == headers["tracestate"]


def test_ten_thousand_hostile_headers_raise_nothing_and_are_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What goes on is always a header."""
    telemetry, chosen = Kept().telemetry, random.Random(7)
    signs = "ab=,1\t @*/-_\x00\n\xff\u0660"
    with caplog.at_level(logging.DEBUG):
        for _ in range(10_000):
            parent = list(PARENT)
            for _ in range(chosen.choice([0, 1, 3])):
                parent[chosen.randrange(len(parent))] = chosen.choice(signs)
            state = "".join(chosen.choices(signs, k=chosen.choice([0, 3, 30])))
            given = {"traceparent": "".join(parent), "tracestate": state}
            headers: dict[str, str] = {}
            with telemetry.within(telemetry.incoming(given)):
                carry(headers)
            assert all(one.isascii() and one.isprintable() for one in headers.values())
    assert "" == caplog.text
