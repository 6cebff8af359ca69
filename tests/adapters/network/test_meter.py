"""The meter of a process."""

from __future__ import annotations

import asyncio

from holdfast.adapters.network.meter import Meter


def test_nothing_fits_after_what_did_not() -> None:
    """The limit is never passed, and reached once something did not fit."""

    async def work() -> None:
        meter = Meter()
        assert await meter.take(60, 100)
        assert not await meter.spent(100)
        assert not await meter.take(41, 100)
        assert await meter.spent(100)
        assert not await meter.take(1, 100)
        assert 100 == meter.used

    asyncio.run(work())


def test_without_a_limit_it_only_counts() -> None:
    """No limit is never reached; a limit of nothing always is."""

    async def work() -> None:
        meter = Meter()
        assert await meter.take(10**12, None)
        assert (10**12, False) == (meter.used, await meter.spent(None))
        assert await Meter().spent(0)

    asyncio.run(work())
