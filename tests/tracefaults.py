"""What tests of telemetry share that fails: at one place, or by what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from holdfast.ports.telemetry import Attribute, Kind, Span

CANARY = "canary of what was said"
PLACES = (
    "content",
    "lost",
    "start",
    "measure",
    "current",
    "incoming",
    "within",
    "enter",
    "leave",
    "flush",
    "trace",
    "note",
    "end",
)
"""Where a telemetry may fail: its members, those of its spans, and both ends of its contexts."""


class Faulty:
    """Telemetry that fails at one place, and is told properly at all others.

    Args:
        at: one of `PLACES`, or "" for none.
        error: makes what is raised.

    Attributes:
        hits: how often it failed.
        ended: the names of the spans that have ended, in order.
    """

    def __init__(
        self, at: str, error: Callable[[], BaseException] = lambda: RuntimeError(CANARY)
    ) -> None:
        self.at, self.error = at, error
        self.hits = 0
        self.ended: list[str] = []

    def hit(self, place: str) -> None:
        """Fail, if it is to fail here."""
        if place == self.at:
            self.hits += 1
            raise self.error()

    @property
    def content(self) -> bool:
        """It is wanted."""
        self.hit("content")
        return True

    @property
    def lost(self) -> int:
        """A known number."""
        self.hit("lost")
        return 7

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        trace: object | None,
        *,
        since_ns: int | None = None,
    ) -> Span:
        """Begin a span."""
        self.hit("start")
        return FaultySpan(self, name)

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """Take a figure."""
        self.hit("measure")

    def current(self) -> object | None:
        """Somewhere."""
        self.hit("current")
        return self

    def incoming(self, headers: Mapping[str, str]) -> object | None:
        """Somewhere."""
        self.hit("incoming")
        return self

    def within(self, trace: object | None) -> AbstractContextManager[None]:
        """Have both ends."""
        self.hit("within")
        return self._within()

    @contextmanager
    def _within(self) -> Iterator[None]:
        self.hit("enter")
        yield
        self.hit("leave")

    async def flush(self) -> None:
        """Nothing is kept."""
        self.hit("flush")


class FaultySpan:
    """A span of it."""

    def __init__(self, faulty: Faulty, name: str) -> None:
        self._faulty, self._name = faulty, name

    @property
    def trace(self) -> object | None:
        """Itself."""
        self._faulty.hit("trace")
        return self

    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Take a name."""
        self._faulty.hit("note")
        self._name = name or self._name

    def end(self, error: str = "") -> None:
        """Be over."""
        self._faulty.hit("end")
        self._faulty.ended.append(self._name)


class Hostile:
    """Whatever is asked of it fails."""

    def __getattribute__(self, name: str) -> Any:
        raise LookupError(CANARY)

    def __bool__(self) -> bool:
        raise LookupError(CANARY)

    def __eq__(self, other: object) -> bool:
        raise LookupError(CANARY)

    __hash__ = None  # type: ignore[assignment]  # what cannot be a key of anything


class Odd:
    """Telemetry that returns one thing wherever it is asked for anything.

    Args:
        value: what it returns.
    """

    def __init__(self, value: object) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        if name in ("content", "lost"):
            return self._value
        return lambda *args, **more: self._value


ODD: Mapping[str, Callable[[], object]] = {
    "none": lambda: None,
    "number": lambda: 7,
    "text": lambda: "text",
    "nan": lambda: float("nan"),
    "huge": lambda: 10**400,
    "object": object,
    "hostile": Hostile,
    "class": lambda: Hostile,
}
"""Makes what is neither a span nor a context, nor says whether content is wanted."""
