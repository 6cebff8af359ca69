"""The engine: the registries of many sessions, and what stands where in a text.

Pure but for what was loaded. Linear in the text: every level is folded once and run
through a few automata once, whatever the number of values; only what is found
costs more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from holdfast.adapters.taints import likeness
from holdfast.adapters.taints.decoding import Place
from holdfast.adapters.taints.folding import fold, is_word
from holdfast.adapters.taints.levels import Level, levels
from holdfast.adapters.taints.registry import Automaton, How, Pattern, Registry, edges
from holdfast.core.errors import TooLarge
from holdfast.core.findings import TaintMatch
from holdfast.ports.taints import Taint

VALUES_MAX = 100_000
VALUE_BYTES_MAX = 64 * 1024
LIKENESS_CHECKS_MAX = 64
LIKENESS_SPREAD_MAX = 3
DIGITS_GAP_MAX = 3
DIGITS_SURE = 12
EDGE_GAP_MAX = 4

_CONTINUATIONS = bytes(range(0x80, 0xC0))
_Hit = tuple[Pattern, int, int]


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
        found: dict[tuple[int, int, int], str] = {}
        for level in levels(data, registry.least):
            for pattern, start, end in _joined(_hits(registry, level)):
                place = level.root(start, end)
                if place is not None:
                    views = (*place[2], pattern.view) if pattern.view else place[2]
                    found.setdefault((pattern.entry, *place[:2]), ">".join(views))
        return _matches(registry, found, data) if found else ()


def _hits(registry: Registry, level: Level) -> Iterator[_Hit]:
    """Yield what a level holds, with places in the level."""
    small = b""
    for tier in registry.tiers():
        if tier.folds.patterns:
            yield from _in_fold(registry, level, tier.folds)
        if tier.literals.patterns:
            small = small or level.data.lower()
            runs: dict[int, list[Place]] = {}
            for index, start, end in tier.literals.find(small):
                if _stands(registry, level, tier.literals.patterns[index], start, end):
                    _extend(runs.setdefault(index, []), start, end)
            for index, run in runs.items():
                for start, end in run:
                    yield tier.literals.patterns[index], start, end


def _extend(run: list[Place], start: int, end: int) -> None:
    """Add a place of a pattern; they come in order, and those that overlap are one."""
    if run and start < run[-1][1]:
        run[-1] = (run[-1][0], end)
    else:
        run.append((start, end))


def _in_fold(registry: Registry, level: Level, automaton: Automaton) -> Iterator[_Hit]:
    patterns, entries = automaton.patterns, registry.entries
    seeds: dict[tuple[int, int], tuple[Pattern, int]] = {}
    runs: dict[int, list[Place]] = {}
    for index, start, end in automaton.find(level.folded):
        pattern = patterns[index]
        if pattern.seed_at >= 0:
            seeds.setdefault((pattern.entry, (start - pattern.seed_at) // 4), (pattern, start))
        elif level.is_across(start, end):
            continue
        elif not entries[pattern.entry].digits or _is_number(level, start, end):
            _extend(runs.setdefault(index, []), start, end)
    for index, run in runs.items():
        entry = entries[patterns[index].entry]
        before, after = edges(bytes(entry.value))
        around = [(before, after), (after[::-1], before[::-1])]
        if not patterns[index].both_ways:
            del around[patterns[index].view != "reversed"]
        for start, end in run:
            place = level.unfold(start, end)
            for signs in around:
                place = _with_edges(level, signs, place)
            yield patterns[index], *place
    yield from _changed(registry, level, seeds.values())


def _changed(
    registry: Registry, level: Level, seeds: Iterable[tuple[Pattern, int]]
) -> Iterator[_Hit]:
    """Yield the long values a few characters of which were changed, from pieces of them."""
    for pattern, at in islice(seeds, LIKENESS_CHECKS_MAX):
        folded = fold(bytes(registry.entries[pattern.entry].value))
        place = likeness.alike(folded, level.folded, pattern.seed_at, at)
        if place is not None:
            first, last = level.unfold(*place)
            if last - first <= LIKENESS_SPREAD_MAX * len(folded):
                yield pattern, first, last


def _with_edges(level: Level, around: tuple[bytes, bytes], place: Place) -> Place:
    """Widen a place by the signs the value begins and ends with, as far as they are there.

    What stands in another segment does not stand beside it.
    """
    before, after = around
    start, end = place
    data, within = level.data, level.bounds(start)
    for code in reversed(before):
        sign = _sign(data, code, start - 1, -1, within)
        if sign is None:
            break
        start = sign[0]
    for code in after:
        sign = _sign(data, code, end, 1, within)
        if sign is None:
            break
        end = sign[1]
    return start, end


def _sign(data: bytes, code: int, at: int, step: int, within: Place) -> Place | None:
    """Find a sign from a place on, over a few others, before any letter; of full width too."""
    wide = chr(code + 0xFEE0).encode() if 0x21 <= code <= 0x7E else b""
    for index in range(at, at + step * EDGE_GAP_MAX, step):
        if not within[0] <= index < within[1]:
            return None
        if data[index] == code:
            return index, index + 1
        first = index if step > 0 else index - 2
        if wide and data[max(first, 0) : first + 3] == wide:
            return first, first + 3
        if chr(data[index]).isalnum() and data[index] < 0x80:
            return None
    return None


def _is_number(level: Level, start: int, end: int) -> bool:
    """Whether digits found in a fold stand together in the level and are no part of more.

    Many digits are what they are, wherever they stand; few turn up by chance, in
    dates and times.
    """
    if end - start >= DIGITS_SURE:
        return True
    data = level.data
    before = -1
    for index in range(start, end):
        first, last = level.unfold(index, index + 1)
        between = data[before:first].translate(None, _CONTINUATIONS) if before >= 0 else b""
        if len(between) > DIGITS_GAP_MAX or b"\n" in between:
            return False
        before = last
    first, last = level.unfold(start, end)
    if not level.exact_at(first):  # beside it may stand what a letter before the run made
        return True
    return not (data[first - 1 : first].isdigit() or data[last : last + 1].isdigit())


def _stands(registry: Registry, level: Level, pattern: Pattern, start: int, end: int) -> bool:
    """Whether a literal may stand there: a word only as one, and only in plain."""
    if registry.entries[pattern.entry].how is How.LITERAL:
        return True
    data = level.data
    if is_word(data, start, before=False) and is_word(data, start, before=True):
        return False
    if is_word(data, end, before=True) and is_word(data, end, before=False):
        return False
    return level.exact_at(start)


def _joined(hits: Iterable[_Hit]) -> list[_Hit]:
    """Join hits of one value in one form that overlap."""
    by_value: dict[tuple[int, str], list[_Hit]] = {}
    for hit in hits:
        by_value.setdefault((hit[0].entry, hit[0].view), []).append(hit)
    joined: list[_Hit] = []
    for group in by_value.values():
        group.sort(key=lambda hit: hit[1])
        pattern, start, end = group[0]
        for _, first, last in group[1:]:
            if first < end:
                end = max(end, last)
                continue
            joined.append((pattern, start, end))
            start, end = first, last
        joined.append((pattern, start, end))
    return joined


def _matches(
    registry: Registry, found: dict[tuple[int, int, int], str], data: bytes
) -> tuple[TaintMatch, ...]:
    chars = _characters(data, {place for _, *places in found for place in places})
    made = []
    for (index, start, end), view in found.items():
        entry = registry.entries[index]
        made.append(
            TaintMatch(
                id=entry.id,
                kind=entry.kind,
                level=entry.level,
                start=chars(start),
                end=chars(end),
                view=view,
            )
        )
    return tuple(sorted(made, key=lambda match: (match.start, match.end, match.id)))


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
