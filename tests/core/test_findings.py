"""What detectors report."""

from __future__ import annotations

from holdfast.core.findings import CLEAN, NOTHING, Threat
from holdfast.core.labels import Sensitivity


def test_nothing_found_is_ordinary_and_clean() -> None:
    """A text in which nothing is found is of the ordinary level, not a public one."""
    assert Sensitivity.NORMAL == NOTHING.level
    assert ((), ()) == (NOTHING.findings, NOTHING.weak)
    assert (Threat.CLEAN, 0.0, ()) == (CLEAN.threat, CLEAN.score, CLEAN.evidence)
