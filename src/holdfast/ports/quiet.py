"""Telemetry that fails nobody: whatever goes wrong in it stays here.

- A program gives its own telemetry, so nothing of it is believed: it is wrapped once,
  where it is set, and what any call of it raises is held back here.
- Only an `Exception` is; a cancel and what ends the process go on.
- The first failure is logged by its place and type alone, since its text may hold
  content; all of them are counted.
- A span or a context that is none fails like any other; content is wanted only by `True`.
- What is raised within a trace is not shown to the telemetry, which so can neither end
  nor replace it.
- It is called where things happen: one that blocks holds up everything that the event
  loop does. That cannot be mended here, so the log says it, once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TypeVar

from holdfast.ports.telemetry import NO_SPAN, Attribute, Kind, NoTelemetry, Span, Telemetry

_log = logging.getLogger("holdfast")
_now = time.perf_counter
T = TypeVar("T")

SLOW_S = 0.05
"""How long a call may take before the log says that it held up the event loop, in seconds."""
FLUSH_S = 5.0
"""How long a close waits for what is not handed over yet, in seconds."""
LOST_MAX = 2**53


class Quiet:
    """Has calls fail nobody; see the module.

    Args:
        slow_s: how long one may take before the log says so, in seconds.

    Attributes:
        count: how many have failed.
    """

    def __init__(self, slow_s: float = SLOW_S) -> None:
        self.count = 0
        self._slow_s = slow_s

    def call(self, where: str, otherwise: T, function: Callable[[], T]) -> T:
        """Call a function.

        Args:
            where: what the log calls it.
            otherwise: returned if it raises.
        """
        began = _now()
        try:
            return function()
        except Exception as error:  # telemetry fails nothing but itself
            self.failed(where, error)
            return otherwise
        finally:
            if _now() - began > self._slow_s:
                self._slow(where, _now() - began)

    def failed(self, where: str, error: BaseException) -> None:
        """Count a failure, and log it if it is the first."""
        self.count += 1
        if self.count == 1:
            kind = type(error).__name__
            _log.warning("telemetry failed in %s and is passed over: %s", where, kind)

    def _slow(self, where: str, took_s: float) -> None:
        self._slow_s = math.inf  # once is enough
        _log.warning("telemetry held up the event loop for %d ms in %s", took_s * 1000, where)


class _QuietSpan:
    """A span of a telemetry that may fail."""

    __slots__ = ("_quiet", "_span")

    def __init__(self, span: Span, quiet: Quiet) -> None:
        self._span = span
        self._quiet = quiet

    @property
    def trace(self) -> object | None:
        """Where what happens within it belongs, or nowhere."""
        return self._quiet.call("trace", None, lambda: self._span.trace)

    def note(self, attributes: Mapping[str, Attribute], *, name: str = "") -> None:
        """Say more of it."""
        self._quiet.call("note", None, lambda: self._span.note(attributes, name=name))

    def end(self, error: str = "") -> None:
        """Say that it is over."""
        self._quiet.call("end", None, lambda: self._span.end(error))


class _QuietWithin:
    """A context of a telemetry that may fail; what is raised in it is none of its business."""

    __slots__ = ("_entered", "_quiet", "_telemetry", "_trace")

    def __init__(self, telemetry: Telemetry, quiet: Quiet, trace: object | None) -> None:
        self._telemetry, self._quiet, self._trace = telemetry, quiet, trace
        self._entered: AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        self._quiet.call("within", None, self._enter)

    def __exit__(self, *raised: object) -> None:
        if self._entered is not None:
            self._quiet.call("within", None, self._leave)

    def _enter(self) -> None:
        context = self._telemetry.within(self._trace)
        context.__enter__()
        self._entered = context

    def _leave(self) -> None:
        assert self._entered is not None, "what was not entered is not left"
        self._entered.__exit__(None, None, None)


class QuietTelemetry:
    """Tells a telemetry that may fail; see the module.

    Args:
        telemetry: what it tells.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._quiet = Quiet()

    @property
    def content(self) -> bool:
        """Whether redacted content is wanted, for certain."""
        return self._quiet.call("content", False, lambda: self._telemetry.content is True)

    @property
    def lost(self) -> int:
        """How many calls failed, and what the telemetry itself could not keep."""
        below = self._quiet.call("lost", 0, lambda: int(self._telemetry.lost))
        return self._quiet.count + max(0, min(below, LOST_MAX))

    def start(
        self,
        name: str,
        kind: Kind,
        attributes: Mapping[str, Attribute],
        trace: object | None,
        *,
        since_ns: int | None = None,
    ) -> Span:
        """Begin a span, which is nothing if that fails."""
        span = self._quiet.call(
            "start",
            NO_SPAN,
            lambda: self._telemetry.start(name, kind, attributes, trace, since_ns=since_ns),
        )
        return span if span is NO_SPAN else _QuietSpan(span, self._quiet)

    def measure(self, name: str, value: float, attributes: Mapping[str, Attribute]) -> None:
        """Tell a figure."""
        self._quiet.call("measure", None, lambda: self._telemetry.measure(name, value, attributes))

    def current(self) -> object | None:
        """Where what the calling code does belongs, or nowhere."""
        return self._quiet.call("current", None, self._current)

    def _current(self) -> object | None:
        return self._telemetry.current()

    def incoming(self, headers: Mapping[str, str]) -> object | None:
        """Where a request belongs, or nowhere."""
        return self._quiet.call("incoming", None, lambda: self._telemetry.incoming(headers))

    def within(self, trace: object | None) -> AbstractContextManager[None]:
        """Have what happens here belong to a trace, as far as that succeeds."""
        return _QuietWithin(self._telemetry, self._quiet, trace)

    async def flush(self) -> None:
        """Wait until all is handed over, at most `FLUSH_S` seconds."""
        limit = asyncio.timeout(FLUSH_S)
        try:
            async with limit:
                await self._telemetry.flush()
        except Exception as error:  # telemetry fails nothing but itself
            if limit.expired():
                _log.warning("telemetry did not take all that it was told in %g s", FLUSH_S)
            else:
                self._quiet.failed("flush", error)


def quiet(telemetry: Telemetry) -> Telemetry:
    """Have a telemetry fail nobody; one that cannot fail is returned as it is."""
    harmless = type(telemetry) in (QuietTelemetry, NoTelemetry)
    return telemetry if harmless else QuietTelemetry(telemetry)
