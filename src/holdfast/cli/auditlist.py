"""`holdfast audit list|alerts`: what of the log is worth an auditor's look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.output import note, print_json, table, when
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import InvalidInput

if TYPE_CHECKING:
    from holdfast.core.auditing import Alert, AuditEvent
    from holdfast.runtime.auditbus import AuditFilter

PAGE = 500
SessionOption = Annotated[str | None, typer.Option("--session", help="Only this session's.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", help="Not before this time, as 2026-01-31 or 2026-01-31T12:00:00."),
]
AfterOption = Annotated[
    int, typer.Option("--after", min=0, help="Go on from this cursor of an earlier page.")
]


def list_events(
    context: typer.Context,
    *,
    session: SessionOption = None,
    severity: Annotated[
        str, typer.Option("--severity", help="At least: info, warning, high or critical.")
    ] = "info",
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Only this kind; may be repeated.")
    ] = None,
    since: SinceOption = None,
    after: AfterOption = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 100,
) -> None:
    """List what guards refused, what was found and what changed, without any content."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    wanted = _filter(session, severity, kind, since)
    read = _list_there if options.server else _list
    found, cursor, goes_on = asyncio.run(read(options, wanted, after, limit))
    rows = [_as_data(one) for one in found]
    if options.json:
        print_json({"events": rows, "cursor": cursor, "more": goes_on})
        return
    headers = ["time", "severity", "session", "event", "vector", "kind", "reason", "count"]
    if rows:
        table(headers, [[str(row[name]) for name in headers] for row in rows])
    more = f"; more with --after {cursor}" if goes_on else ""
    note(f"{len(rows)} audit events{more}")


def alerts(
    context: typer.Context,
    *,
    session: SessionOption = None,
    since: SinceOption = None,
    after: AfterOption = 0,
) -> None:
    """List the alerts the log makes: critical events, and too many of a kind in a minute."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context, served=True)
    read = _alerts_there if options.server else _alerts
    found = asyncio.run(read(options, _filter(session, "info", None, since), after))
    rows: list[dict[str, object]] = [
        {**_as_data(one.event), "alert": one.kind, "count": one.count} for one in found
    ]
    if options.json:
        print_json({"alerts": rows})
        return
    headers = ["time", "alert", "severity", "session", "event", "kind", "reason", "count"]
    if rows:
        table(headers, [[str(row[name]) for name in headers] for row in rows])
    note(f"{len(rows)} alerts")


def _filter(
    session: str | None, severity: str, kinds: list[str] | None, since: str | None
) -> AuditFilter:
    # lazy: it loads the runtime.
    from holdfast.core.auditing import Severity
    from holdfast.runtime.auditbus import AuditFilter

    known = {one.word: one for one in Severity}
    if severity.lower() not in known:
        raise InvalidInput(f"the severities are {', '.join(known)}")
    return AuditFilter(
        session=session,
        min_severity=known[severity.lower()],
        kinds=frozenset(kinds or ()),
        since_ms=0 if since is None else _milliseconds(since),
    )


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no time; write 2026-01-31T12:00:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


async def _list(
    options: Options, wanted: AuditFilter, after: int, limit: int
) -> tuple[list[AuditEvent], int, bool]:
    async with opened(options) as manager:
        found, cursor = await manager.audit_bus.page(after, wanted, limit=limit)
        return found, cursor, cursor < await manager.audit_bus.end()


async def _list_there(
    options: Options, wanted: AuditFilter, after: int, limit: int
) -> tuple[list[AuditEvent], int, bool]:
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    found: list[AuditEvent] = []
    async with connected(options) as client:
        while True:
            page = await client.audit_events(
                session_id=wanted.session,
                severity=wanted.min_severity.word,
                kinds=sorted(wanted.kinds),
                since_ms=wanted.since_ms,
                after=after,
                limit=min(limit - len(found), PAGE),
            )
            found += page.events
            after = page.cursor
            if not page.more or len(found) >= limit:
                return found, after, page.more


async def _alerts_there(options: Options, wanted: AuditFilter, after: int) -> list[Alert]:
    # lazy: a server is rarely asked.
    from holdfast.cli.remote import connected

    found: list[Alert] = []
    async with connected(options) as client:
        while True:
            page = await client.audit_alerts(
                session_id=wanted.session, since_ms=wanted.since_ms, after=after, limit=PAGE
            )
            found += page.alerts
            after = page.cursor
            if not page.more:
                return found


async def _alerts(options: Options, wanted: AuditFilter, after: int) -> list[Alert]:
    async with opened(options) as manager:
        return [one async for one in manager.audit_bus.replayed(wanted, after)]


def _as_data(event: AuditEvent) -> dict[str, object]:
    mark = event.mark
    return {
        "cursor": event.cursor,
        "time": when(event.time_ms // 1000),
        "time_ms": event.time_ms,
        "severity": mark.severity.word,
        "vector": mark.vector.value,
        "session": event.session,
        "event": event.version,
        "kind": mark.kind,
        "reason": mark.reason,
        "count": mark.count,
    }
