"""The meter of a session."""

from __future__ import annotations

from holdfast.adapters.network.meter import Meter


def test_nothing_fits_after_what_did_not() -> None:
    """The limit is never passed, and reached once something did not fit."""
    meter = Meter()
    assert meter.take(60, 100)
    assert not meter.spent(100)
    assert not meter.take(41, 100)
    assert meter.spent(100)
    assert not meter.take(1, 100)
    assert 100 == meter.used


def test_without_a_limit_it_only_counts() -> None:
    """No limit is never reached; a limit of nothing always is."""
    meter = Meter()
    assert meter.take(10**12, None)
    assert (10**12, False) == (meter.used, meter.spent(None))
    assert Meter().spent(0)
