"""Confirmation policies as callers write them."""

from __future__ import annotations

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.core.tools import Lane
from holdfast.runtime.confirming import confirmation_of


def test_the_seeds_dictionary() -> None:
    """Its names and its values (seed D6)."""
    given = {
        "enabled": True,
        "default_timeout_ms": 30_500,
        "timeout_action": "AutoApprove",
        "yolo_lanes": ["Query", "Execute", "skill"],
    }
    expected = ConfirmationPolicy(
        attended_s=31,
        timeout_action=TimeoutAction.UNSAFE_AUTO_APPROVE,
        unsafe_auto_approve=(Lane.EXECUTE, Lane.GENERATE, Lane.QUERY),
    )
    assert expected == confirmation_of(given)


def test_our_own_fields() -> None:
    """The same names as the class has; a policy stands for itself."""
    given = {"unattended_s": 60, "critical": ["bash"], "quorum": 3, "timeout_action": "reject"}
    expected = ConfirmationPolicy(unattended_s=60, critical=("bash",), quorum=3)
    assert expected == confirmation_of(given)
    assert expected == confirmation_of(expected)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "enabled",
        {"nonsense": 1},
        {"enabled": "yes"},
        {"attended_s": True},
        {"attended_s": 1.5},
        {"default_timeout_ms": 0},
        {"default_timeout_ms": "30"},
        {"yolo_lanes": "query"},
        {"yolo_lanes": ["fast"]},
        {"critical": [1]},
        {"timeout_action": "approve"},
        {"timeout_action": 1},
        {"quorum": None},
    ],
)
def test_what_is_wrong_is_refused(given: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(InvalidInput):
        confirmation_of(given)
