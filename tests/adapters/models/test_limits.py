"""Waiting times: backoff with full jitter and both forms of Retry-After."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.models.limits import CallLimits, retry_after_seconds, wait_seconds

NOW = 1_767_225_600_000  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 2026 01:01:00 +0100"}, 60.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:01:00"}, 60.0),
        ({"retry-after": "Wed, 31 Dec 2025 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 99 Foo 2026 00:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds and dates are read, anything else is no answer."""
    assert seconds == retry_after_seconds(headers, NOW)


def test_backoff_doubles_up_to_its_cap() -> None:
    """The ceiling of the wait doubles with each attempt and then stays."""
    limits = CallLimits(backoff_base_s=1, backoff_max_s=5)
    assert [1, 2, 4, 5, 5] == [wait_seconds(limits, n, 1.0, None) for n in range(1, 6)]


def test_jitter_is_full() -> None:
    """The wait reaches down to nothing, so that clients spread out."""
    assert [0.0, 1.0] == [wait_seconds(CallLimits(), 2, jitter, None) for jitter in (0.0, 1.0)]


@given(
    st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(0, 1e12),
)
def test_waits_are_bounded(attempt: int, jitter: float, asked: float | None) -> None:
    """No attempt, jitter or provider makes a wait negative or longer than the caps."""
    limits = CallLimits()
    wait = wait_seconds(limits, attempt, jitter, asked)
    assert 0 <= wait
    if asked is None:
        assert wait <= limits.backoff_max_s
    else:
        assert min(asked, limits.retry_after_max_s) <= wait
        assert wait <= limits.retry_after_max_s + limits.backoff_base_s
