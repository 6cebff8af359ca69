"""The manager's audit bus (seeds A1, A11; vector 21 of the study of upstream)."""

from __future__ import annotations

import asyncio
import logging

from holdfast.core.auditing import Severity, Vector
from holdfast.core.errors import HoldfastError
from holdfast.runtime.auditbus import AuditBus
from holdfast.runtime.manager import Core

_log = logging.getLogger("holdfast")
AGAIN_S = 5.0


class AuditService(Core):
    """Owns the audit bus; alerts are watched for where a bus was handed in."""

    _audit: AuditBus | None = None
    _own_bus: AuditBus | None = None

    @property
    def audit_bus(self) -> AuditBus:
        """The audit bus of the manager's first store: the one handed in, or one of its own."""
        bus = self._audit or self._own_bus
        if bus is None:
            bus = self._own_bus = AuditBus()
        if self.backends:
            bus.attach(self.distinct_backends()[0][1])
        return bus

    def start_watching(self) -> None:
        """Begin to watch, and to alert where a bus was handed in."""
        super().start_watching()
        bus = self.audit_bus  # made now, so that all views of the manager have this one
        if self._audit is not None:
            self._watchers.append(asyncio.create_task(self._watch_audit(bus)))

    async def _watch_audit(self, bus: AuditBus) -> None:
        while not self._closing:
            try:
                await bus.watch()
            except HoldfastError as error:
                _log.warning("the audit bus cannot read the log: %s", error.reason)
                await self.clock.sleep(AGAIN_S)

    def incident(
        self, severity: Severity, vector: Vector, kind: str, reason: str = "", session: str = ""
    ) -> None:
        """Tell the bus, and the program's log, of what no session's log can tell.

        Args:
            kind, reason: codes; the session is named to the bus only.
        """
        level = logging.ERROR if severity >= Severity.HIGH else logging.WARNING
        _log.log(level, "audit: %s (%s)", kind, reason or "no reason given")
        self.audit_bus.tell(
            severity, vector, kind, reason, now_ms=self.clock.now_ms(), session=session
        )
