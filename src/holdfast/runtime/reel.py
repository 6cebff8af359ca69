"""A session's log as public events, read behind a version, a little at a time.

A reader that stops between two reads holds no page of the log, only the bounded fold
of where it stands.
"""

from __future__ import annotations

from holdfast.core.session import evolve
from holdfast.core.view import SessionView
from holdfast.runtime.envelope import GENESIS
from holdfast.runtime.journal import PAGE, Journal
from holdfast.runtime.located import Located
from holdfast.runtime.stream import StreamEvent, translate


class Reel:
    """See the module; `open` makes one."""

    def __init__(self, journal: Journal, view: SessionView, head: bytes) -> None:
        self._journal = journal
        self._view = view
        self._head = head

    @classmethod
    async def open(cls, where: Located, after: int) -> Reel:
        """Stand behind a version, or at the log's end if that comes first.

        Raises:
            KeyDestroyed, KeyMissing: there is no key to read it with.
            Damaged, NewerProgram: what comes before cannot be read.
        """
        if after <= 0:
            return cls(where.backend.journal(where.row), SessionView(), GENESIS)
        loaded = await where.backend.load(where.row, after)
        if loaded.damaged is not None:
            raise loaded.damaged
        return cls(loaded.journal, loaded.view, loaded.journal.head)

    @property
    def version(self) -> int:
        """The last version that was read."""
        return self._view.version

    @property
    def view(self) -> SessionView:
        """The fold up to there."""
        return self._view

    async def read(self, until: int, *, events_max: int = PAGE) -> list[StreamEvent]:
        """The next events up to a version; none if there are none.

        Args:
            until: the last version to read.
            events_max: how many versions to read at most.

        Raises:
            Damaged, NewerProgram: the log cannot be read further.
        """
        last = min(until, self.version + events_max)
        if last <= self.version:
            return []
        before, found = self._view, list[StreamEvent]()
        async for recorded in self._journal.replay(self.version, self._head, until=last):
            view, self._view = self._view, evolve(self._view, recorded)
            found += translate(view, self._view, recorded)
        if self._view is not before:
            rows = await self._journal.store.read(self._journal.stream, self.version - 1, 1)
            self._head = rows[0].hash
        return found
