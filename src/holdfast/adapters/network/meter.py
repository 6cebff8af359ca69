"""How many bytes are exchanged with the outside, counted in this process."""

from __future__ import annotations


class Meter:
    """Counts bytes both ways, as long as the process lives; a `ByteMeter`."""

    def __init__(self) -> None:
        self.used = 0

    async def take(self, size: int, bytes_max: int | None) -> bool:
        """Count bytes that are about to be passed on; False if they may not be.

        What does not fit is not passed on, and nothing fits after it.

        Args:
            bytes_max: the session's limit; None for none.
        """
        if bytes_max is not None and self.used + size > bytes_max:
            self.used = max(self.used, bytes_max)
            return False
        self.used += size
        return True

    async def spent(self, bytes_max: int | None) -> bool:
        """Whether nothing more may be exchanged."""
        return bytes_max is not None and self.used >= bytes_max
