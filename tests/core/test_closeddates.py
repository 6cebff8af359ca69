"""Dates of an extraction: one form each, and when two say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.closeddates import form_of, is_date, is_offset, when_of

OFFSETS = ["Z", "+00:00", "+02:00", "-09:30", "+14:00", "-14:00"]
FORMS = [(False, ""), (True, ""), *((True, offset) for offset in OFFSETS)]


@pytest.mark.parametrize(("timed", "offset"), FORMS)
def test_each_form_is_itself_and_no_other(timed: bool, offset: str) -> None:
    """A date in one form is none in another."""
    written = form_of(timed, offset)
    assert [(timed, offset)] == [form for form in FORMS if is_date(written, *form)]
    assert when_of(written) is not None


@pytest.mark.parametrize("offset", ["", "z", "UTC", "+2:00", "+0200", "+15:00", "-00:00", "+02:60"])
def test_what_is_no_offset(offset: str) -> None:
    """Nor is one that RFC 3339 calls unknown, or that no place on earth has."""
    assert not is_offset(offset)
    assert all(map(is_offset, OFFSETS))


@given(st.datetimes(), st.sampled_from(range(-840, 841, 30)), st.sampled_from(range(-840, 841, 30)))
def test_the_same_instant_is_the_same_at_every_offset(at: datetime, here: int, there: int) -> None:
    """And it is never the clock that it is written with."""
    at = at.replace(second=0, microsecond=0, year=max(2, min(at.year, 9998)))
    zoned = at.replace(tzinfo=timezone(timedelta(minutes=here)))
    one = when_of(zoned.isoformat())
    other = when_of(zoned.astimezone(timezone(timedelta(minutes=there))).isoformat(" "))
    assert one is not None and one == other and one.fixed
    assert one == when_of(f"{zoned.astimezone(UTC).isoformat()[:16]}Z")
    clock = when_of(at.isoformat())
    assert clock is not None and clock != one and not clock.fixed
    assert clock != when_of(at.date().isoformat())


@given(st.text(alphabet="0123456789-:TtZz+. \n\u0660", max_size=30))
def test_anything_is_a_date_or_none(text: str) -> None:
    """It never raises; what is one begins with a day of the calendar."""
    found = when_of(text)
    if found is not None:
        datetime.fromisoformat(text[:10])
        assert text.isascii() and text == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01T00:00:00+02:00", "9999-12-31T23:59:00-02:00", "0000-01-01", "2026-02-29"),
        *("2026-01-31T24:00", "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00-00:00"),
        *("2026-01-31T09:30:01", "2026-01-31T09:30:00.5Z", "2026-01-31Z", "2026-01-31T09Z"),
        *("2026-01-31  09:30", "2026-01-31T09:30 Z", "2026-W05-6", "20260131", ""),
    ],
)
def test_what_is_no_date(text: str) -> None:
    """Beyond the calendar, with seconds, in another writing, or at an unknown offset."""
    assert when_of(text) is None
