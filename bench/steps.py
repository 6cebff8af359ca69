"""Where the time of an append and of a turn goes, step by step.

Each step is run by itself many times; the sum is compared with the whole. Prints
a table in microseconds for docs/performance.md; it sets no bars.
"""

from __future__ import annotations

import asyncio
import cProfile
import io
import os
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from append import event, port_rate
from common import fdatasync_p50_ms, median, pick, scratch
from sessions import Writer, backend, manager
from toolturn import InstantModel, tools, turns

from holdfast.core.session import evolve
from holdfast.core.view import Recorded
from holdfast.runtime.codec import encode_event
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.envelope import Header
from holdfast.runtime.packing import pack

TIMES = 3000


def each_us(work: Callable[[], object]) -> float:
    """p50 of a call in microseconds, over batches of 20."""
    spent = []
    for _ in range(TIMES // 20):
        started = time.perf_counter()
        for _ in range(20):
            work()
        spent.append((time.perf_counter() - started) / 20 * 1e6)
    return median(spent)


async def append_steps(directory: Path) -> list[tuple[str, float]]:
    """The steps of one append of one message of 400 characters."""
    async with backend(directory) as found:
        writer = await Writer.create(found, "one")
        one = event(os.urandom(16))
        await writer.append([one])
        loaded = writer.loaded
        journal, view = loaded.journal, loaded.view
        kind, payload = encode_event(one)
        recorded = Recorded(version=view.version + 1, time_ms=view.updated_ms, event=one)
        crypto, indexer = journal.crypto, loaded.indexer
        assert crypto is not None
        assert indexer is not None
        header = Header(
            stream=journal.stream,
            version=view.version + 1,
            kind=kind,
            time_ms=view.updated_ms,
            actor=1,
            key_id=crypto.key_id,
            epoch=1,
        )
        packing = each_us(lambda: pack(payload))
        return [
            ("fold the event (evolve)", each_us(lambda: evolve(view, recorded))),
            ("write it as JSON", each_us(lambda: encode_event(one))),
            ("pack the payload", packing),
            (
                "encrypt and chain it",
                each_us(lambda: crypto.seal_event(header, payload, journal.head)) - packing,
            ),
            ("make the index row", each_us(lambda: indexer.row(view))),
        ]


async def turn_profile(directory: Path, count: int) -> tuple[float, str]:
    """p50 of a turn in ms, and where its time goes by the profiler."""
    opened = manager(directory, llm_client=InstantModel(), tool_executor=tools())
    async with opened as sessions:
        session = await sessions.create_session("one", SessionConfig())
        typical = median(await turns(session, count))
        profile = cProfile.Profile()
        profile.enable()
        await turns(session, count)
        profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats("holdfast", 40)
    return typical, text.getvalue()


def main() -> None:
    """Print the tables."""
    with scratch() as directory:
        sync = fdatasync_p50_ms(directory, 500) * 1000
    with scratch() as directory:
        steps = asyncio.run(append_steps(directory))
    with scratch() as directory:
        _, single = asyncio.run(port_rate(directory, 1, 2000))
    with scratch() as directory:
        rate, _ = asyncio.run(port_rate(directory, 128, 12_800))
    print(f"{'sync of 4 KB':40} {sync:8.1f} us")
    for name, value in steps:
        print(f"{name:40} {value:8.1f} us")
    whole = sync + sum(value for _, value in steps)
    print(f"{'sum of these':40} {whole:8.1f} us")
    print(f"{'one append, one session, p50':40} {single * 1000:8.1f} us")
    print(f"{'an append among 128 sessions':40} {1e6 / rate:8.1f} us")
    with scratch() as directory:
        typical, text = asyncio.run(turn_profile(directory, pick(300, 100)))
    print(f"{'a turn with one tool call, p50':40} {typical * 1000:8.1f} us\n")
    print(text)


if __name__ == "__main__":
    main()
