"""Telemetry is OpenTelemetry's where it is installed and wanted."""

from __future__ import annotations

import logging
import sys

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    NoOpTracerProvider,
    SpanContext,
    Tracer,
    set_span_in_context,
)

from holdfast.adapters.telemetry import factory
from holdfast.adapters.telemetry.factory import build_telemetry, carry_trace
from holdfast.adapters.telemetry.otel import OpenTelemetry
from holdfast.ports.quiet import Quiet
from holdfast.ports.telemetry import NO_TELEMETRY, Kind
from tracekit import Kept


def test_it_is_as_the_settings_say() -> None:
    """Content is wanted only where that is said."""
    found = build_telemetry({"enabled": True, "content": False})
    assert (True, False) == (isinstance(found, OpenTelemetry), found.content)
    assert build_telemetry({"enabled": True, "content": True}).content
    assert NO_TELEMETRY is build_telemetry({"enabled": False, "content": True})


def test_it_is_nothing_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told, and requests go out as they are."""
    for name in ("holdfast.adapters.telemetry.otel", "opentelemetry"):
        monkeypatch.setitem(sys.modules, name, None)
    assert NO_TELEMETRY is build_telemetry({"enabled": True, "content": True})
    headers = {"host": "x"}
    carry_trace(headers)
    assert {"host": "x"} == headers


def test_requests_are_told_where_they_belong() -> None:
    """By the W3C's header, while something is current."""
    telemetry = Kept().telemetry
    headers: dict[str, str] = {}
    with telemetry.within(telemetry.start("a", Kind.CLIENT, {}, None).trace):
        carry_trace(headers)
    assert {"traceparent"} == set(headers)


class Broken(NonRecordingSpan):
    """A span of a provider that fails."""

    def get_span_context(self) -> SpanContext:
        """Fail."""
        raise RuntimeError("canary")


def test_a_request_goes_out_as_it_is_where_that_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a provider's spans raise; the log says so once."""
    monkeypatch.setattr(factory, "_quiet", Quiet())
    token = attach(set_span_in_context(Broken(INVALID_SPAN_CONTEXT)))
    headers = {"host": "x"}
    try:
        with caplog.at_level(logging.WARNING, "holdfast"):
            carry_trace(headers)
            carry_trace(headers)
    finally:
        detach(token)
    assert {"host": "x"} == headers
    assert ["telemetry failed in carry and is passed over: RuntimeError"] == caplog.messages


def test_what_cannot_be_set_up_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a provider of the process raises."""
    monkeypatch.setattr(factory, "_quiet", Quiet())

    class Unwilling(NoOpTracerProvider):
        def get_tracer(self, *args: object, **more: object) -> Tracer:
            raise LookupError("canary")

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Unwilling())
    with caplog.at_level(logging.WARNING, "holdfast"):
        assert NO_TELEMETRY is build_telemetry({"enabled": True, "content": False})
    (line,) = caplog.messages
    assert line == "telemetry failed in its setting up and is passed over: LookupError"
