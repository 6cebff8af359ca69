"""A message and its answer in one request: it never waits for a person, nor for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from holdfast.runtime.config import AgentResult
from holdfast.runtime.handle import Session
from holdfast.runtime.stream import StreamEvent

LOOK_S = 0.5
"""After how long without an event it is looked whether somebody else's turn waits."""


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a message.

    Args:
        result: of the run, if it has ended.
        question: number of the question it waits for, or 0.
    """

    result: AgentResult | None = None
    question: int = 0


async def converse(
    session: Session, content: str, *, id: bytes, policy: str | None = None, wait_s: float
) -> Said:
    """Send a message; wait until its run ends, a person is asked, or the time is up.

    The turn goes on whoever waits for it. The same id again pays nothing twice. A message
    that stands behind a turn which waits for a person waits for that person, too.

    Raises:
        HoldfastError: the message was refused, or the run ended without an answer.
    """
    events = session.stream(content, command_id=id, policy=policy, answers=False)
    try:
        async with asyncio.timeout(wait_s):
            asked = await _asked(session, events)
    except TimeoutError:
        return Said()
    finally:
        await events.aclose()  # type: ignore[attr-defined]  # an async generator has it
    if asked:
        return Said(question=asked)
    return Said(result=await session.generate(content, command_id=id, policy=policy))


async def _asked(session: Session, events: AsyncIterator[StreamEvent]) -> int:
    """Read a run's events to its end, or to a question that waits; its number, or 0."""
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=LOOK_S)
            if not upcoming.done():
                waiting = await session.questions()
                if waiting:
                    return waiting[0].id
                continue
            event = upcoming.result()
            if event is None:
                return 0
            if event.type == "confirmation_required":
                number = event.data.get("question")
                if isinstance(number, int) and await _open(session, number):
                    return number
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()
        await asyncio.wait({upcoming})
        if not upcoming.cancelled():
            upcoming.exception()  # looked at, so that it is no warning


async def _open(session: Session, number: int) -> bool:
    """Whether a question waits; a run that is read again may tell of one that does not."""
    return any(one.id == number for one in await session.questions())
