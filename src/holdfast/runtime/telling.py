"""Whom a manager tells of what it does: set in one place, and guarded there."""

from __future__ import annotations

from holdfast.ports.quiet import quiet
from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry


class Telling:
    """What a manager does with its telemetry."""

    _telemetry: Telemetry = NO_TELEMETRY

    @property
    def telemetry(self) -> Telemetry:
        """Whom requests, runs and calls are told to; what is set here fails nobody."""
        return self._telemetry

    @telemetry.setter
    def telemetry(self, telemetry: Telemetry) -> None:
        self._telemetry = quiet(telemetry)
