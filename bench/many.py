"""10,000 sessions of 100 messages: listing, reading any one, memory after touching all.

Touching a session means leading it: `get_session`, its engine started, its window
read. The manager gives up engines that were idle for a second.
"""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from common import median, pick, report, rss_mb, scratch
from sessions import Writer, backend, manager

from holdfast.core.events import Admitted
from holdfast.core.messages import Message, Role, Text, estimate_tokens

MESSAGES = 100
IDLE_S = 1.0


async def build(directory: Path, sessions: int) -> None:
    """Make the sessions, 64 at a time."""
    text = "A short message of a chat, about a hundred characters, as people write them to others."

    async with backend(directory) as found:

        async def one(number: int) -> None:
            writer = await Writer.create(found, f"s{number:05}")
            events = []
            for place in range(MESSAGES):
                role = Role.ASSISTANT if place % 2 else Role.USER
                message = Message(role, (Text(f"{place}: {text}"),))
                tokens = estimate_tokens(message)
                events.append(Admitted(message=message, tokens=tokens, turn=False))
            await writer.append(events)

        for start in range(0, sessions, 64):
            await asyncio.gather(*(one(n) for n in range(start, min(start + 64, sessions))))


async def measure(directory: Path, sessions: int) -> None:
    """Take the figures over the public API."""
    before = rss_mb()
    async with manager(directory, idle_s=IDLE_S) as found:
        await found.list_sessions(limit=100)
        pages = []
        for _ in range(50):
            started = time.perf_counter()
            page = await found.list_sessions(limit=100)
            pages.append((time.perf_counter() - started) * 1000)
        assert len(page.sessions) == 100, "a full page"
        report("list the first page of 100, p50", median(pages), "ms", at_most=5)
        chosen = random.Random(1).sample(range(sessions), pick(500, 200))  # noqa: S311  # a sample
        reads = []
        for number in chosen:
            started = time.perf_counter()
            session = await found.get_session(f"s{number:05}")
            history = await session.history()
            reads.append((time.perf_counter() - started) * 1000)
            assert len(history) == MESSAGES, "the whole session"
        report("read any session of 100 messages, p50", median(reads), "ms", at_most=3)
        for number in range(sessions):
            session = await found.get_session(f"s{number:05}")
            await found.engine(session.where)
        await asyncio.sleep(IDLE_S * 2)
        report(
            f"memory after touching {sessions:,} sessions",
            rss_mb(),
            "MB",
            at_most=200,
            against=f"{before:.0f} MB before opening",
        )


def main() -> None:
    """Take all figures of many sessions."""
    sessions = pick(10_000, 1_000)
    with scratch() as directory:
        asyncio.run(build(directory, sessions))
        asyncio.run(measure(directory, sessions))


if __name__ == "__main__":
    main()
