"""Days and times of day are found in what people write, and nothing else is taken for them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.runtime.moments import LENGTHS_MAX, days_in, moment_of, times_in


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("on may 15th, 2024", {"2024-05-15"}),
        ("on may 15", {"05-15"}),
        ("the 14th of november", {"11-14"}),
        ("14 nov. 2023", {"2023-11-14"}),
        ("2024-05-20 at ten", {"2024-05-20"}),
        ("sept 3 and 4 october", {"09-03", "10-04"}),
        ("version 2024-05-201", set()),
        ("dismay 5", set()),
        ("", set()),
    ],
)
def test_days_are_found_in_words_and_digits(text: str, days: set[str]) -> None:
    """With a year, or without one where none is written."""
    assert days == set(days_in(text))


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("at 10:30", {630}),
        ("10:30 pm", {22 * 60 + 30}),
        ("12 a.m.", {0}),
        ("12pm", {720}),
        ("5 pm", {17 * 60}),
        ("at 5", {5 * 60, 17 * 60}),
        ("at 55 or 99:99 or 24:00", set()),
        ("at noon", {720}),
        ("at midnight", {0}),
        ("this afternoon", set()),
        ("10:00 for one hour", {600, 660}),
        ("a 1-hour meeting, 10:00", {600, 660}),
        ("10:00, half an hour", {600, 630}),
        ("10:00 for 1.5 hours", {600, 690}),
        ("23:30, 90 minutes", {1410, 60}),
        ("two hours", set()),
    ],
)
def test_times_of_day_are_found(text: str, times: set[int]) -> None:
    """In minutes; a duration counts only after a time, and half a word is no time."""
    assert times == set(times_in(text))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-20", ("2024-05-20", None)),
        ("2024-05-20 10:00", ("2024-05-20", 600)),
        ("2024-05-20t10:00:00z", ("2024-05-20", 600)),
        ("2024-05-20 10:00 or so", None),
        ("may 20", None),
    ],
)
def test_a_whole_value_is_a_moment(text: str, moment: tuple[str, int | None] | None) -> None:
    """Only a value that is nothing else."""
    assert moment == moment_of(text)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever stands there, nothing is raised and every time is within the day."""
    assert all(0 <= one < 24 * 60 for one in times_in(text))
    assert all(len(one) in (5, 10) for one in days_in(text))
    moment_of(text)


def test_times_and_durations_do_not_multiply() -> None:
    """A text full of both is read in linear time, and few durations are added."""
    text = " ".join(
        f"{n % 24}:{n % 60:02} for {n % 1000} minutes and may {n % 30 + 1}" for n in range(1_000)
    )
    started = time.perf_counter()
    found = list(times_in(text))
    assert len(found) <= 24 * 60 * (LENGTHS_MAX + 1)
    assert [] != list(days_in(text))
    assert 5 > time.perf_counter() - started
