"""Telemetry is OpenTelemetry's where it is installed and wanted."""

from __future__ import annotations

import sys

import pytest

from holdfast.adapters.telemetry.factory import build_telemetry, carry_trace
from holdfast.adapters.telemetry.otel import OpenTelemetry
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
