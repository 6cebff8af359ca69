"""The audit log out of a server's JSON."""

from __future__ import annotations

from holdfast.client.decode import member, read, read_list
from holdfast.core.auditing import Alert, AuditEvent, Mark, Severity, Vector
from holdfast.core.auditpages import AlertPage, AuditPage, AuditStats
from holdfast.core.errors import BadAnswer

_SEVERITIES = {one.word: one for one in Severity}


def page_of(value: object) -> AuditPage:
    """A page of audit events.

    Raises:
        BadAnswer: it is not one.
    """
    events = tuple(event_of(one) for one in read_list(dict, member(value, "events")))
    return AuditPage(events=events, cursor=_count(value, "cursor"), more=_more(value))


def stats_of(value: object) -> AuditStats:
    """Counts of audit events.

    Raises:
        BadAnswer: it is not that.
    """
    return AuditStats(
        total=_count(value, "total"),
        by_severity=read(dict[str, int], member(value, "by_severity")),
        by_vector=read(dict[str, int], member(value, "by_vector")),
        cursor=_count(value, "cursor"),
        more=_more(value),
    )


def alerts_of(value: object) -> AlertPage:
    """A page of alerts.

    Raises:
        BadAnswer: it is not one.
    """
    alerts = [
        Alert(
            kind=read(str, member(one, "kind")),
            event=event_of(member(one, "event")),
            count=_count(one, "count"),
        )
        for one in read_list(dict, member(value, "alerts"))
    ]
    return AlertPage(
        alerts=tuple(alerts),
        cursor=_count(value, "cursor"),
        more=_more(value),
        incidents=tuple(event_of(one) for one in read_list(dict, member(value, "incidents"))),
    )


def event_of(value: object) -> AuditEvent:
    """An audit event.

    Raises:
        BadAnswer: it is not one.
    """
    severity = _SEVERITIES.get(read(str, member(value, "severity")))
    if severity is None:
        raise BadAnswer("the server's answer has a severity that is not known here")
    mark = Mark(
        severity=severity,
        vector=read(Vector, member(value, "vector")),
        kind=read(str, member(value, "kind")),
        reason=read(str, member(value, "reason")),
        count=_count(value, "count"),
    )
    stream, _, _ = read(str, member(value, "id")).partition("/")
    try:
        number = int(stream, 16)
    except ValueError:
        raise BadAnswer("the server's answer has an event without its place") from None
    return AuditEvent(
        cursor=_count(value, "cursor"),
        session=read(str, member(value, "session_id")),
        stream=number,
        version=_count(value, "event"),
        time_ms=_count(value, "time_ms"),
        mark=mark,
    )


def _count(value: object, name: str) -> int:
    return read(int, member(value, name))


def _more(value: object) -> bool:
    return read(bool, member(value, "more"))
