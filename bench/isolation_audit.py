"""Checkpoints of a large store, as RESULT lines; part of `make bench-isolation`.

The store is filled by statements, since a million real sessions would take hours; what
changes afterwards goes through the store's own appends. A checkpoint is timed from the
question which sessions changed to the durable note. The share of it that does not wait
for the disk is timed with a place that keeps the files in memory.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import apsw
from common import median, pick, report, scratch

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.ports.checkpoints import CheckpointSink
from holdfast.ports.clock import SystemClock
from holdfast.runtime.backend import Backend
from holdfast.runtime.checkpointing import Signer, compare_checkpoints
from holdfast.testing.store_kit import append

SESSIONS = pick(1_000_000, 50_000)
CHANGED = 1000
ROUNDS = pick(7, 3)
BAR_MS = 20.0

NUMBERS = "WITH RECURSIVE n(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM n WHERE at < ?)"
ROWS = (
    "INSERT INTO stream SELECT at, 't', 1, 's' || at, 's' || at, 1, zeroblob(32), 1, NULL,"
    " 0, 1, at, at, at, 0, 0, 0, x'', x'', 0, 0, at FROM n",
    "INSERT INTO event SELECT at, at, 1, 1, 1, 1, 1, 1, zeroblob(200), zeroblob(32) FROM n",
)


class Shelf:
    """A place in memory."""

    def __init__(self) -> None:
        self.notes: dict[int, bytes] = {}
        self.kept: dict[tuple[int, bytes], bytes] = {}

    async def newest(self) -> int:
        """The highest number."""
        return max(self.notes, default=0)

    async def note(self, number: int) -> bytes | None:
        """A note."""
        return self.notes.get(number)

    async def leaves(self, number: int, root: bytes) -> bytes | None:
        """Leaves."""
        return self.kept.get((number, root))

    async def put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        """Keep both."""
        self.notes[number], self.kept[number, root] = note, leaves
        return True


def fill(path: Path) -> None:
    """Put all sessions in, each with one event."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = OFF; BEGIN")
    for rows in ROWS:
        connection.execute(f"{NUMBERS} {rows}", (SESSIONS,))
    connection.execute("COMMIT")
    connection.close()


async def change(store: SqliteStore, round: int, events: int) -> None:
    """Append to some sessions, spread over all."""
    step = SESSIONS // CHANGED
    for first in range(0, CHANGED, 100):
        streams = [1 + (first + at) * step + round for at in range(100)]
        leases = await asyncio.gather(*(store.lease(stream) for stream in streams))
        await asyncio.gather(
            *(
                store.append(append(lease.stream, lease.version, events, epoch=lease.epoch))
                for lease in leases
            )
        )


async def timed(backend: Backend, store: SqliteStore, sink: CheckpointSink, events: int) -> float:
    """The median time of a checkpoint over the changed sessions, in milliseconds."""
    signer = Signer(backend, sink)
    await signer.make()
    taken = []
    for round in range(ROUNDS):
        await change(store, round, events)
        began = time.perf_counter()
        made = await signer.make()
        taken.append((time.perf_counter() - began) * 1000)
        if made is None or made.leaves != CHANGED:
            raise RuntimeError(f"{made} is not over {CHANGED} sessions")
    return median(taken)


async def main() -> int:
    """Measure."""
    with scratch() as place:
        path = place / "store" / "s.db"
        path.parent.mkdir()
        await (await SqliteStore.open(path)).aclose()
        fill(path)
        store = await SqliteStore.open(path)
        try:
            backend = Backend(store, MemoryKeys(), SystemClock())
            what = f"{CHANGED} changed among {SESSIONS:,}"
            shelf, directory = Shelf(), CheckpointDirectory(place / "out")
            few = await timed(backend, store, shelf, 1)
            many = await timed(backend, store, shelf, 20)
            disk = await timed(backend, store, directory, 1)
            report("audit.checkpoint", few, "ms", at_most=BAR_MS, against=what)
            report("audit.checkpoint_on_disk", disk, "ms", at_most=BAR_MS, against=f"{what}, fsync")
            report(
                "audit.checkpoint_events_ratio",
                many / few,
                "x",
                at_most=2.0,
                against="20 events a changed session against 1",
            )
            wrong = len(await compare_checkpoints(backend, directory))
            report("audit.checkpoint_compared", wrong, "findings", at_most=0, against="all of them")
        finally:
            await store.aclose()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
