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

        call = asyncio.ensure_future(undisturbed(work))
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


def test_a_loop_that_is_shut_down_does_not_lose_it() -> None:
    """When all tasks are cancelled, the work's own included, it is done again."""
    done: list[str] = []

    async def run() -> None:
        async def work() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            done.append("worked")

        task = asyncio.ensure_future(undisturbed(work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 3 == len(asyncio.all_tasks())
        assert not task.done()

    asyncio.run(run())
    assert ["worked"] == done


def test_its_error_is_passed_on() -> None:
    """What the work raises reaches the caller."""

    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(undisturbed(fail))
