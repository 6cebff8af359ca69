"""Levels of kinds."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.kinds import LEVELS, level_of
from holdfast.core.labels import Sensitivity


@pytest.mark.parametrize(
    ("kind", "level"),
    [("email", "SENSITIVE"), ("phone", "SENSITIVE"), ("date_of_birth", "SENSITIVE"),
     ("credit_card", "HIGHLY_SENSITIVE"), ("ssn", "HIGHLY_SENSITIVE"),
     ("api_key", "HIGHLY_SENSITIVE"), ("password", "CRITICAL"), ("private_key", "CRITICAL"),
     ("medical", "CRITICAL"), ("url", "NORMAL"), ("never heard of", "HIGHLY_SENSITIVE")],
)  # fmt: skip
def test_a_kind_has_its_level(kind: str, level: str) -> None:
    """Reaching a person, opening an account, harming at once; unknown is high."""
    assert Sensitivity[level] == level_of(kind)


def test_no_kind_is_public() -> None:
    """What is found is never less than ordinary."""
    assert [] == [kind for kind, level in LEVELS.items() if level < Sensitivity.NORMAL]
