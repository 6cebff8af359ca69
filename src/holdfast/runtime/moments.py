"""Days, times of day and durations, as people write them in a request."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?:,?\s{1,3}(\d{4}))?"
_MONTH_DAY = re.compile(rf"\b{_MONTH}\s{{1,3}}(\d{{1,2}})(?:st|nd|rd|th)?\b{_YEAR}")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\s{{1,3}}(?:of\s)?{_MONTH}(?!\w){_YEAR}")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})(?::\d{2})?(?:\s{0,2}([ap])\.?m\b)?")
_HOUR = re.compile(r"\b(\d{1,2})\s{0,2}([ap])\.?m\b")
_COUNT = [
    *("a", "an", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    "half",
]
_DURATION = re.compile(
    rf"\b(\d{{1,3}}(?:\.\d)?|{'|'.join(_COUNT)})[\s-]{{1,3}}(?:an?\s)?(hour|minute|min|hr)s?\b"
)
_WHOLE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[t ](\d{2}:\d{2})(?::\d{2})?z?)?")
_AT = re.compile(r"\bat\s{1,3}(\d{1,2})\b(?![:.\d])")
_NOON = re.compile(r"\b(noon|midnight)\b")
DAY_MINUTES = 24 * 60
WHOLE_DAY = (0, DAY_MINUTES - 1)
LENGTHS_MAX = 32


def days_in(text: str) -> Iterator[str]:
    """The days that a folded text names, as `2025-01-11`, or `01-11` without a year."""
    for match in _MONTH_DAY.finditer(text):
        yield from _day(match[3], _month(match[1]), match[2])
    for match in _DAY_MONTH.finditer(text):
        yield from _day(match[3], _month(match[2]), match[1])
    for match in _ISO.finditer(text):
        yield from _day(match[1], int(match[2]), match[3])


def _month(word: str) -> int:
    return _MONTHS.index(word[:3]) + 1


def _day(year: str | None, month: int, day: str) -> Iterator[str]:
    found = f"{month:02d}-{int(day):02d}"
    yield f"{year}-{found}" if year else found


def times_in(text: str) -> Iterator[int]:
    """The times of day that a folded text names, in minutes, also a duration after them."""
    times = set(_times(text))
    lengths = list(dict.fromkeys(_lengths(text)))[:LENGTHS_MAX]
    yield from times
    for time in times:
        for length in lengths:
            yield (time + length) % DAY_MINUTES


def _times(text: str) -> Iterator[int]:
    for match in _CLOCK.finditer(text):
        yield from _minutes(int(match[1]), int(match[2]), match[3])
    for match in _HOUR.finditer(text):
        yield from _minutes(int(match[1]), 0, match[2])
    for match in _AT.finditer(text):  # of either half of the day, as people say it
        yield from _minutes(int(match[1]), 0, None)
        yield from _minutes(int(match[1]), 0, "p")
    for match in _NOON.finditer(text):
        yield 12 * 60 if match[1] == "noon" else 0


def _minutes(hour: int, minute: int, half: str | None) -> Iterator[int]:
    """The time of day; none if there is no such time."""
    if half == "p" and hour < 12:
        hour += 12
    elif half == "a" and hour == 12:
        hour = 0
    if hour < 24 and minute < 60:
        yield hour * 60 + minute


def _lengths(text: str) -> Iterator[int]:
    for match in _DURATION.finditer(text):
        word = match[1]
        if word == "half":
            count = 0.5
        elif word in _COUNT:
            count = max(1.0, float(_COUNT.index(word) - 1))
        else:
            count = float(word)
        yield round(count * (60 if match[2] in ("hour", "hr") else 1))


def moment_of(text: str) -> tuple[str, int | None] | None:
    """A day, with a time of day in minutes if it has one, that a whole value is; else None."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        return None
    clock = match[2]
    return match[1], int(clock[:2]) * 60 + int(clock[3:]) if clock else None
