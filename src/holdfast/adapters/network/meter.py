"""How many bytes a session exchanges with the outside, all its commands together."""

from __future__ import annotations


class Meter:
    """Counts the bytes of one session, both ways.

    It counts as long as the process lives that runs the session's commands.
    """

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int, bytes_max: int | None) -> bool:
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

    def spent(self, bytes_max: int | None) -> bool:
        """Whether nothing more may be exchanged."""
        return bytes_max is not None and self.used >= bytes_max
