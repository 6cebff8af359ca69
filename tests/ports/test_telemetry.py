"""Telemetry that tells nobody."""

from __future__ import annotations

import asyncio

from holdfast.ports.telemetry import NO_SPAN, NO_TELEMETRY, Kind


def test_nobody_is_told_anything() -> None:
    """Everything is taken, and nothing comes of it."""
    span = NO_TELEMETRY.start("a", Kind.SERVER, {"b": 1}, object(), since_ns=1)
    assert span is NO_SPAN
    with NO_TELEMETRY.within(span.trace):
        span.note({"c": "d"}, name="e")
        span.end("f")
    NO_TELEMETRY.measure("g", 1.0, {})
    assert (None, None, None) == (
        span.trace,
        NO_TELEMETRY.current(),
        NO_TELEMETRY.incoming({"traceparent": "h"}),
    )
    assert not NO_TELEMETRY.content
    asyncio.run(NO_TELEMETRY.flush())
    assert 0 == NO_TELEMETRY.lost
