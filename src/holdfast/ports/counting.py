"""Port: a counter that only goes forward, so that older data is known for old.

Contract
- `read` says where a name stands; a name that was never counted stands at `Count()`.
- `advance` is durable when it returns, and refuses to stand still or go back.
- What the counter cannot vouch for any more (damaged, forged) it refuses to read.
- Methods are synchronous and quick.

A counter is worth as much as what keeps it from being put back itself: a file can be
put back with the disk it lies on, and finds only whoever puts back less than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

VERSION_MAX = 2**63 - 1
DIGEST_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Where something stands that is written anew as a whole.

    Args:
        version: of its newest writing; 0 is before the first.
        digest: SHA-256 of what was written, in lower-case hex, so that no other
            writing of the same version is taken for it; "" before the first.
    """

    version: int = 0
    digest: str = ""

    @property
    def sound(self) -> bool:
        """Whether it is a count at all: nothing yet, or a version and its digest."""
        if type(self.version) is not int or type(self.digest) is not str:
            return False
        if self.version == 0:
            return self.digest == ""
        hexadecimal = len(self.digest) == DIGEST_DIGITS and set(self.digest) <= _HEX
        return 0 < self.version <= VERSION_MAX and hexadecimal


_HEX = frozenset("0123456789abcdef")


class MonotonicCounter(Protocol):
    """Counts of names; see the contract above."""

    def read(self, name: str) -> Count:
        """Where a name stands.

        Raises:
            SealRefused: counter: what is there cannot be believed.
        """
        ...

    def advance(self, name: str, to: Count) -> None:
        """Go forward, durably.

        Raises:
            SealRefused: rollback: it stands there already, or farther; counter: as of `read`.
            StoreReadOnly: it cannot be written.
        """
        ...
