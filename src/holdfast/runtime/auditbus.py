"""The audit bus: a filtered subscription to the log of all sessions (contract §5.9).

Rules
- The log is the truth: whoever subscribes reads the commit-ordered feed from a cursor
  on, at his own pace, and misses nothing however slow he is. Nothing is buffered.
- An event is opened only where its kind can mean something; of what is opened only
  codes and numbers go on. What cannot be opened, though nobody wiped it, is critical.
- What happens where there is no log to write to (a session that is gone, an enclave
  that is refused, a place of checkpoints that fails) is told live and kept nowhere
  else; of those the latest `INCIDENTS_MAX` are kept in memory.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from holdfast.core.auditing import (
    READ,
    Alert,
    AlertRules,
    Alerts,
    AuditEvent,
    Mark,
    Severity,
    Vector,
    code_of,
    marks_of,
)
from holdfast.core.errors import (
    HoldfastError,
    InvalidInput,
    KeyDestroyed,
    KeyMissing,
    NewerProgram,
    Unavailable,
)
from holdfast.core.events import TYPE_OF
from holdfast.ports.store import FeedEvent, Store
from holdfast.runtime.backend import Backend
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.journal import Journal

_log = logging.getLogger("holdfast")

PAGE = 200
POLL_S = 0.25
INCIDENTS_MAX = 256
ALERTS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which audit events are wanted; the default is all.

    Args:
        session: only this session, by its id.
        min_severity: at least so severe.
        vectors, kinds: one of these; none means any.
        since_ms: not before, milliseconds since 1970.
    """

    session: str | None = None
    min_severity: Severity = Severity.INFO
    vectors: frozenset[Vector] = frozenset()
    kinds: frozenset[str] = frozenset()
    since_ms: int = 0

    def wants(self, event: AuditEvent) -> bool:
        """Whether an event is one of them."""
        mark = event.mark
        return (
            mark.severity >= self.min_severity
            and event.time_ms >= self.since_ms
            and (not self.vectors or mark.vector in self.vectors)
            and (not self.kinds or mark.kind in self.kinds)
            and (self.session is None or event.session.casefold() == self.session.casefold())
        )


ANY = AuditFilter()
Sees = Callable[[int], Awaitable[bool]]


def _keep_quiet(alert: Alert) -> None:
    """Tell nobody; an alert is logged and kept all the same."""


class AuditBus:
    """Reads the log for auditors and alerts. One manager's own; see the module.

    Args:
        rules: when to alert.
        on_alert: told of each alert as it is made, on the event loop; what it raises is
            logged by its type.
    """

    def __init__(
        self,
        rules: AlertRules | None = None,
        *,
        on_alert: Callable[[Alert], None] = _keep_quiet,
    ) -> None:
        self._alerts = Alerts(rules or AlertRules())
        self._rules = rules or AlertRules()
        self._on_alert = on_alert
        self._incidents: deque[tuple[int, AuditEvent]] = deque(maxlen=INCIDENTS_MAX)
        self._told = 0
        self._heard = 0
        self._seen: int | None = None
        self._backend: Backend | None = None
        self.recent: deque[Alert] = deque(maxlen=ALERTS_MAX)

    def attach(self, backend: Backend) -> None:
        """Read this store from now on; a bus is one manager's.

        Raises:
            InvalidInput: it reads another one.
        """
        if self._backend is not None and self._backend is not backend:
            raise InvalidInput("an audit bus is one manager's: make another one")
        self._backend = backend

    @property
    def store(self) -> Store:
        """The store that it reads.

        Raises:
            InvalidInput: it has none yet.
        """
        return self._store().store

    def _store(self) -> Backend:
        if self._backend is None:
            raise InvalidInput("the audit bus has no store: give it to a manager and open that")
        return self._backend

    # --- reading -------------------------------------------------------------------

    async def page(
        self,
        after: int = 0,
        wanted: AuditFilter = ANY,
        *,
        limit: int = 100,
        until: int | None = None,
        sees: Sees | None = None,
    ) -> tuple[list[AuditEvent], int]:
        """Read audit events of the log after a cursor, in the order of their commits.

        Args:
            until: the last cursor that is looked at; default: the log's end.
            sees: whether events of a stream may be read; default: all.

        Returns:
            at most `limit` events and those of the same place as the last, and the cursor
            to go on from; the log has no more if that is where its feed ends.
        """
        found: list[AuditEvent] = []
        end = await self.end()
        while after < (end if until is None else min(end, until)) and len(found) < limit:
            rows = await self._store().store.events_since(after, PAGE)
            if not rows:
                break
            for row in rows:
                if until is not None and row.cursor > until:
                    return found, until
                if _may_matter(row) and (sees is None or await sees(row.stream)):
                    found += [one for one in await self._opened(row) if wanted.wants(one)]
                after = row.cursor
                if len(found) >= limit:
                    break
        return found, after

    async def end(self) -> int:
        """The newest cursor of the log."""
        return await self._store().store.feed_end()

    @property
    def rules(self) -> AlertRules:
        """When it alerts."""
        return self._rules

    def incidents(self) -> tuple[AuditEvent, ...]:
        """The latest of what was told live, which no log has, oldest first."""
        return tuple(event for _, event in self._incidents)

    async def events(
        self, after: int | None = None, wanted: AuditFilter = ANY
    ) -> AsyncIterator[AuditEvent]:
        """Follow the log, and what is told live, without an end.

        Args:
            after: the cursor to go on from; default: from now on.
        """
        cursor = await self._store().store.feed_end() if after is None else after
        async for event in self._follow(cursor, wanted, self._told):
            yield event

    async def _follow(
        self, cursor: int, wanted: AuditFilter, told: int
    ) -> AsyncIterator[AuditEvent]:
        """Follow the log from a cursor on, and what is told live after so many."""
        while True:
            found, cursor = await self.page(cursor, wanted)
            live = [(number, one) for number, one in self._incidents if number > told]
            told = self._told
            for event in (*found, *(one for _, one in live if wanted.wants(one))):
                yield event
            if not found and not live:
                await self._store().clock.sleep(POLL_S)

    async def replayed(self, wanted: AuditFilter = ANY, after: int = 0) -> AsyncIterator[Alert]:
        """The alerts that the log makes from a cursor on, up to where it stands now."""
        alerts = Alerts(self._rules)
        end = await self._store().store.feed_end()
        while after < end:
            found, after = await self.page(after, wanted)
            for event in found:
                alert = alerts.take(event)
                if alert is not None:
                    yield alert

    async def _opened(self, row: FeedEvent) -> list[AuditEvent]:
        try:
            marks = await self._marks(row)
        except KeyDestroyed:
            return []
        except NewerProgram:
            marks = (_told(Severity.WARNING, Vector.AUDIT, "unknown_event"),)
        except KeyMissing:
            marks = (_told(Severity.CRITICAL, Vector.AUDIT, "key_missing"),)
        except Unavailable:
            raise
        except HoldfastError as error:
            marks = (_told(Severity.CRITICAL, Vector.AUDIT, "unreadable", error.reason),)
        if not marks:
            return []
        session = await self._name(row.stream)
        return [
            AuditEvent(
                cursor=row.cursor,
                session=session,
                stream=row.stream,
                version=row.event.version,
                time_ms=row.event.time_ms,
                mark=mark,
            )
            for mark in marks
        ]

    async def _marks(self, row: FeedEvent) -> tuple[Mark, ...]:
        backend = self._store()
        crypto: Crypto | None = None
        if row.event.key_id != 0:
            crypto = Crypto(backend.keys.session_key(row.stream), backend.clock.random_bytes)
        journal = Journal(
            store=backend.store,
            keys=backend.keys,
            clock=backend.clock,
            stream=row.stream,
            crypto=crypto,
        )
        try:
            return marks_of((await journal.open(row.event)).event)
        finally:
            if crypto is not None:
                crypto.wipe()

    async def _name(self, stream: int) -> str:
        found = await self._store().store.stream_row(stream)
        return (found.name if found else None) or f"stream-{stream:016x}"

    # --- telling and alerting ------------------------------------------------------

    def tell(
        self,
        severity: Severity,
        vector: Vector,
        kind: str,
        reason: str = "",
        *,
        now_ms: int,
        session: str = "",
    ) -> None:
        """Tell of what there is no log to write to; see the module.

        Args:
            session: the session it is about, or "" for none.
            now_ms: milliseconds since 1970.
        """
        mark = _told(severity, vector, kind, reason)
        event = AuditEvent(
            cursor=0, session=session, stream=0, version=0, time_ms=now_ms, mark=mark
        )
        self._told += 1
        self._incidents.append((self._told, event))

    async def watch(self) -> None:
        """Alert of what happens from now on, until cancelled; a second call goes on."""
        if self._seen is None:
            self._seen = await self._store().store.feed_end()
        async for event in self._follow(self._seen, ANY, self._heard):
            if event.cursor:
                self._seen = event.cursor
            else:
                self._heard = self._told
            alert = self._alerts.take(event)
            if alert is not None:
                self._alert(alert)

    def _alert(self, alert: Alert) -> None:
        mark = alert.event.mark
        _log.warning("audit alert: %s: %s %s", alert.kind, mark.kind, mark.reason)
        self.recent.append(alert)
        try:
            self._on_alert(alert)
        except Exception as error:  # an alert that cannot be told ends no watching
            _log.error("an audit alert was not told: %s", type(error).__name__)


def _may_matter(row: FeedEvent) -> bool:
    """Whether an event has to be opened to know what it means."""
    return row.event.kind in READ or row.event.kind not in TYPE_OF


def _told(severity: Severity, vector: Vector, kind: str, reason: str = "") -> Mark:
    return Mark(severity=severity, vector=vector, kind=code_of(kind), reason=code_of(reason))
