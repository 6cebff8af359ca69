"""Days and moments that an extraction may answer, each in one form (ADR 0027).

Rules
- A day is `2026-01-31`, and a moment is the clock of the text without an offset,
  `2026-01-31 09:30`: what the text does not say is not made up.
- Where the schema fixes an offset, a moment is written with it by RFC 3339,
  `2026-01-31T09:30:00+02:00`. Nothing else is read: neither another offset nor none.
- Two are the same as days, as clocks, or as instants. A clock is never an instant: whoever
  may add a `Z` to it, or take one away, moves it by hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_OFFSET = re.compile(r"Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00")
_WRITTEN = re.compile(
    rf"({_DAY})(?:[Tt ]([0-9]{{2}}:[0-9]{{2}})(?::00(?:\.0{{1,9}})?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_NOBODY_KNOWS = "-00:00"
"""The offset of which RFC 3339 says that it is not known (section 4.3)."""


def is_offset(text: str) -> bool:
    """Whether a text is an offset that a schema may fix: `Z`, or hours and minutes as `+02:00`."""
    return text != _NOBODY_KNOWS and _OFFSET.fullmatch(text) is not None


def form_of(timed: bool, offset: str) -> str:
    """How a date is written, as an example.

    Args:
        timed: with a time of day.
        offset: the one that the schema fixes, or "".
    """
    if not timed:
        return "2026-01-31"
    return f"2026-01-31T09:30:00{offset}" if offset else "2026-01-31 09:30"


def is_date(text: str, timed: bool, offset: str) -> bool:
    """Whether a text is a date in just that form; of one form the later is the greater text."""
    clock = rf"T[0-9]{{2}}:[0-9]{{2}}:00{re.escape(offset)}" if offset else " [0-9]{2}:[0-9]{2}"
    if not re.fullmatch(_DAY + (clock if timed else ""), text):
        return False
    return when_of(text) is not None


@dataclass(frozen=True, slots=True)
class When:
    """What a written date says.

    Args:
        at: the day, at its beginning; the clock; or the instant, in UTC.
        timed: it has a time of day; fixed: it is an instant.
    """

    at: datetime
    timed: bool
    fixed: bool


def when_of(text: str) -> When | None:
    """What a date says, however tools want it written; None if it is none.

    A `T` or a blank stands before the time of day, whose seconds are 0 or left out.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or match[3] == _NOBODY_KNOWS:
        return None
    day, clock, offset = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock or '00:00'}{(offset or '').upper()}")
        at = at.astimezone(UTC) if offset else at
    except (ValueError, OverflowError):
        return None
    return When(at, timed=clock is not None, fixed=bool(offset))
