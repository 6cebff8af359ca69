"""Pages of the audit log as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from holdfast.core.auditpages import AlertPage, AuditPage, AuditStats


def test_they_are_values() -> None:
    """Equal by what they hold, and not to be changed."""
    page = AuditPage(events=(), cursor=1, more=True)
    assert page == AuditPage(events=(), cursor=1, more=True)
    assert () == AlertPage(alerts=(), cursor=0, more=False).incidents
    stats = AuditStats(total=0, by_severity={}, by_vector={}, cursor=0, more=False)
    for value in (page, stats):
        with pytest.raises(FrozenInstanceError):
            value.cursor = 2  # type: ignore[misc]  # what is tried
