"""The store as a world has it: the memory store, with weather.

Every write may be slow, refused, unacknowledged, or the last thing its process
did: before the commit, or after it and before the acknowledgement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from holdfast.adapters.store.memory import MemoryStore
from holdfast.adapters.store.memory_disk import MemoryDisk
from holdfast.core.errors import StoreBusy
from holdfast.ports.clock import Clock
from holdfast.ports.store import Append, Lease, PendingKind, PendingRow, SealedEvent, StreamRow

GRACE_S = 5.0
"""How long a holder whose lease was stolen may still be acting, in virtual seconds."""

SLOW_S = 0.4


class SimDisk(MemoryDisk):
    """A disk on which a living node's leases can be stolen.

    Attributes:
        stolen: nodes that others believe dead although they live.
        acked: the last version of each stream that its writer knows to be durable.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stolen: set[str] = set()
        self.acked: dict[int, int] = {}

    def alive(self, node: str) -> bool:
        """Tell whether a node is believed to be alive."""
        return node not in self.stolen and super().alive(node)

    def order(self) -> dict[tuple[int, int], int]:
        """The place of every event, by stream and version, among all commits of the disk."""
        return {
            (one.stream, one.event.version): place for place, one in enumerate(self.feed, start=1)
        }

    def is_open(self, node: str) -> bool:
        """Tell whether a node's store is open, whatever others believe."""
        return super().alive(node)


@dataclass(slots=True, kw_only=True)
class Weather:
    """How likely each fault is at each write; 0 everywhere is calm.

    Args:
        crash: the process dies, before or after the commit.
        busy: refused with `StoreBusy`; nothing is kept.
        lost_ack: kept, but the caller is told `StoreBusy`.
        slow: it takes up to `SLOW_S`, before and after the commit.
    """

    crash: float = 0.0
    busy: float = 0.0
    lost_ack: float = 0.0
    slow: float = 0.0

    def calm(self) -> None:
        """End all faults."""
        self.crash = self.busy = self.lost_ack = self.slow = 0.0


class SimStore(MemoryStore):
    """One opening of a `SimDisk` by one process.

    Args:
        crash: kills the process that has this opening.
        born: told of each new stream at once.
        weather: which faults there are now.
        grace_s: what leases say about former holders.
    """

    def __init__(
        self,
        disk: SimDisk,
        node: str,
        clock: Clock,
        *,
        random: Random,
        weather: Weather,
        crash: Callable[[str], None],
        born: Callable[[int], None],
        grace_s: float,
    ) -> None:
        super().__init__(disk, node=node, clock=clock)
        self._random = random
        self._weather = weather
        self._crash = crash
        self._born = born
        self._grace_s = grace_s
        self._unacked: dict[int, int] = {}

    async def create_stream(self, *, name: str, tenant: str, owner: int, first: Append) -> Lease:
        """Create a stream, in this weather."""
        await self._before("create")
        lease = await super().create_stream(name=name, tenant=tenant, owner=owner, first=first)
        self._born(first.stream)
        await self._after("create")
        return lease

    async def append(self, append: Append) -> bytes:
        """Append, in this weather."""
        await self._before("append")
        head = await super().append(append)
        last = append.expected_version + len(append.events)
        self._unacked[append.stream] = last
        await self._after("append")
        self._acked(append.stream, last)
        return head

    def _acked(self, stream: int, version: int) -> None:
        assert isinstance(self.disk, SimDisk)
        self.disk.acked[stream] = version
        self._unacked.pop(stream, None)

    async def lease(self, stream: int) -> Lease:
        """Take the session, in this weather."""
        await self._before("lease")
        lease = await super().lease(stream)
        await self._after("lease")
        return replace(lease, grace_s=self._grace_s)

    async def submit(self, row: PendingRow, *, urgent: bool = False) -> int:
        """Queue a row, in this weather."""
        await self._before("submit")
        seq = await super().submit(row, urgent=urgent)
        await self._after("submit")
        return seq

    async def drop_pending(self, stream: int, kind: PendingKind, id: bytes) -> bool:
        """Remove a row, in this weather."""
        await self._before("drop")
        dropped = await super().drop_pending(stream, kind, id)
        await self._after("drop")
        return dropped

    async def erase(self, stream: int) -> None:
        """Remove what a wiped session had, in this weather."""
        await self._before("erase")
        await super().erase(stream)
        await self._after("erase")

    async def read(
        self, stream: int, after: int = 0, limit: int = 1000, *, backwards: bool = False
    ) -> list[SealedEvent]:
        """Read events; it takes a moment.

        A writer whose acknowledgement was lost reads its own last event back: from
        then on it knows that its append is durable.
        """
        await self._moment()
        rows = await super().read(stream, after, limit, backwards=backwards)
        if rows and limit == 1 and self._unacked.get(stream) == after + 1 == rows[0].version:
            self._acked(stream, after + 1)
        return rows

    async def command(self, stream: int, id: bytes) -> tuple[int, bytes] | None:
        """Look up a command; it takes a moment."""
        await self._moment()
        return await super().command(stream, id)

    async def pending(
        self,
        stream: int | None = None,
        kind: PendingKind | None = None,
        *,
        due_before_ms: int | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[PendingRow]:
        """Read waiting rows; it takes a moment."""
        await self._moment()
        return await super().pending(
            stream, kind, due_before_ms=due_before_ms, after=after, limit=limit
        )

    async def stream_row(self, stream: int) -> StreamRow | None:
        """Read a row; it takes a moment."""
        await self._moment()
        return await super().stream_row(stream)

    async def _moment(self) -> None:
        if self._weather.slow and self._random.random() < 0.2:
            await asyncio.sleep(self._random.random() * 0.02)

    async def _pause(self) -> None:
        if self._random.random() < self._weather.slow:
            await asyncio.sleep(self._random.random() * SLOW_S)

    async def _before(self, what: str) -> None:
        await self._pause()
        if self._random.random() < self._weather.crash:
            await self._die(f"before {what}")
        if self._random.random() < self._weather.busy:
            raise StoreBusy(f"{what} was refused")

    async def _after(self, what: str) -> None:
        if self._random.random() < self._weather.crash:
            await self._die(f"after {what}")
        await self._pause()
        if self._random.random() < self._weather.lost_ack:
            raise StoreBusy(f"the acknowledgement of {what} was lost")

    async def _die(self, when: str) -> None:
        self._crash(when)
        await asyncio.sleep(0)  # never comes back while the world goes on
