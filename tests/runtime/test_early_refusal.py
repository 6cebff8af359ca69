"""A message that is refused before its stream has begun to listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from holdfast.core.errors import NotNow
from holdfast.runtime.handle import _run_of
from holdfast.runtime.host import Handled
from holdfast.runtime.stream import StreamEvent


class SilentFeed:
    """A feed in which nothing ever happens."""

    async def events(self) -> AsyncIterator[StreamEvent]:
        """Wait for ever."""
        await asyncio.Event().wait()
        yield


def test_a_refusal_that_came_first_is_raised() -> None:
    """The stream does not wait for events of a run that never begins."""

    async def listen() -> None:
        sending: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
        sending.set_exception(NotNow("paused"))
        async with asyncio.timeout(5):
            async for _ in _run_of(SilentFeed(), sending, "00"):
                raise AssertionError("there is no event")

    with pytest.raises(NotNow):
        asyncio.run(listen())
