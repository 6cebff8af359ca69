"""What the shell found in a text, as events keep it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from holdfast.core.findings import Threat
from holdfast.core.inspection import NOTHING, Inspected
from holdfast.core.labels import Sensitivity


def test_nothing_found_is_ordinary_and_clean() -> None:
    """Looked at, and nothing there: of the ordinary level, not a public one."""
    assert Inspected() == NOTHING
    assert (Sensitivity.NORMAL, Threat.CLEAN, 0) == (NOTHING.level, NOTHING.threat, NOTHING.score)
    assert () == NOTHING.names


def test_names_are_the_kinds_alone() -> None:
    """Without how many values of them were new."""
    assert ("email", "phone") == Inspected(kinds=(("email", 2), ("phone", 0))).names


def test_a_finding_is_not_changed() -> None:
    """What is on record stays as it is."""
    with pytest.raises(FrozenInstanceError):
        NOTHING.score = 9  # type: ignore[misc]  # that it is refused is the fact
