"""The engine: the registries of many sessions, and what stands where in a text.

Pure but for what was loaded. Linear in the text: every level is folded once and run
through a few automata once, whatever the number of values. Of what is found as few
places are told as cover all of it, and each value that stands anywhere at least once:
so values within values cost no more than others (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from holdfast.adapters.taints.covering import covering
from holdfast.adapters.taints.decoding import Place
from holdfast.adapters.taints.levels import Level, levels
from holdfast.adapters.taints.registry import Registry
from holdfast.adapters.taints.standing import standing
from holdfast.adapters.taints.variants import Pattern, Variant
from holdfast.core.errors import TooLarge
from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity
from holdfast.ports.taints import Taint

VALUES_MAX = 100_000
VALUE_BYTES_MAX = 64 * 1024

_CONTINUATIONS = bytes(range(0x80, 0xC0))
_Views = tuple[str, ...]


class TaintEngine:
    """Finds the values of sessions in texts."""

    def __init__(self, *, values_max: int = VALUES_MAX) -> None:
        self._sessions: dict[str, Registry] = {}
        self._values_max = values_max
        self._count = 0

    def load(self, session: str, taints: Sequence[Taint]) -> int:
        """Add values to a session's; return how many it has now.

        Raises:
            TooLarge: a value, or the number of all, is over its limit; none is added.
        """
        if any(len(taint.value) > VALUE_BYTES_MAX for taint in taints):
            raise TooLarge(f"a value to look for has at most {VALUE_BYTES_MAX} bytes")
        if self._count + len(taints) > self._values_max:
            raise TooLarge(f"at most {self._values_max} values can be looked for")
        registry = self._sessions.setdefault(session, Registry())
        self._count += registry.add(taints)
        return len(registry.entries)

    def known(self, session: str) -> int:
        """How many values of a session were loaded, those that are too short too."""
        registry = self._sessions.get(session)
        return len(registry.entries) if registry else 0

    def too_short(self, session: str) -> tuple[str, ...]:
        """The ids of a session's values that are too short to be looked for."""
        registry = self._sessions.get(session)
        return registry.too_short() if registry else ()

    def reach(self, session: str) -> int:
        """How many characters at a text's end may still become a match."""
        registry = self._sessions.get(session)
        return registry.reach if registry else 0

    def forget(self, session: str) -> None:
        """Drop a session's values."""
        registry = self._sessions.pop(session, None)
        if registry:
            self._count -= len(registry.entries)
            registry.wipe()

    def clear(self) -> None:
        """Drop the values of all sessions."""
        for session in tuple(self._sessions):
            self.forget(session)

    def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Find a session's values in a text, ordered by start."""
        registry = self._sessions.get(session)
        if registry is None or not registry.reach or not text:
            return ()
        data = text.encode("utf-8", "surrogatepass")
        found = _Found(registry, data)
        for level in levels(data, registry.least):
            for variant, places in standing(registry, level):
                found.add(level, variant, places)
        return found.matches()


class _Found:
    """What was found in a text, by its place there.

    Args:
        data: the text.
    """

    def __init__(self, registry: Registry, data: bytes) -> None:
        self._registry = registry
        self._data = data
        self._places: dict[Place, list[tuple[Variant, _Views]]] = {}
        self._highest: dict[Place, Sensitivity] = {}
        self._first: dict[Variant, tuple[Place, _Views]] = {}
        self._told: dict[tuple[int, Place], str] = {}

    def add(self, level: Level, variant: Variant, places: Iterable[Place]) -> None:
        """Add places of a level; one that is no place of the text counts for nothing."""
        for place in places:
            root = level.root(*place)
            if root is None:
                continue
            start, end, views = root
            self._places.setdefault((start, end), []).append((variant, views))
            highest = self._highest.get((start, end), variant.level)
            self._highest[start, end] = max(highest, variant.level)
            self._first.setdefault(variant, ((start, end), views))

    def matches(self) -> tuple[TaintMatch, ...]:
        """What covers all of it, and of each value one place; ordered by start."""
        for place in covering(self._highest):
            for variant, views in self._places[place]:
                for pattern in variant.told(self._data[slice(*place)]):
                    self._tell(pattern, place, views)
        known = {index for index, _ in self._told}
        for variant, (place, views) in self._first.items():
            for pattern in variant.owners:
                if pattern.entry not in known:
                    self._tell(pattern, place, views)
        chars = _characters(self._data, {end for _, place in self._told for end in place})
        made = [self._match(*told, view, chars) for told, view in self._told.items()]
        return tuple(sorted(made, key=lambda match: (match.start, match.end, match.id)))

    def _tell(self, pattern: Pattern, place: Place, views: _Views) -> None:
        views = (*views, pattern.view) if pattern.view else views
        self._told.setdefault((pattern.entry, place), ">".join(views))

    def _match(
        self, index: int, place: Place, view: str, chars: Callable[[int], int]
    ) -> TaintMatch:
        entry = self._registry.entries[index]
        start, end = map(chars, place)
        return TaintMatch(
            id=entry.id, kind=entry.kind, level=entry.level, start=start, end=end, view=view
        )


def _characters(data: bytes, places: set[int]) -> Callable[[int], int]:
    """Make what leads from places in bytes to places in characters."""
    if data.isascii():
        return lambda place: place
    known: dict[int, int] = {}
    at = count = 0
    for place in sorted(places):
        count += len(data[at:place].translate(None, _CONTINUATIONS))
        at = place
        known[place] = count
    return known.__getitem__
