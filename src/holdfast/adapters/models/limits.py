"""How long a call may take and how often it is tried: limits and waiting times.

Backoff is exponential with full jitter, so that clients that failed together
do not come back together. A provider's `Retry-After` is honoured in both of its
forms (seconds and an HTTP date), up to a cap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRYABLE_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Limits of one model call; all times in seconds.

    Args:
        connect_s: to open a connection.
        idle_s: between two pieces of an answer, and before the first.
        total_s: for the whole call, all attempts and waits included.
        attempts: how often the request is sent at most.
        backoff_base_s: the longest first wait; it doubles with each attempt.
        backoff_max_s: the longest wait of the backoff.
        retry_after_max_s: the longest wait a provider can ask for.
    """

    connect_s: float = 10.0
    idle_s: float = 120.0
    total_s: float = 900.0
    attempts: int = 4
    backoff_base_s: float = 0.5
    backoff_max_s: float = 30.0
    retry_after_max_s: float = 60.0


def retry_after_seconds(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Read how long a provider asks to wait, in seconds ≥ 0; None when it does not say.

    Args:
        headers: the answer's headers.
        now_ms: the wall clock in milliseconds since 1970, for an HTTP date.
    """
    value = next((text for name, text in headers.items() if name.lower() == "retry-after"), "")
    value = value.strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, now_ms)
    # NaN compares false with everything and infinity has no end: neither is an answer.
    return seconds if 0 <= seconds < float("inf") else None


def _seconds_until(value: str, now_ms: int) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    now = datetime.fromtimestamp(now_ms / 1000, tz=UTC)
    return max(0.0, (moment - now).total_seconds())


def wait_seconds(
    limits: CallLimits, attempt: int, jitter: float, retry_after_s: float | None
) -> float:
    """Return how long to wait after failed attempt number `attempt` (from 1).

    Args:
        limits: base and caps.
        attempt: the number of the attempt that failed.
        jitter: a random number in [0, 1).
        retry_after_s: what the provider asked for; the wait is never shorter,
            and a little longer so that clients do not come back as one.
    """
    ceiling = min(limits.backoff_max_s, limits.backoff_base_s * 2.0 ** min(attempt - 1, 30))
    if retry_after_s is None:
        return jitter * ceiling
    return min(retry_after_s, limits.retry_after_max_s) + jitter * limits.backoff_base_s
