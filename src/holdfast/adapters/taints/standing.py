"""Standing: where the values of a session stand in one level of a text.

Of values within each other only the longest at a place is followed everywhere, and
what is within it where that is more secret; the others are told once. Places of one
value that overlap are one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from holdfast.adapters.taints import likeness
from holdfast.adapters.taints.decoding import Place
from holdfast.adapters.taints.folding import fold, is_word
from holdfast.adapters.taints.levels import Level
from holdfast.adapters.taints.nesting import Head, Node
from holdfast.adapters.taints.registry import Automaton, Registry
from holdfast.adapters.taints.signs import Signs
from holdfast.adapters.taints.variants import Pattern, Variant
from holdfast.core.labels import Sensitivity

LIKENESS_CHECKS_MAX = 64
LIKENESS_SPREAD_MAX = 3
DIGITS_GAP_MAX = 3

_CONTINUATIONS = bytes(range(0x80, 0xC0))


class _Runs:
    """Where nodes begin, as places that do not overlap; of those within others one place.

    Args:
        registry: whose nodes they are.
    """

    __slots__ = ("_loose", "_once", "_reach", "_registry", "_runs")

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._runs: dict[Node, list[Place]] = {}
        self._once: dict[Node, Place] = {}
        self._loose: dict[Node, int] = {}
        self._reach = [0] * len(Sensitivity)

    def add(self, node: Node, start: int) -> None:
        """Add what stands there; it is called for places in the order of the text."""
        steps = node.steps
        if len(steps) > 1:  # all of them before any is added: they begin at the same place
            steps = tuple(step for step in steps if not self._within(step, start))
        elif self._within(node, start):
            steps = ()
        for step in steps:
            self.add_alone(step, start)
            if node.loose:
                self._loose[step] = max(self._loose.get(step, 0), node.loose)
            end, level = start + len(step.data), int(step.level)
            while level >= 0 and self._reach[level] < end:
                self._reach[level] = end
                level -= 1
        inner: Node | None = node
        while inner is not None and inner not in self._once:
            self._once[inner] = (start, start + len(inner.data))
            inner = inner.parent

    def _within(self, node: Node, start: int) -> bool:
        """Whether all of it, signs too, stands within what began before and is as secret."""
        end, reach = start + len(node.data), self._reach[node.level]
        return end < reach or (end == reach and not self._registry.has_signs(node))

    def loose(self, node: Node) -> int:
        """How many signs before a node count, whatever they are."""
        return self._loose.get(node, 0)

    def add_alone(self, node: Node, start: int) -> None:
        """Add a node without those that it begins with."""
        run = self._runs.setdefault(node, [])
        end = start + len(node.data)
        if run and start < run[-1][1]:
            run[-1] = (run[-1][0], end)
        else:
            run.append((start, end))

    def places(self) -> Iterator[tuple[Node, list[Place]]]:
        """Yield all nodes with their places."""
        yield from self._runs.items()
        yield from ((node, [at]) for node, at in self._once.items() if node not in self._runs)


def standing(registry: Registry, level: Level) -> Iterator[tuple[Variant, list[Place]]]:
    """Yield what stands in a level, with its places in bytes: none is in two segments."""
    signs = Signs(level)
    small = b""
    for tier in registry.tiers():
        if tier.folds.heads:
            runs, seeds = _in_fold(registry, level, tier.folds)
            for node, run in runs.places():
                unfolded = [level.unfold(*place) for place in run]
                if loose := runs.loose(node):
                    unfolded = [signs.loosen(place, loose) for place in unfolded]
                for variant in registry.variants(node):
                    yield variant, _joined(variant.widened(place, signs) for place in unfolded)
            yield from _changed(registry, level, seeds.values())
        if tier.literals.heads:
            small = small or level.data.lower()
            for node, run in _literally(registry, level, tier.literals, small).places():
                for variant in registry.variants(node):
                    yield variant, run


def _joined(places: Iterable[Place]) -> list[Place]:
    """Join places that overlap, in order."""
    joined: list[Place] = []
    for start, end in sorted(places):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _in_fold(
    registry: Registry, level: Level, automaton: Automaton
) -> tuple[_Runs, dict[Place, tuple[Pattern, int]]]:
    """What stands in a fold, and the first pieces of values there."""
    runs = _Runs(registry)
    seeds: dict[Place, tuple[Pattern, int]] = {}
    folded, size, split = level.folded, len(level.folded), level.is_split
    is_number = partial(_is_number, level)
    for head, start in automaton.find(folded):
        for pattern in head.seeds:
            if len(seeds) < LIKENESS_CHECKS_MAX:
                near = (start - pattern.seed_at) // 4
                seeds.setdefault((pattern.entry, near), (pattern, start))
        if head.seeds and not (head.free or head.alone):
            continue
        end = level.folded_end(start) if split else size
        _take(runs, head, folded, (start, end), is_number)
    return runs, seeds


def _take(
    runs: _Runs, head: Head, text: bytes, within: Place, is_whole: Callable[[int, int], bool]
) -> None:
    """Add what stands at a head: the longest, and of what has to be whole all that is."""
    start, end = within
    if head.free and (node := head.free.longest(text, start, end)):
        runs.add(node, start)
    if head.alone and (node := head.alone.longest(text, start, end)):
        for one in node.chain():
            if is_whole(start, start + len(one.data)):
                runs.add_alone(one, start)


def _changed(
    registry: Registry, level: Level, seeds: Iterable[tuple[Pattern, int]]
) -> Iterator[tuple[Variant, list[Place]]]:
    """Yield the long values a few characters of which were changed, from pieces of them."""
    found: dict[int, tuple[Variant, list[Place]]] = {}
    for pattern, at in seeds:
        entry = registry.entries[pattern.entry]
        folded = fold(bytes(entry.value))
        place = likeness.alike(folded, level.folded, pattern.seed_at, at)
        if place is not None:
            first, last = level.unfold(*place)
            if last - first <= LIKENESS_SPREAD_MAX * len(folded):
                one = found.setdefault(pattern.entry, (Variant((pattern,), entry.level), []))
                one[1].append((first, last))
    for variant, places in found.values():
        yield variant, _joined(places)


def _literally(registry: Registry, level: Level, automaton: Automaton, small: bytes) -> _Runs:
    """What stands in a level as it is, but for case."""
    runs = _Runs(registry)
    is_whole = partial(_is_word, level)
    for head, start in automaton.find(small):
        _take(runs, head, small, (start, level.bounds(start)[1]), is_whole)
    return runs


def _is_number(level: Level, start: int, end: int) -> bool:
    """Whether digits found in a fold stand together in the level and are no part of more.

    Many digits are what they are, wherever they stand; few turn up by chance, in
    dates and times.
    """
    data = level.data
    first, last = level.unfold(start, end)
    # Beside one that was decoded may stand what a letter before the run made.
    beside = data[first - 1 : first].isdigit() or data[last : last + 1].isdigit()
    if beside and level.exact_at(first):
        return False
    if last - first == end - start:
        return True
    before = -1
    for index in range(start, end):
        first, last = level.unfold(index, index + 1)
        between = data[before:first].translate(None, _CONTINUATIONS) if before >= 0 else b""
        if len(between) > DIGITS_GAP_MAX or b"\n" in between:
            return False
        before = last
    return True


def _is_word(level: Level, start: int, end: int) -> bool:
    """Whether a literal stands there as a word, and in plain."""
    data = level.data
    if is_word(data, start, before=False) and is_word(data, start, before=True):
        return False
    if is_word(data, end, before=True) and is_word(data, end, before=False):
        return False
    return level.exact_at(start)
