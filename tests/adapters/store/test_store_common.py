"""What every store does alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.adapters.store import store_common as common
from holdfast.core.errors import CounterRefused, InvalidInput, TooLarge
from holdfast.ports.store import (
    Append,
    CommandDone,
    Counter,
    Filter,
    IndexRow,
    PendingKind,
    PendingRow,
    Settle,
    Take,
)
from holdfast.testing.store_kit import append, event

GOOD = append(1, 4, 2)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, stream=0),
        replace(GOOD, stream=1 << 63),
        replace(GOOD, expected_version=3),
        replace(GOOD, expected_version=-1, events=()),
        replace(GOOD, events=(event(5), event(7))),
        replace(GOOD, events=(replace(event(5), epoch=2),)),
        replace(GOOD, events=(replace(event(5), hash=b""),)),
        replace(GOOD, events=(replace(event(5), kind=0x10000),)),
        replace(GOOD, takes=(Take(counter="a", amount=-1),)),
        replace(GOOD, settles=(Settle(counter="a", held=-1, used=0),)),
        replace(GOOD, done=(CommandDone(id=b"a", digest=b"1"),) * 2),
        replace(GOOD, pending=(PendingRow(stream=1, kind=PendingKind.TIMER, id=b""),)),
        replace(GOOD, index=IndexRow(state=1, tokens=frozenset({b"short"}))),
        replace(GOOD, index=IndexRow(state=1, sensitivity=5)),
    ],
)
def test_a_malformed_append_is_a_bug(bad: Append) -> None:
    """Misuse is an assertion, not a domain error."""
    common.check_append(GOOD)
    with pytest.raises(AssertionError):
        common.check_append(bad)


def test_a_first_append_begins_at_nothing() -> None:
    """Version 0, epoch 1 and at least one event."""
    common.check_first(append(1, 0))
    for bad in (append(1, 1), append(1, 0, epoch=2), append(1, 0, count=0)):
        with pytest.raises(AssertionError):
            common.check_first(bad)


def test_a_part_has_a_limit() -> None:
    """The limit itself fits, one byte more does not."""
    common.check_part(0, bytes(common.PART_BYTES_MAX))
    with pytest.raises(TooLarge):
        common.check_part(0, bytes(common.PART_BYTES_MAX + 1))


def test_charging_settles_first_and_keeps_nothing() -> None:
    """What is settled makes room for what is taken; the input is not changed."""
    stored = {"a": Counter(id="a", limit=10, used=2, held=8, revision=3)}
    wanted = replace(
        GOOD,
        takes=(Take(counter="a", amount=4),),
        settles=(Settle(counter="a", held=8, used=4),),
    )
    after = common.charge(wanted, stored.get)
    assert {"a": Counter(id="a", limit=10, used=6, held=4, revision=3)} == after
    assert 8 == stored["a"].held
    for bad in (
        replace(wanted, takes=(Take(counter="a", amount=5),)),
        replace(wanted, settles=(Settle(counter="a", held=9, used=0),)),
        replace(wanted, takes=(Take(counter="b", amount=0),)),
    ):
        with pytest.raises(CounterRefused):
            common.charge(bad, stored.get)


def test_the_limit_changes_the_revision() -> None:
    """Only a change of the limit does."""
    first = common.with_limit(None, "a", 5)
    assert Counter(id="a", limit=5, revision=1) == first
    assert first is common.with_limit(first, "a", 5)
    assert 2 == common.with_limit(first, "a", None).revision


def test_cursors_come_back_as_they_went() -> None:
    """A cursor of ours is read, any other text is refused."""
    place = (1_700_000_000_000, (1 << 63) - 1)
    assert place == common.cursor_at(Filter(cursor=common.cursor_of(*place)))
    assert common.cursor_at(Filter()) is None
    for bad in ("x", "1", "1.", ".1", "1.2.3", f"1.{1 << 63}"):
        with pytest.raises(InvalidInput):
            common.cursor_at(Filter(cursor=bad))


def test_pages_have_bounds() -> None:
    """At least one row and at most a thousand."""
    assert [1, 50, 1000] == [common.page_size(Filter(limit=n)) for n in (-1, 50, 5000)]


def test_names_fold_like_the_eye() -> None:
    """Case does not make a name another."""
    assert common.folded("STRASSE") == common.folded("Straße")
