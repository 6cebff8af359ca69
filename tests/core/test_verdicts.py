"""Verdicts: the strictest wins, whatever the order and however often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.verdicts import Allow, Ask, Deny, Verdict, join, join_all

WORDS = st.sampled_from(["a", "b", "c"])
SORTED = st.sets(WORDS).map(lambda some: tuple(sorted(some)))
TAKES = st.sets(st.tuples(WORDS, st.integers(1, 2))).map(lambda some: tuple(sorted(some)))
ALLOWS = st.builds(Allow, SORTED, TAKES, SORTED)
ABOUT = st.sampled_from(["approval", "escape"])
ASKS = st.builds(Ask, WORDS, WORDS, WORDS, ABOUT, st.integers(1, 2), SORTED, TAKES, SORTED)
DENIES = st.builds(Deny, WORDS, WORDS, WORDS)
VERDICTS: st.SearchStrategy[Verdict] = ALLOWS | ASKS | DENIES
RANK = {Allow: 0, Ask: 1, Deny: 2}


@given(st.lists(VERDICTS, min_size=1), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(verdicts: list[Verdict], random: object) -> None:
    """Any order of the guards, and any guard asked twice, comes to the same."""
    again = verdicts + verdicts[::2]
    random.shuffle(again)
    assert join_all(verdicts) == join_all(again)


@given(VERDICTS, VERDICTS, VERDICTS)
def test_join_is_a_semilattice(a: Verdict, b: Verdict, c: Verdict) -> None:
    """Associative, commutative, idempotent."""
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, b) == join(b, a)
    assert a == join(a, a)


@given(VERDICTS, VERDICTS)
def test_strictest_wins(a: Verdict, b: Verdict) -> None:
    """Deny over Ask over Allow, and each reason is one that was given."""
    both = join(a, b)
    assert max(RANK[type(a)], RANK[type(b)]) == RANK[type(both)]
    if isinstance(both, Deny):
        assert both in (a, b)
    if isinstance(both, Ask):
        asked = [part for one in (a, b) if isinstance(one, Ask) for part in one.parts]
        assert set(asked) == set(both.parts)


@given(VERDICTS, VERDICTS)
def test_a_yes_keeps_what_is_reserved(a: Verdict, b: Verdict) -> None:
    """Takes, grants and obligations of all guards hold once the question is answered."""
    both = join(a, b)
    if isinstance(both, Ask):
        given_by = [one for one in (a, b) if isinstance(one, Allow | Ask)]
        assert {take for one in given_by for take in one.takes} == set(both.granted().takes)
        assert {id for one in given_by for id in one.grants} == set(both.granted().grants)


@given(ALLOWS, ALLOWS)
def test_obligations_add_up(a: Allow, b: Allow) -> None:
    """What either guard obliges to is obliged."""
    both = join(a, b)
    assert isinstance(both, Allow)
    assert {*a.obligations, *b.obligations} == {*both.obligations}


def test_join_of_none_is_the_neutral_allow() -> None:
    """Nothing joined is Allow; the judge never joins nothing."""
    assert Allow() == join_all([])
