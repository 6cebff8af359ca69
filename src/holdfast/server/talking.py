"""A message and its answer in one request: it never waits for a person, nor for ever."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from holdfast.runtime.config import AgentResult
from holdfast.runtime.handle import Session


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
    """Send a message; wait until its run ends, asks a person, or the time is up.

    The turn goes on whoever waits for it. The same id again pays nothing twice.

    Raises:
        HoldfastError: the message was refused, or the run ended without an answer.
    """
    events = session.stream(content, command_id=id, policy=policy, answers=False)
    try:
        async with asyncio.timeout(wait_s):
            async for event in events:
                if event.type == "confirmation_required":
                    number = event.data.get("question")
                    if isinstance(number, int) and await _open(session, number):
                        return Said(question=number)
    except TimeoutError:
        return Said()
    finally:
        await events.aclose()  # type: ignore[attr-defined]  # an async generator has it
    return Said(result=await session.generate(content, command_id=id, policy=policy))


async def _open(session: Session, number: int) -> bool:
    """Whether a question waits; a run that is read again may tell of one that does not."""
    return any(one.id == number for one in await session.questions())
