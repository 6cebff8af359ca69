"""How long an engine has led a session and whether it still may."""

from __future__ import annotations

from holdfast.ports.clock import Clock
from holdfast.ports.store import Lease


class Tenure:
    """One engine's time with a lease.

    Args:
        lease: as the store gave it.
    """

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._since = clock.monotonic()
        self.led_ms = clock.now_ms()

    @property
    def margin_ok(self) -> bool:
        """Whether the lease is still good for starting something."""
        margin = self._lease.margin_s
        return margin is None or self._clock.monotonic() - self._since < margin

    @property
    def grace_s(self) -> float:
        """Seconds a former holder may go on acting."""
        return self._lease.grace_s

    @property
    def grace_over(self) -> bool:
        """Whether a former holder can no longer be acting (contract 1.6)."""
        return self._clock.monotonic() - self._since >= self._lease.grace_s
