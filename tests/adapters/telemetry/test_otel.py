"""OpenTelemetry is told, and nothing of it that fails is anybody else's failure."""

from __future__ import annotations

import asyncio
import logging

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode

from holdfast.adapters.telemetry import otel
from holdfast.adapters.telemetry.otel import OpenTelemetry, carry
from holdfast.ports.telemetry import NO_SPAN, Kind
from tracekit import Kept

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_span_begins_when_it_is_said_and_ends_once() -> None:
    """What is said after its end is nothing."""
    kept = Kept()
    span = kept.telemetry.start("a", Kind.CLIENT, {"x": 1}, None, since_ns=5)
    span.note({"y": ("z",)}, name="b")
    span.end("broken")
    span.note({"x": 2})
    span.end()
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


def test_what_fails_there_is_passed_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says so once, and not what it was about."""
    monkeypatch.setattr(otel, "_told", set())
    tracers = TracerProvider(shutdown_on_exit=False)
    telemetry = OpenTelemetry(tracers)
    good = telemetry.start("a", Kind.INTERNAL, {}, None)
    tracers.add_span_processor(Failing())
    with caplog.at_level(logging.WARNING, "holdfast"):
        assert NO_SPAN is telemetry.start("b", Kind.INTERNAL, {}, good.trace)
        good.end()
        telemetry.measure("no.such.figure", 1, {})
    assert ["RuntimeError", "KeyError"] == [str(one.args[0]) for one in caplog.records if one.args]
    assert "canary" not in caplog.text


def test_without_an_sdk_it_is_nothing() -> None:
    """The interface alone keeps nothing, and nothing is carried on."""
    telemetry = OpenTelemetry()
    span = telemetry.start("a", Kind.INTERNAL, {}, telemetry.current())
    headers: dict[str, str] = {}
    with telemetry.within(span.trace):
        carry(headers)
    telemetry.measure("gen_ai.client.token.usage", 1, {})
    span.end()
    assert ({}, False) == (headers, telemetry.content)
