"""Work that a cancellation waits for."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.adapters.tools.finish import undisturbed


def test_it_ends_before_the_cancellation_goes_on() -> None:
    """However often it is cancelled, the work is done first and the caller still ends."""

    async def run() -> list[str]:
        done: list[str] = []
        begun, go = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            await go.wait()
            done.append("worked")

        call = asyncio.ensure_future(undisturbed(work()))
        await begun.wait()
        for _ in range(3):
            call.cancel()
            await asyncio.sleep(0)
        assert not call.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        return done

    assert ["worked"] == asyncio.run(run())


def test_its_result_and_its_error_are_passed_on() -> None:
    """Undisturbed work is like awaiting it."""

    async def give(value: int) -> int:
        if value < 0:
            raise LookupError
        return value

    assert 7 == asyncio.run(undisturbed(give(7)))
    with pytest.raises(LookupError):
        asyncio.run(undisturbed(give(-1)))
