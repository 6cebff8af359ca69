"""What telemetry there is: OpenTelemetry's if it is installed and wanted, else none."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry


def build_telemetry(values: Mapping[str, object]) -> Telemetry:
    """Make the telemetry of a manager.

    Args:
        values: `enabled` and `content` of the section `telemetry`.
    """
    if not values["enabled"]:
        return NO_TELEMETRY
    try:
        # lazy: it is an optional part.
        from holdfast.adapters.telemetry.otel import OpenTelemetry
    except ImportError:
        return NO_TELEMETRY
    return OpenTelemetry(content=bool(values["content"]))


def carry_trace(headers: MutableMapping[str, str]) -> None:
    """Write the current W3C trace context, if there is one, into a request's headers."""
    try:
        # lazy: it is an optional part.
        from holdfast.adapters.telemetry.otel import carry
    except ImportError:
        return
    carry(headers)
