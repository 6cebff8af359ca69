"""A matcher in this very process: for tests, the simulator, and where none can be started.

What was registered is dropped and overwritten as far as it is ours; the automata's
memory is freed, not wiped. Where that matters use `WorkerTaintMatcher`.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.adapters.taints.engine import VALUES_MAX, TaintEngine
from holdfast.core.findings import TaintMatch
from holdfast.ports.taints import Taint


class LocalTaintMatcher:
    """Implements `ports.taints.TaintMatcher` with an engine of its own.

    Args:
        values_max: how many values all sessions may have together.
    """

    def __init__(self, *, values_max: int = VALUES_MAX) -> None:
        self._values_max = values_max
        self._engine = TaintEngine(values_max=values_max)

    async def load(self, session: str, taints: Sequence[Taint]) -> None:
        """Add values to a session's; one that is known by its id is passed over.

        Raises:
            TooLarge: a value, or the number of all, is over its limit; none is added.
        """
        self._engine.load(session, taints)

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Find a session's values in a text, ordered by start."""
        return self._engine.scan(session, text)

    async def reach(self, session: str) -> int:
        """How many characters at a text's end may still become a match."""
        return self._engine.reach(session)

    async def known(self, session: str) -> int:
        """How many values of a session are loaded, those that are too short too."""
        return self._engine.known(session)

    async def too_short(self, session: str) -> tuple[str, ...]:
        """The ids of a session's values that are too short to be looked for."""
        return self._engine.too_short(session)

    async def forget(self, session: str) -> None:
        """Drop a session's values."""
        self._engine.forget(session)

    async def aclose(self) -> None:
        """Drop everything."""
        self._engine.clear()
