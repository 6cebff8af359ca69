"""Cumulative risk: how much about a person a session has been told."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.inspection import KINDS_MAX, NOTHING, Inspected
from holdfast.core.labels import Sensitivity
from holdfast.core.risk import DAY_MS, NO_RISK, UNEXPOSED, Exposure, Risk, points, told, united

NOW = 400 * DAY_MS


def kinds(*names: str, count: int = 1) -> Inspected:
    """A message in which one value of each kind is new."""
    found = tuple((name, count) for name in sorted(names))
    return Inspected(level=Sensitivity.SENSITIVE, kinds=found)


def risk_of(*names: str, count: int = 1, last: int = NOW) -> Risk:
    """What a session was told just now."""
    return Risk(kinds=tuple((name, count, last) for name in sorted(names)))


def test_nothing_told_is_no_risk() -> None:
    """And a message in which nothing is found adds none."""
    assert (NO_RISK, frozenset()) == (told(NO_RISK, NOTHING, NOW, 7), NO_RISK.names)
    before = risk_of("email")
    assert before is told(before, NOTHING, NOW, 7)
    assert 0.0 == points(NO_RISK, NOW, 30)
    assert (Sensitivity.PUBLIC, (), 0) == (UNEXPOSED.level, UNEXPOSED.kinds, UNEXPOSED.at)
    assert UNEXPOSED == Exposure()


def test_each_kind_is_remembered_with_its_values_and_its_time() -> None:
    """Sorted by name; `grew_at` is the event that last brought a new kind."""
    first = told(NO_RISK, kinds("phone", "email"), 10, 3)
    assert Risk(kinds=(("email", 1, 10), ("phone", 1, 10)), grew_at=3) == first
    again = told(first, kinds("email", count=4), 20, 5)
    assert Risk(kinds=(("email", 5, 20), ("phone", 1, 10)), grew_at=3) == again
    more = told(again, kinds("card"), 30, 6)
    assert (("card", 1, 30), 6) == (more.kinds[0], more.grew_at)
    assert {"card", "email", "phone"} == more.names


def test_a_value_that_was_told_before_is_no_further_one() -> None:
    """It only keeps the kind from fading."""
    before = told(NO_RISK, kinds("email"), 10, 3)
    assert Risk(kinds=(("email", 1, 99),), grew_at=3) == told(
        before, kinds("email", count=0), 99, 4
    )


def test_what_does_not_fit_is_not_counted() -> None:
    """The kinds that are known still are."""
    full = told(NO_RISK, kinds(*(f"k{place:02}" for place in range(KINDS_MAX))), 10, 3)
    after = told(full, Inspected(kinds=(("k00", 1), ("zz", 1))), 20, 4)
    assert (KINDS_MAX, 3) == (len(after.kinds), after.grew_at)
    assert ("k00", 2, 20) == after.kinds[0]
    assert "zz" not in after.names


def test_a_kind_with_a_long_name_counts_by_a_shorter_one() -> None:
    """So that the fold stays small; two of them are still two."""
    after = told(NO_RISK, Inspected(kinds=(("k" * 999 + "a", 1), ("k" * 999 + "b", 1))), 10, 3)
    assert 2 == len(after.kinds)
    assert all(len(kind) < 32 for kind in after.names)


@pytest.mark.parametrize(
    ("count", "weight"),
    [(0, 1.0), (1, 1.0), (9, 1.0), (10, 1.5), (99, 1.5), (100, 2.0), (1_000, 2.5), (10_000, 3.0)],
)
def test_each_tenfold_of_values_counts_half(count: int, weight: float) -> None:
    """Ten thousand values of one kind weigh three."""
    assert weight == points(risk_of("email", count=count), NOW, 30)


@pytest.mark.parametrize(
    ("days", "half_life", "weight"),
    [
        (0, 30, 2.0),
        (30, 30, 1.0),
        (60, 30, 0.5),
        (300, 30, 0.001953),
        (1, 1, 1.0),
        (7, 14, 1.414214),
    ],
)
def test_what_was_told_long_ago_counts_less(days: int, half_life: int, weight: float) -> None:
    """Half of it after one half-life."""
    old = risk_of("email", "phone", last=NOW - days * DAY_MS)
    assert weight == points(old, NOW, half_life)


def test_a_clock_that_runs_back_makes_nothing_worse() -> None:
    """What is told in the future counts as just now."""
    assert 1.0 == points(risk_of("email", last=NOW + DAY_MS), NOW, 30)


@pytest.mark.parametrize(
    ("names", "weight"),
    [
        (("person", "date_of_birth", "address"), 4.0),
        (("date_of_birth", "address"), 3.0),
        (("person", "date_of_birth"), 3.0),
        (("ssn", "date_of_birth"), 3.0),
        (("person", "address"), 2.0),
        (("person", "email", "phone"), 3.0),
        (("person", "date_of_birth", "address", "ssn"), 5.0),
    ],
)
def test_kinds_that_single_a_person_out_count_one_more(
    names: tuple[str, ...], weight: float
) -> None:
    """Once, however many of such combinations there are."""
    assert weight == points(risk_of(*names), NOW, 30)


def test_what_is_told_in_several_places() -> None:
    """Of a kind the larger figures count; the last growth is the latest."""
    one = Risk(kinds=(("email", 5, 10), ("phone", 1, 90)), grew_at=3)
    other = Risk(kinds=(("card", 1, 7), ("email", 2, 20)), grew_at=8)
    expected = Risk(kinds=(("card", 1, 7), ("email", 5, 20), ("phone", 1, 90)), grew_at=8)
    assert expected == united((one, other)) == united((other, one))
    assert NO_RISK == united(())


RISKS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 99), st.integers(0, NOW)), max_size=6
).map(
    lambda rows: Risk(
        kinds=tuple((kind, *rest) for kind, rest in sorted({k: (c, t) for k, c, t in rows}.items()))
    )
)


@given(RISKS, RISKS, RISKS)
def test_uniting_is_a_join(one: Risk, other: Risk, third: Risk) -> None:
    """Order and repetition do not matter, and nothing weighs less for it."""
    both = united((one, other))
    assert both == united((other, one)) == united((both, one, both))
    assert united((both, third)) == united((one, united((other, third))))
    assert points(one, NOW, 30) <= points(both, NOW, 30)


@given(RISKS, st.lists(st.sampled_from("abcdef"), min_size=1, unique=True), st.integers(0, 99))
def test_telling_more_never_weighs_less(before: Risk, names: list[str], count: int) -> None:
    """Nor does it with time."""
    after = told(before, kinds(*names, count=count), NOW, 1)
    assert points(before, NOW, 30) <= points(after, NOW, 30)
    faded = [points(after, NOW + days * DAY_MS, 30) for days in (0, 1, 30, 999)]
    assert all(later <= earlier for earlier, later in pairwise(faded))
