"""What the peers' scripts share; runs in the peers' environment, without Holdfast.

A peer's script is called with a scratch directory and sizes, takes two figures
and prints one JSON object:

    append_128   messages per second, 128 sessions at once, one durable write each
    turn_ms      ms of every turn with one tool call, in order

The model class answers at once, the tool does nothing and runs in the process.
Telemetry and tracing are switched off where the peer has a switch.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

PROMPT = "Please look at the file and tell me what stands in it, briefly."
ANSWER = "The file holds a short greeting and nothing else of note."
TEXT = ("A message as people write them to an agent: a few sentences with a request in it. " * 5)[
    :400
]
SESSIONS = 128

Appender = Callable[[int], Awaitable[object]]


async def rate(append: Appender, each: int) -> float:
    """Messages per second: every session appends `each` messages, one at a time."""

    async def write(session: int) -> None:
        for _ in range(each):
            await append(session)

    started = time.perf_counter()
    await asyncio.gather(*(write(session) for session in range(SESSIONS)))
    return SESSIONS * each / (time.perf_counter() - started)


async def timed_turns(turn: Callable[[], Awaitable[str]], count: int) -> list[float]:
    """Run turns one after the other; ms of each."""
    spent = []
    for _ in range(count):
        started = time.perf_counter()
        text = await turn()
        spent.append((time.perf_counter() - started) * 1000)
        assert text == ANSWER, text
    return spent


def main(
    packages: tuple[str, ...],
    measure: Callable[[Path, int, int], Awaitable[dict[str, object]]],
    store: str,
) -> None:
    """Take the figures and print them.

    Args:
        measure: takes directory, appends of each session, turns.
        store: what the peer writes to, in words.
    """
    directory, each, turns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    found = asyncio.run(measure(directory, each, turns))
    found["versions"] = " ".join(f"{name} {version(name)}" for name in packages)
    found["store"] = store
    print("PEER " + json.dumps(found), flush=True)
