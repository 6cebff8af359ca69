"""Labels are a join semilattice, bounded in size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.labels import (
    MANY_ORIGINS,
    ORIGINS_MAX,
    TRUSTED,
    UNTRUSTED,
    Integrity,
    Label,
    Sensitivity,
)

NAMES = st.sampled_from([f"tool:{n}" for n in range(40)] + ["日本", "￿", "~", MANY_ORIGINS, ""])
# A label as the log holds it: the fruit of a join.
LABELS = st.builds(
    lambda s, i, o: Label(s, i, o).join(Label(Sensitivity.PUBLIC, Integrity.TRUSTED)),
    st.sampled_from(Sensitivity),
    st.sampled_from(Integrity),
    st.integers(0, 20).flatmap(lambda size: st.sets(NAMES, min_size=size)).map(tuple),
)


@given(LABELS, LABELS, LABELS)
def test_join_is_associative(a: Label, b: Label, c: Label) -> None:
    """How joins are bracketed does not matter."""
    assert a.join(b).join(c) == a.join(b.join(c))


@given(LABELS, LABELS)
def test_join_is_commutative(a: Label, b: Label) -> None:
    """The order does not matter."""
    assert a.join(b) == b.join(a)


@given(LABELS)
def test_join_is_idempotent(a: Label) -> None:
    """A label joined with itself is itself."""
    assert a == a.join(a)


@given(LABELS, LABELS)
def test_join_is_an_upper_bound(a: Label, b: Label) -> None:
    """Sensitivity never falls, integrity never rises, and joining again adds nothing."""
    both = a.join(b)
    assert both.sensitivity == max(a.sensitivity, b.sensitivity)
    assert both.integrity == min(a.integrity, b.integrity)
    assert both == both.join(a) == both.join(b)


@given(LABELS, LABELS)
def test_join_is_bounded_and_forgets_no_origin_silently(a: Label, b: Label) -> None:
    """At most 16 origins; when some are left out, the marker says so."""
    both = a.join(b)
    assert len(both.origins) <= ORIGINS_MAX
    lost = {*a.origins, *b.origins} - {*both.origins}
    assert not lost or MANY_ORIGINS in both.origins


@given(LABELS)
def test_least_label_changes_nothing(a: Label) -> None:
    """Public and trusted is the bottom."""
    assert a == a.join(Label(Sensitivity.PUBLIC))


def test_common_labels() -> None:
    """The default is normal and trusted; untrusted differs in integrity only."""
    assert Label(Sensitivity.NORMAL, Integrity.TRUSTED, ()) == TRUSTED
    assert Label(Sensitivity.NORMAL, Integrity.UNTRUSTED, ()) == UNTRUSTED
    assert [0, 1, 2, 3, 4] == list(Sensitivity)
