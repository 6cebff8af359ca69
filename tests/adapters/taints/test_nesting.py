"""Of patterns that begin alike the longest that stands at a place is found."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.taints.nesting import HEAD_BYTES, STEPS_MAX, Nest, Node, heads
from holdfast.adapters.taints.variants import Arounds, Pattern
from holdfast.core.labels import Sensitivity

ONE = Pattern(0)


class Told:
    """What is known of owners: of each the level and the signs that were given."""

    def __init__(
        self,
        levels: Mapping[int, Sensitivity] | None = None,
        around: Mapping[int, Arounds] | None = None,
    ) -> None:
        self._levels = levels or {}
        self._around = around or {}

    def level(self, pattern: Pattern) -> Sensitivity:
        """As given."""
        return self._levels.get(pattern.entry, Sensitivity.SENSITIVE)

    def around(self, pattern: Pattern) -> Arounds:
        """As given."""
        return self._around.get(pattern.entry, ())

    def value(self, pattern: Pattern) -> bytes:
        """Nothing that counts here."""
        return b"%d" % pattern.entry


def data_of(node: Node | None) -> bytes | None:
    """The bytes of a node, or None."""
    return node and node.data


def test_the_longest_pattern_is_found() -> None:
    """Up to where the place is over; with all that it begins with, the longest first."""
    nest = Nest({b"a" * size: [ONE] for size in (8, 9, 12, 40)}, Told())
    node = nest.longest(b"b" + b"a" * 20 + b"b", 1, 22)
    assert node is not None
    assert [12, 9, 8] == [len(one.data) for one in node.chain()]
    assert b"a" * 9 == data_of(nest.longest(b"a" * 20, 0, 11))
    assert None is nest.longest(b"a" * 20, 0, 7)
    assert None is nest.longest(b"abaaaaaaaaaa", 0, 12)


def test_one_pattern_is_a_nest() -> None:
    """It is there or it is not."""
    nest = Nest({b"secret123": [ONE]}, Told())
    assert b"secret123" == data_of(nest.longest(b"a secret123", 2, 11))
    assert None is nest.longest(b"a secret123", 2, 10)
    assert None is nest.longest(b"a secret124", 2, 11)


@settings(max_examples=200, deadline=None)
@given(
    patterns=st.sets(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=40),
    text=st.text("ab", max_size=30),
    end=st.integers(0, 30),
)
def test_it_is_the_one_that_trying_all_would_find(patterns: set[str], text: str, end: int) -> None:
    """At every place, whatever the patterns."""
    nest = Nest({one.encode(): [ONE] for one in patterns}, Told())
    for start in range(len(text)):
        window = text[start:end]
        longest = max((one for one in patterns if window.startswith(one)), key=len, default=None)
        found = nest.longest(text.encode(), start, end)
        assert (longest and longest.encode()) == data_of(found)
        if found is not None:
            chain = [one.data.decode() for one in found.chain()]
            begins = {one for one in patterns if found.data.startswith(one.encode())}
            assert sorted(begins, key=len, reverse=True) == chain


def test_ancestors_are_a_few_jumps_away() -> None:
    """Of thousands of patterns within each other a few are compared with a text."""
    sizes = range(8, 2_008)
    nest = Nest({b"a" * size + end: [ONE] for size in sizes for end in (b"", b"b")}, Told())
    compared = 0

    class Window(bytes):
        """A text that counts what it is compared with."""

        def startswith(self, *prefix: object) -> bool:  # type: ignore[override]  # no places
            nonlocal compared
            compared += 1
            return super().startswith(*prefix)  # type: ignore[arg-type]  # as it is called

    node = nest.longest(b"a" * 2_007 + b"b", 0, 2_008)
    assert node is not None and 2_001 == len(list(node.chain()))
    assert b"a" * 30 == data_of(node.begins(Window(b"a" * 30 + b"c")))
    assert compared < 60


def test_what_is_more_secret_is_told_beside_the_longest() -> None:
    """And nothing else of what it begins with: what is as secret or less is within it."""
    levels = {8: 1, 9: 4, 10: 2, 11: 3, 12: 2}
    told = Told({size: Sensitivity(level) for size, level in levels.items()})
    nest = Nest({b"a" * size: [Pattern(size)] for size in levels}, told)
    node = nest.longest(b"a" * 12, 0, 12)
    assert node is not None
    assert [12, 11, 9] == [len(step.data) for step in node.steps]


def test_what_begins_with_other_signs_is_told_as_well() -> None:
    """Up to a few; of more it is told how many signs there may be."""
    around: dict[int, Arounds] = {9: ((b"#", b""),), 10: ((b"##", b"!"),), 11: ((b"#", b""),)}
    nest = Nest({b"a" * size: [Pattern(size)] for size in range(8, 13)}, Told(around=around))
    node = nest.longest(b"a" * 12, 0, 12)
    assert node is not None and not node.loose
    assert [12, 11, 10] == [len(step.data) for step in node.steps]
    many = {size: ((b"#" * size, b""),) for size in range(8, 60)}
    levels = {20: Sensitivity.CRITICAL}
    nest = Nest({b"a" * size: [Pattern(size)] for size in range(8, 60)}, Told(levels, many))
    node = nest.longest(b"a" * 59, 0, 59)
    assert node is not None
    assert len(node.steps) <= STEPS_MAX + 1 and node.loose >= 40
    assert 20 in [len(step.data) for step in node.steps]


def test_heads() -> None:
    """Patterns are sorted by how they begin, pieces stand by themselves."""
    sorted_ = heads(
        {b"abcdefghij": [ONE], b"abcdefgh": [ONE]},
        {b"abcdefghi": [ONE], b"hunter2": [ONE]},
        {b"abcde": [ONE]},
        Told(),
    )
    assert {b"abcdefgh", b"hunter2", b"abcde"} == set(sorted_)
    both = sorted_[b"abcdefgh"]
    assert both.free is not None and both.alone is not None and not both.seeds
    assert (ONE,) == sorted_[b"abcde"].seeds and sorted_[b"abcde"].free is None
    assert max(map(len, sorted_)) == HEAD_BYTES
