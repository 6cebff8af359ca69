"""The taints port: which registered values stand in a text, plain or encoded.

Contract
- Values are handed over once and are then held where `forget` can make them go:
  a matcher outside the process of the caller exits for it, and tells no value
  ever back. What it returns are places and keyed fingerprints.
- `scan` finds a value in every encoding that docs/concepts.md lists; it never
  raises for what a text says. If it cannot answer, it raises `Unavailable`, and the
  caller takes the text for tainted (fail closed).
- Every value that stands in a text is told at least once. Of places that overlap as
  few are told as cover all of them, at each level of secrecy: whatever counts as too
  secret, what is taken out is what would be if all places had been told. So what a
  text costs does not grow with values within values, which a stranger can make up.
- A session's values are never matched for another session.
- `reach` is how many characters at the end of a text may still become a match
  when more follows; 0 for a session without values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.core.findings import TaintMatch
from holdfast.core.labels import Sensitivity


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A value to look for.

    Args:
        id: keyed fingerprint, hex; what matches are reported under.
        kind: as the classifier named it.
        level: how secret it is.
        value: UTF-8; the caller overwrites it after `load` has returned.
    """

    id: str
    kind: str
    level: Sensitivity
    value: bytearray


class TaintMatcher(Protocol):
    """Looks for registered values."""

    async def load(self, session: str, taints: Sequence[Taint]) -> None:
        """Add values to a session's; one that is known by its id is passed over."""
        ...

    async def scan(self, session: str, text: str) -> tuple[TaintMatch, ...]:
        """Find a session's values in a text, ordered by start.

        Raises:
            Unavailable: the matcher does not answer.
        """
        ...

    async def reach(self, session: str) -> int:
        """How many characters at a text's end may still become a match."""
        ...

    async def known(self, session: str) -> int:
        """How many values of a session are loaded; 0 after it was restarted."""
        ...

    async def forget(self, session: str) -> None:
        """Drop a session's values; when it returns no memory holds them any more."""
        ...

    async def aclose(self) -> None:
        """Drop everything."""
        ...
