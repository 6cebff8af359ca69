"""Nesting: values that begin alike, or stand within each other, found without each of them.

The automata look for the first bytes of patterns only, their heads: at any place few
of those begin. What stands there is then looked up among all patterns of that head,
which are sorted: the longest, with those that it begins with as its parents. So a
text that is full of values within values costs for each place the logarithm of their
number, and what is found are the longest; the others follow from them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from holdfast.adapters.taints.variants import Arounds, Known, Pattern, Variant
from holdfast.core.labels import Sensitivity

Owners = Mapping[bytes, Sequence[Pattern]]
"""Whose the bytes are that are looked for."""

HEAD_BYTES = 8
STEPS_MAX = 16


class Node:
    """The bytes that some values are looked for by.

    Args:
        data: the bytes.
        owners: whose they are.
        level: the highest of the owners'.
        before: the signs that may stand before them, and how secret what begins so is.
        parent: the longest other of the nest that these begin with.

    Attributes:
        steps: this, and of what it begins with all that has to be told as well wherever
            this stands: what is more secret than all that is longer, or begins with
            other signs.
        loose: how many signs before it count, whatever they are: of those that it
            begins with there are too many to be told.
        variants: the owners by the signs around their values, once that was worked out.
    """

    __slots__ = (
        "_depth",
        "_jump",
        "before",
        "data",
        "level",
        "loose",
        "owners",
        "parent",
        "steps",
        "variants",
    )

    def __init__(
        self,
        data: bytes,
        owners: Sequence[Pattern],
        level: Sensitivity,
        before: Mapping[Arounds, Sensitivity],
        parent: Node | None,
    ) -> None:
        self.data = data
        self.owners = owners
        self.level = level
        self.before = before
        self.parent = parent
        self.variants: tuple[Variant, ...] = ()
        self.loose: int = parent.loose if parent else 0
        above = parent.steps if parent else ()
        steps = [one for one in above if not self._stands_for(one)]
        if len(steps) > STEPS_MAX:
            self.loose = max(self.loose, *(_signs(one.before) for one in steps))
            steps = _rising(steps, level)
        self.steps: tuple[Node, ...] = (self, *steps)
        self._depth: int = parent._depth + 1 if parent else 0
        self._jump: Node = parent._beyond() if parent else self

    def _stands_for(self, other: Node) -> bool:
        """Whether what has to be told of another that begins alike is told with this."""
        return self.level >= other.level and all(
            around in self.before and self.before[around] >= level
            for around, level in other.before.items()
        )

    def _beyond(self) -> Node:
        """Where a child jumps to, so that any ancestor is a logarithm of steps away."""
        jump = self._jump
        same = self._depth - jump._depth == jump._depth - jump._jump._depth
        return jump._jump if same and self.parent else self

    def chain(self) -> Iterator[Node]:
        """Yield this and all that it begins with, the longest first."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent

    def begins(self, window: bytes) -> Node | None:
        """The longest of this and its ancestors that a text begins with, or None."""
        node: Node | None = self
        while node is not None and not window.startswith(node.data):
            jump = node._jump
            node = node.parent if jump is node or window.startswith(jump.data) else jump
        return node


def _rising(nodes: Iterable[Node], level: Sensitivity) -> list[Node]:
    """Of nodes those that are more secret than a level and all nodes before them."""
    rising: list[Node] = []
    for node in nodes:
        if node.level > level:
            rising.append(node)
            level = node.level
    return rising


def _signs(before: Iterable[Arounds]) -> int:
    """How many signs at most stand before."""
    return max((sum(len(one) for one, _ in arounds) for arounds in before), default=0)


class Nest:
    """Patterns with the same head; sorted when one of them is first looked up.

    Args:
        owners: whose each pattern is.
        known: what is known of owners.
    """

    __slots__ = ("_datas", "_known", "_longest", "_nodes", "_owners")

    def __init__(self, owners: Owners, known: Known) -> None:
        self._owners = owners
        self._known = known
        self._datas: list[bytes] = []
        self._nodes: list[Node] = []
        self._longest = 0

    def _build(self) -> None:
        self._datas = sorted(self._owners)
        self._longest = max(map(len, self._datas))
        above: list[Node] = []
        for data in self._datas:
            while above and not data.startswith(above[-1].data):
                above.pop()
            owners = self._owners[data]
            parent = above[-1] if above else None
            level = max(map(self._known.level, owners))
            above.append(Node(data, owners, level, self._before(owners), parent))
            self._nodes.append(above[-1])

    def _before(self, owners: Sequence[Pattern]) -> dict[Arounds, Sensitivity]:
        """The signs that stand before owners, each with the highest level of those."""
        before: dict[Arounds, Sensitivity] = {}
        for owner in owners:
            around, level = self._known.around(owner), self._known.level(owner)
            if any(first for first, _ in around):
                before[around] = max(before.get(around, level), level)
        return before

    def longest(self, text: bytes, start: int, end: int) -> Node | None:
        """The longest pattern that begins at a place of a text and is over by another."""
        if not self._nodes:
            self._build()
        if len(self._nodes) == 1:
            return self._nodes[0] if text.startswith(self._datas[0], start, end) else None
        window = text[start : min(end, start + self._longest)]
        index = bisect_right(self._datas, window)
        return self._nodes[index - 1].begins(window) if index else None


@dataclass(frozen=True, slots=True)
class Head:
    """What begins with the same few bytes.

    Args:
        free: patterns that count wherever they stand.
        alone: patterns that count where they are no part of more.
        seeds: pieces that lead to values a few characters of which were changed.
    """

    free: Nest | None = None
    alone: Nest | None = None
    seeds: tuple[Pattern, ...] = ()


def heads(free: Owners, alone: Owners, seeds: Owners, known: Known) -> dict[bytes, Head]:
    """Sort patterns by their heads; a piece of a value is a head as it is.

    Args:
        free: patterns that count wherever they stand.
        alone: patterns that count where they are no part of more.
        seeds: pieces of values.
        known: what is known of owners.
    """
    assert all(len(data) >= HEAD_BYTES for data in free), "so they are found in order"
    nests = []
    for patterns in (free, alone):
        by_head: dict[bytes, dict[bytes, Sequence[Pattern]]] = {}
        for data, owners in patterns.items():
            by_head.setdefault(data[:HEAD_BYTES], {})[data] = owners
        nests.append({head: Nest(those, known) for head, those in by_head.items()})
    return {
        head: Head(nests[0].get(head), nests[1].get(head), tuple(seeds.get(head, ())))
        for head in {*nests[0], *nests[1], *seeds}
    }
