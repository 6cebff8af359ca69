"""The telemetry port: spans and figures of what runs, for whoever watches the installation.

Contract
- It is told; it decides nothing. No method blocks, but for `flush`, which waits: what
  takes long to tell is kept and handed over beside. What a method raises is passed over
  (`quiet`): a session never fails because of its telemetry.
- It is told on the event loop that things happen on, in the order in which they do.
- Nothing of a session's content is told unless `content` says so, and then only as
  another reader than the author may see it.
- A trace is opaque: where in a trace something belongs. None is nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol

Attribute = str | bool | int | float | Sequence[str]


class Kind(Enum):
    """What a span is of."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


class Span(Protocol):
    """Something that takes time."""

    @property
    def trace(self) -> object | None:
        """Where what happens within it belongs."""
        ...

    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Say more of it; after its end this is nothing.

        Args:
            name: what it is called from now on, if that was not known before.
        """
        ...

    def end(self, error: str = "") -> None:
        """Say that it is over.

        Args:
            error: a stable code of what went wrong, or "".
        """
        ...


class Telemetry(Protocol):
    """Is told of spans and figures; see the module."""

    @property
    def content(self) -> bool:
        """Whether redacted content is wanted."""
        ...

    @property
    def lost(self) -> int:
        """How much of what it was told it could not keep or hand over."""
        ...

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        trace: object | None,
        *,
        since_ns: int | None = None,
    ) -> Span:
        """Begin a span.

        Args:
            trace: what it belongs to; None begins a trace of its own.
            since_ns: when it began, in nanoseconds since 1970; default: now.
        """
        ...

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """Tell a figure of a histogram."""
        ...

    def current(self) -> object | None:
        """Where what the calling code does belongs."""
        ...

    def incoming(self, headers: Mapping[str, str]) -> object | None:
        """Where a request belongs by its W3C trace context."""
        ...

    def within(self, trace: object | None) -> AbstractContextManager[None]:
        """Have what happens here, and in tasks that begin here, belong to a trace, or to none."""
        ...

    async def flush(self) -> None:
        """Wait until what it was told so far is handed over."""
        ...


class _NoSpan:
    """Is told nothing."""

    trace = None

    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Nothing."""

    def end(self, error: str = "") -> None:
        """Nothing."""


NO_SPAN: Span = _NoSpan()


class NoTelemetry:
    """Tells nobody."""

    content = False
    lost = 0

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        trace: object | None,
        *,
        since_ns: int | None = None,
    ) -> Span:
        """A span of nothing."""
        return NO_SPAN

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """Nothing."""

    def current(self) -> object | None:
        """Nowhere."""
        return None

    def incoming(self, headers: Mapping[str, str]) -> object | None:
        """Nowhere."""
        return None

    def within(self, trace: object | None) -> AbstractContextManager[None]:
        """Nothing changes."""
        return nullcontext()

    async def flush(self) -> None:
        """Nothing is kept."""


NO_TELEMETRY: Telemetry = NoTelemetry()
