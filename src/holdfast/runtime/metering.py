"""How many bytes a session's commands exchange with the network, kept in the store.

- Bytes are counted before they are passed on, some ahead of time, so that not each
  of them costs a write: a process that dies has counted too many, never too few.
- The counter is the session's, or that of the one at the root of its lineage, as with
  budgets: children do not add to what their root may exchange.
- It belongs to the session's scope in the store, and nothing is held on it, so a wipe
  removes it.
- It is changed by appends without events, so that only the leader of a session counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from holdfast.core.births import Ancestor
from holdfast.core.errors import Conflict, HoldfastError
from holdfast.ports.store import Append, NewLimit, Settle, counter_of, session_scope
from holdfast.runtime.journal import Journal

AHEAD_BYTES_MAX = 256 * 1024
AHEAD_SHARE = 64
"""Of the limit, one part in so many is counted ahead, at most `AHEAD_BYTES_MAX`."""
NAME = "network"
_TRIES = 100
_COUNTER_MAX = (1 << 62) - 1


class SessionMeter:
    """Counts for one session, as long as its engine leads it; a `ByteMeter`.

    Args:
        journal: the session's.
        lineage: its ancestors, the root first.
    """

    def __init__(self, journal: Journal, lineage: Sequence[Ancestor] = ()) -> None:
        root = lineage[0].stream if lineage else journal.stream
        self.counter = counter_of(session_scope(root), NAME)
        self._journal = journal
        self._lock = asyncio.Lock()
        self._ahead = 0
        self._limit: int | None = None

    async def take(self, size: int, bytes_max: int | None) -> bool:
        """Count bytes that are about to be passed on; False if they may not be.

        Args:
            bytes_max: the limit; None for none, and then nothing is kept.
        """
        if bytes_max is None:
            return True
        async with self._lock:
            self._apply(bytes_max)
            if size > self._ahead and not await self._counted(size - self._ahead, bytes_max):
                return False
            self._ahead -= size
            return True

    async def spent(self, bytes_max: int | None) -> bool:
        """Whether nothing more may be exchanged, or that cannot be told."""
        if bytes_max is None:
            return False
        async with self._lock:
            self._apply(bytes_max)
            try:
                return not self._ahead and await self._room(bytes_max) <= 0
            except HoldfastError:
                return True

    def _apply(self, bytes_max: int) -> None:
        """Under another limit nothing is counted ahead yet."""
        if self._limit != bytes_max:
            self._limit, self._ahead = bytes_max, 0

    async def _counted(self, short: int, bytes_max: int) -> bool:
        """Count so many more, and some ahead; what is left where they do not fit."""
        ahead = min(AHEAD_BYTES_MAX, bytes_max // AHEAD_SHARE)
        try:
            amount = min(await self._room(bytes_max), short + ahead)
            if amount > 0:
                await self._count(amount, bytes_max)
                # Another session of the family may have counted at the same moment: what
                # then is too much stays counted, and is not passed on.
                amount = amount if await self._room(bytes_max) >= 0 else 0
        except HoldfastError:
            amount = 0
        if amount < short:
            self._ahead = 0
            return False
        self._ahead += amount
        return True

    async def _room(self, bytes_max: int) -> int:
        """What is left; below zero where more was counted than there is."""
        found = await self._journal.store.counter(self.counter)
        return bytes_max if found is None else bytes_max - found.used

    async def _count(self, amount: int, bytes_max: int) -> None:
        """Count as the leader of the session.

        Raises:
            Fenced: somebody else leads it.
        """
        journal = self._journal
        limit = NewLimit(counter=self.counter, limit=min(bytes_max, _COUNTER_MAX))
        for tried in range(_TRIES):
            request = Append(
                stream=journal.stream,
                expected_version=journal.version,
                epoch=journal.epoch,
                events=(),
                settles=(Settle(counter=self.counter, held=0, used=amount),),
                limits=(limit,),
            )
            try:
                await journal.store.append(request)
            except Conflict:
                # The session's own events were quicker, and this one's place has moved.
                if tried == _TRIES - 1:
                    raise
                await journal.clock.sleep(0)
            else:
                return
