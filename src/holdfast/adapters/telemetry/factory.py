"""What telemetry there is: OpenTelemetry's if it is installed and wanted, else none."""

from __future__ import annotations

import math
from collections.abc import Mapping, MutableMapping

from holdfast.ports.quiet import Quiet
from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry

_quiet = Quiet(math.inf)  # importing takes what it takes


def build_telemetry(values: Mapping[str, object]) -> Telemetry:
    """Make the telemetry of a manager; what cannot be made is none, and the log says so.

    Args:
        values: `enabled` and `content` of the section `telemetry`.
    """
    if not values["enabled"]:
        return NO_TELEMETRY
    content = bool(values["content"])
    return _quiet.call("its setting up", NO_TELEMETRY, lambda: _open_telemetry(content))


def _open_telemetry(content: bool) -> Telemetry:
    try:
        # lazy: it is an optional part.
        from holdfast.adapters.telemetry.otel import OpenTelemetry
    except ImportError:
        return NO_TELEMETRY
    return OpenTelemetry(content=content)


def carry_trace(headers: MutableMapping[str, str]) -> None:
    """Write the current W3C trace context, if there is one, into a request's headers."""
    _quiet.call("carry", None, lambda: _carry(headers))


def _carry(headers: MutableMapping[str, str]) -> None:
    try:
        # lazy: it is an optional part.
        from holdfast.adapters.telemetry.otel import carry
    except ImportError:
        return
    carry(headers)
