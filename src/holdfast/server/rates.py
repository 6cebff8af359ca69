"""How often somebody may ask: token buckets, a bounded number of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

BURST_SHARE = 0.25


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Counts by key; who was not seen for longest is forgotten first.

    Args:
        per_minute: how often one key may ask; a quarter of it at once.
        keys_max: how many keys are counted at a time.
        now: a clock that only goes forward, in seconds.
    """

    def __init__(self, per_minute: int, keys_max: int, now: Callable[[], float]) -> None:
        self._per_s = per_minute / 60
        self._full = max(1.0, per_minute * BURST_SHARE)
        self._keys_max = keys_max
        self._now = now
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str) -> float:
        """Count one request; 0 if it may go on, else how many seconds it is too early."""
        bucket = self._filled(key)
        if bucket.left >= 1:
            bucket.left -= 1
            return 0.0
        return (1 - bucket.left) / self._per_s

    def wait(self, key: str) -> float:
        """How many seconds it is too early for a key; nothing is counted."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        left = self._left(bucket)
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def _left(self, bucket: _Bucket) -> float:
        return min(self._full, bucket.left + (self._now() - bucket.at) * self._per_s)

    def _filled(self, key: str) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._full, self._now())
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        else:
            bucket.left, bucket.at = self._left(bucket), self._now()
            self._buckets.move_to_end(key)
        return bucket
