"""The port for a place that keeps signed checkpoints, away from the store (contract 2.9).

A sink keeps two things a number: the signed note, and the leaves that its root is
over. It need not understand either, holds no secret, and is not trusted: whatever
comes back is verified against the audit key.

Contract
- Numbers are 1, 2, 3 …; `put` of a number that is taken changes nothing and is False.
  So two signers never sign one number twice.
- When `put` returns True both are durable. A note is never to be seen without its
  leaves, and never in part; after a crash leaves may stand alone.
- Of one number several leaves may lie about, each by the root it was put with.
- Nothing is ever replaced or removed.

A place that is out of order raises `Unavailable`; what else a sink raises is taken
for that. Whether the newest of what was kept was removed cannot be seen here.
"""

from __future__ import annotations

from typing import Protocol


class CheckpointSink(Protocol):
    """Keeps checkpoints; see the module's contract. All methods may raise `Unavailable`."""

    async def newest(self) -> int:
        """The highest number that has a note, or 0 for none."""
        ...

    async def note(self, number: int) -> bytes | None:
        """The note of a number, or None if there is none."""
        ...

    async def leaves(self, number: int, root: bytes) -> bytes | None:
        """The leaves that were put under a number and a root of 32 bytes, or None."""
        ...

    async def put(self, number: int, root: bytes, note: bytes, leaves: bytes) -> bool:
        """Keep a note and its leaves; False if the number is taken."""
        ...
