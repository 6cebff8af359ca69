"""A session's facts from its fold."""

from __future__ import annotations

from holdfast.core.labels import Sensitivity
from holdfast.core.view import SessionView
from holdfast.runtime.infos import info_of, sensitivity_name


def test_sensitivities_are_spelled_as_the_seeds_do() -> None:
    """One word each, also for HighlySensitive."""
    names = [sensitivity_name(int(one)) for one in Sensitivity]
    assert ["Public", "Normal", "Sensitive", "HighlySensitive", "Critical"] == names


def test_times_are_seconds_and_metadata_is_read() -> None:
    """Milliseconds of the fold become epoch seconds."""
    view = SessionView(session_id="s", created_ms=12_999, updated_ms=13_000)
    info = info_of(view)
    assert ("s", 12, 13, {}) == (info.id, info.created_at, info.updated_at, dict(info.metadata))
