"""The taints port."""

from __future__ import annotations

from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint


def test_a_value_can_be_overwritten() -> None:
    """The value is held in a buffer, so that who handed it over can wipe it."""
    taint = Taint(id="00", kind="password", level=Sensitivity.CRITICAL, value=bytearray(b"hunter2"))
    taint.value[:] = bytes(len(taint.value))
    assert bytearray(7) == taint.value
