"""How long an engine has led a session and whether it still may."""

from __future__ import annotations

from holdfast.ports.clock import SystemClock
from holdfast.ports.store import Lease
from holdfast.runtime.tenure import Tenure


class Stopwatch(SystemClock):
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def monotonic(self) -> float:
        """The time it was set to."""
        return self.at


def _tenure(clock: Stopwatch, grace_s: float = 0.0, margin_s: float | None = None) -> Tenure:
    lease = Lease(stream=1, epoch=1, version=0, head=b"", grace_s=grace_s, margin_s=margin_s)
    return Tenure(lease, clock)


def test_a_lease_without_a_margin_lasts() -> None:
    """It is good for as long as the process lives, and nobody else can be acting."""
    clock = Stopwatch()
    tenure = _tenure(clock)
    clock.at += 1e6
    assert (True, True) == (tenure.margin_ok, tenure.grace_over)


def test_a_margin_runs_out() -> None:
    """After it, nothing new is started."""
    clock = Stopwatch()
    tenure = _tenure(clock, margin_s=10)
    clock.at += 9.9
    assert tenure.margin_ok
    clock.at += 0.2
    assert not tenure.margin_ok


def test_a_former_holder_has_its_grace() -> None:
    """Before it is over, nobody is asked about what it may still be doing."""
    clock = Stopwatch()
    tenure = _tenure(clock, grace_s=30)
    assert not tenure.grace_over
    clock.at += 30
    assert (30, True) == (tenure.grace_s, tenure.grace_over)
