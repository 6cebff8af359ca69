"""Who waits for the end of which turn."""

from __future__ import annotations

import asyncio

from holdfast.core.errors import Interrupted
from holdfast.core.view import FinishedTurn, SessionView


class TurnWaiters:
    """Futures of callers, by the turn they wait for."""

    def __init__(self) -> None:
        self._futures: dict[int, list[asyncio.Future[FinishedTurn | None]]] = {}
        self._closed: Interrupted | None = None

    @property
    def waiting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._futures)

    async def wait(self, view: SessionView, id: int) -> FinishedTurn | None:
        """Wait until the turn a message started, or joined, has ended.

        None if it ended while nobody led the session here and another has begun
        since: the fold knows the last turn only, the log knows every one.

        Raises:
            Interrupted: nobody will tell.
        """
        last, running = view.last_turn, view.turn
        if last is not None and last.id == id:
            return last
        if (last is not None and last.id > id) or (running is not None and running.id > id):
            return None
        if self._closed is not None:
            raise self._closed
        future: asyncio.Future[FinishedTurn | None] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(id, []).append(future)
        return await future

    def tell(self, view: SessionView) -> None:
        """Tell all whose turn has ended."""
        last = view.last_turn
        if last is None or view.turn is not None:
            return
        for id in [id for id in self._futures if id <= last.id]:
            for future in self._futures.pop(id):
                if not future.done():
                    future.set_result(last if id == last.id else None)

    def close(self, why: str) -> None:
        """Tell everybody that nobody will tell them here."""
        self._closed = Interrupted(why)
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(Interrupted(why))
                    future.exception()
        self._futures.clear()


def turn_of(view: SessionView) -> int:
    """The turn that a message has just started or joined."""
    if view.turn is not None:
        return view.turn.id
    return view.last_turn.id if view.last_turn else 0
