"""Few places cover what many did, at every level."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.taints.covering import covering
from holdfast.adapters.taints.decoding import Place
from holdfast.core.labels import Sensitivity
from holdfast.core.redaction import Span, merge

SIZE = 40
PLACES = st.dictionaries(
    st.tuples(st.integers(0, SIZE - 1), st.integers(1, 12)).map(
        lambda one: (one[0], min(one[0] + one[1], SIZE))
    ),
    st.sampled_from(Sensitivity),
    max_size=60,
)


def merged(places: dict[Place, Sensitivity], level: Sensitivity) -> list[Place]:
    """What redaction makes of the places that are at least so secret."""
    those = [
        Span(kind="k", start=start, end=end) for (start, end), its in places.items() if its >= level
    ]
    return [(one.start, one.end) for one in merge(those, SIZE)]


@given(PLACES)
def test_what_is_made_of_them_is_what_would_be_made_of_all(
    places: dict[Place, Sensitivity],
) -> None:
    """Whatever counts as too secret; and there are few: no three of a level overlap."""
    chosen = covering(places)
    assert chosen <= set(places)
    kept = {place: places[place] for place in chosen}
    for level in Sensitivity:
        assert merged(places, level) == merged(kept, level)
        at = [place for place, its in kept.items() if its == level]
        for middle in range(SIZE):
            assert sum(start <= middle < end for start, end in at) <= 2


@given(PLACES)
def test_a_place_that_covers_all_it_overlaps_is_chosen(places: dict[Place, Sensitivity]) -> None:
    """So what stands there by itself keeps its name."""
    chosen = covering(places)
    lowest = min(places.values(), default=Sensitivity.PUBLIC)
    assert {one for one in merged(places, lowest) if one in places} <= chosen


def test_values_within_values_are_one_place() -> None:
    """A thousand of them, but for the one that is more secret."""
    places = {(start, 2_000 - start): Sensitivity.SENSITIVE for start in range(900)}
    assert {(0, 2_000)} == covering(places)
    places[10, 20] = Sensitivity.CRITICAL
    assert {(0, 2_000), (10, 20)} == covering(places)
    assert set() == covering({})
