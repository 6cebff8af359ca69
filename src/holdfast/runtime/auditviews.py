"""The audit log page by page, as far as whoever asks may see it (seed A11).

- The program itself and an administrator of all workspaces see the whole log. Others see
  the sessions of their workspace; of a session that was wiped nobody knows any more whose
  it was, so that only the former see what is left of it.
- Who is bound to a session names one; a foreign session is not found.
- A page looks at a stretch of the log and no further, however little it finds there: what
  it costs does not depend on how long the log is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from holdfast.core.auditing import Alert, Alerts, Severity, Vector
from holdfast.core.auditpages import EVENTS_MAX, AlertPage, AuditPage, AuditStats
from holdfast.core.errors import InvalidInput
from holdfast.runtime.audit_service import AuditService
from holdfast.runtime.auditbus import AuditFilter, Sees

STRETCH = 2000
"""How many events of the log one page looks at."""

CURSOR_MAX = 2**53
BEFORE = 1000
"""How many events before a page its alerts are counted from: what happened too often just
before and goes on behind the cursor is one alert, whoever turns the page when."""


class AuditViews(AuditService):
    """Reads of the audit log; see the module."""

    async def audit_events(
        self,
        *,
        session_id: str | None = None,
        severity: str = "info",
        vectors: Iterable[str] = (),
        kinds: Iterable[str] = (),
        since_ms: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> AuditPage:
        """Audit events after a cursor, in the order of the log.

        Args:
            session_id: only this session's.
            severity: at least info, warning, high or critical.
            vectors, kinds: only these; none is any.
            since_ms: not before, milliseconds since 1970.
            limit: 1 to 500.

        Raises:
            SessionNotFound: there is no such session.
            ScopeDenied: whoever asks has to name a session.
            InvalidInput: a value is none.
        """
        wanted = _filter(severity, vectors, kinds, since_ms)
        _check(after, limit)
        sees = await self._sees(session_id)
        bus = self.audit_bus
        found, cursor = await bus.page(after, wanted, limit=limit, until=after + STRETCH, sees=sees)
        return AuditPage(events=tuple(found), cursor=cursor, more=cursor < await bus.end())

    async def audit_stats(
        self,
        *,
        session_id: str | None = None,
        severity: str = "info",
        vectors: Iterable[str] = (),
        kinds: Iterable[str] = (),
        since_ms: int = 0,
        after: int = 0,
    ) -> AuditStats:
        """Count audit events of a stretch of the log; arguments as of `audit_events`."""
        wanted = _filter(severity, vectors, kinds, since_ms)
        _check(after, 1)
        sees = await self._sees(session_id)
        bus, cursor = self.audit_bus, after
        severities: Counter[str] = Counter({one.word: 0 for one in Severity})
        by_vector: Counter[str] = Counter()
        end = min(await bus.end(), after + STRETCH)
        while cursor < end:
            found, cursor = await bus.page(cursor, wanted, limit=EVENTS_MAX, until=end, sees=sees)
            severities.update(one.mark.severity.word for one in found)
            by_vector.update(one.mark.vector.value for one in found)
        return AuditStats(
            total=severities.total(),
            by_severity=dict(severities),
            by_vector=dict(sorted(by_vector.items())),
            cursor=cursor,
            more=cursor < await bus.end(),
        )

    async def audit_alerts(
        self,
        *,
        session_id: str | None = None,
        since_ms: int = 0,
        after: int = 0,
        limit: int = 100,
    ) -> AlertPage:
        """The alerts that the log makes after a cursor; arguments as of `audit_events`.

        They are made of what whoever asks may see. `limit` is where the page ends; what
        was read by then is told whole.
        """
        wanted = _filter("info", (), (), since_ms)
        _check(after, limit)
        sees = await self._sees(session_id)
        bus = self.audit_bus
        alerts = Alerts(bus.rules)
        found: list[Alert] = []
        cursor, end = max(0, after - BEFORE), min(await bus.end(), after + STRETCH)
        while cursor < end and len(found) < limit:
            events, cursor = await bus.page(cursor, wanted, limit=EVENTS_MAX, until=end, sees=sees)
            for event in events:
                alert = alerts.take(event)
                if alert is not None and event.cursor > after:
                    found.append(alert)
        whole = sees is None
        return AlertPage(
            alerts=tuple(found),
            cursor=max(cursor, after),
            more=cursor < await bus.end(),
            incidents=bus.incidents() if whole else (),
        )

    async def _sees(self, session_id: str | None) -> Sees | None:
        """Which streams' events may be read; None is all.

        Raises:
            SessionNotFound: there is no such session.
        """
        await self.ready()
        if session_id is None:
            return None
        stream = (await self.locate(session_id)).stream

        async def mine(other: int) -> bool:
            return other == stream

        return mine


def _filter(
    severity: str, vectors: Iterable[str], kinds: Iterable[str], since_ms: int
) -> AuditFilter:
    levels = {one.word: one for one in Severity}
    if not isinstance(severity, str) or severity.lower() not in levels:
        raise InvalidInput(f"the severities are {', '.join(levels)}")
    try:
        chosen = frozenset(Vector(one) for one in vectors)
    except ValueError:
        raise InvalidInput(f"the vectors are {', '.join(Vector)}") from None
    if isinstance(since_ms, bool) or not isinstance(since_ms, int):
        raise InvalidInput("since_ms is a whole number of milliseconds")
    return AuditFilter(
        min_severity=levels[severity.lower()],
        vectors=chosen,
        kinds=frozenset(kinds),
        since_ms=since_ms,
    )


def _check(after: int, limit: int) -> None:
    for name, value in (("a cursor", after), ("limit", limit)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"{name} is a whole number")
    if not 0 <= after <= CURSOR_MAX:
        raise InvalidInput("a cursor is 0, or one of an earlier page")
    if not 1 <= limit <= EVENTS_MAX:
        raise InvalidInput(f"limit is 1 to {EVENTS_MAX}")
