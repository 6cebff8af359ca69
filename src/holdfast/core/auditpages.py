"""Pages of the audit log: what a reader gets at once, and where to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.core.auditing import Alert, AuditEvent

EVENTS_MAX = 500
"""The most events, or alerts, of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Audit events in the order of the log.

    Args:
        cursor: where to go on from.
        more: the log goes on behind it; a page may have no events all the same.
    """

    events: tuple[AuditEvent, ...]
    cursor: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStats:
    """How many audit events there are in a stretch of the log.

    Args:
        by_severity, by_vector: by the name of each; all severities are named.
        cursor, more: as of `AuditPage`.
    """

    total: int
    by_severity: Mapping[str, int]
    by_vector: Mapping[str, int]
    cursor: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """The alerts that a stretch of the log makes.

    Args:
        incidents: what there is no log to write to, the latest of this process; only for
            who sees the whole installation.
        cursor, more: as of `AuditPage`.
    """

    alerts: tuple[Alert, ...]
    cursor: int
    more: bool
    incidents: tuple[AuditEvent, ...] = field(default=())
