"""Finishing what must be finished before a cancellation goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

STARTS_MAX = 3


async def undisturbed(work: Callable[[], Coroutine[object, object, None]]) -> None:
    """Do the work to its end even when the caller is cancelled, then pass that on.

    A loop that is shut down cancels all tasks, the one of the work included;
    then it is started again, so it must bear being done twice.
    """
    cancelled: asyncio.CancelledError | None = None
    for _ in range(STARTS_MAX):
        task = asyncio.ensure_future(work())
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                cancelled = error
        if not task.cancelled():
            break
    if cancelled is not None:
        raise cancelled
    task.result()
