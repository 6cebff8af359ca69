"""The port of sealed sessions: processes that host one session each.

Contract
- A process is started with nothing of any session in its arguments or environment, and
  ends with the process that started it, however that ends.
- What a request or an answer says of content is its body, a buffer; `meta` holds ids,
  numbers and settings. Whoever is given a body overwrites it once it is read.
- Requests are independent: many may wait for their answers at once.
- Once a process has ended, every request that waits and every later one is `HostEnded`;
  whether the request was carried out is then not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from holdfast.core.errors import Unavailable


class HostEnded(Unavailable):
    """The process of a sealed session has ended; its session goes on in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a process answered.

    Args:
        meta: ids, numbers and settings.
        body: content, in a buffer that is the reader's to overwrite; not in the `repr`.
        refused: it is an error, which `meta` describes.
    """

    meta: Mapping[str, object]
    body: bytearray = field(repr=False)
    refused: bool = False


class SealedProcess(Protocol):
    """A running process that hosts a session, or is about to."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def over(self) -> bool:
        """Whether it has ended, or cannot be spoken to any more."""
        ...

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        ...

    async def ask(
        self, op: str, meta: Mapping[str, object], body: bytearray | None = None
    ) -> Reply:
        """Send a request and await its answer.

        Raises:
            HostEnded: the process has ended.
            TooLarge: the request is over the limit; nothing was sent.
        """
        ...

    async def gone(self) -> None:
        """Wait until the process has ended by itself; one that does not is killed."""
        ...

    async def end(self) -> None:
        """Tell it to let go of its session and end, and wait until it is gone."""
        ...


class SealedLauncher(Protocol):
    """Starts processes for sealed sessions."""

    async def start(self) -> SealedProcess:
        """Start one; it hosts nothing yet.

        Raises:
            Unavailable: it cannot be started.
        """
        ...
