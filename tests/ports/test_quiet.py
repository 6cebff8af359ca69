"""A telemetry that fails fails nobody, and what happens meanwhile goes on as it was."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holdfast.core.errors import LeaseHeld, Unavailable
from holdfast.ports import quiet as quiet_module
from holdfast.ports.quiet import LOST_MAX, QuietTelemetry, quiet
from holdfast.ports.telemetry import NO_SPAN, NO_TELEMETRY, Kind, NoTelemetry, Telemetry
from tracefaults import CANARY, ODD, PLACES, Faulty, Odd

ERRORS = (
    RuntimeError,
    StopIteration,
    AssertionError,
    MemoryError,
    RecursionError,
    TimeoutError,
    Unavailable,
    LeaseHeld,
)


def tell(telemetry: Telemetry) -> list[object]:
    """All that is told, and what came of it."""
    found: list[object] = [telemetry.content, telemetry.current() is None]
    trace = telemetry.incoming({"traceparent": "a"})
    span = telemetry.start("a", Kind.SERVER, {}, trace, since_ns=1)
    with telemetry.within(span.trace):
        found.append("within")
    span.note({"b": 1}, name="c")
    span.end("d")
    telemetry.measure("e", 1.0, {})
    return [*found, telemetry.lost]


async def use(telemetry: Telemetry) -> list[object]:
    """All that is done with telemetry, and what came of it."""
    found = tell(telemetry)
    await telemetry.flush()
    return found


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log of ours says."""
    return [one.getMessage() for one in caplog.records if one.name == "holdfast"]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_fails_is_passed_over_and_counted(
    place: str, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """The first is logged by its place and type, later ones are not, and no word of them is."""
    faulty = Faulty(place, lambda: error(CANARY))
    telemetry = quiet(faulty)
    with caplog.at_level(logging.DEBUG):
        found = [asyncio.run(use(telemetry))[:3] for _ in range(3)]
    assert [[place != "content", place == "current", "within"]] * 3 == found
    assert 3 == faulty.hits
    assert (4 if place == "lost" else 3 + 7) == telemetry.lost
    (line,) = said(caplog)
    shown = "within" if place in ("enter", "leave") else place
    # A generator may not let a StopIteration out.
    kind = (
        RuntimeError if error is StopIteration and place in ("enter", "leave", "flush") else error
    )
    assert f"telemetry failed in {shown} and is passed over: {kind.__name__}" == line


def test_what_does_not_fail_is_told_as_it_is() -> None:
    """Spans have their names, content is wanted, and nothing is lost."""
    faulty = Faulty("")
    assert [True, False, "within", 7] == asyncio.run(use(quiet(faulty)))
    assert ["c"] == faulty.ended


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_span_no_context_and_no_number_is_none(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And content is not wanted by whatever is not `True`."""
    odd: Any = Odd(ODD[kind]())
    with caplog.at_level(logging.DEBUG):
        wanted, _, within, lost = asyncio.run(use(quiet(odd)))
    assert (False, "within") == (wanted, within)
    assert isinstance(lost, int)
    assert 0 < lost <= LOST_MAX + 20
    assert 1 == len(said(caplog))
    assert CANARY not in caplog.text


@pytest.mark.parametrize("end", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place", [one for one in PLACES if one != "flush"])
def test_a_cancel_and_the_end_of_the_process_go_on(
    place: str, end: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """They are nobody's failure."""
    with caplog.at_level(logging.DEBUG), pytest.raises(end):
        tell(quiet(Faulty(place, end)))
    assert [] == said(caplog)


def test_a_cancelled_close_is_cancelled() -> None:
    """Whoever waits for what is not handed over yet can go away."""

    class Endless(NoTelemetry):
        async def flush(self) -> None:
            await asyncio.Event().wait()

    async def work() -> None:
        going = asyncio.create_task(quiet(Endless()).flush())
        await asyncio.sleep(0)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going

    asyncio.run(work())


class Swallows(NoTelemetry):
    """Has contexts that end, replace, or want to see what is raised within."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.seen: list[BaseException] = []

    @contextmanager
    def within(self, trace: object | None) -> Iterator[None]:
        """Do what no context of telemetry should."""
        try:
            yield
        except BaseException as error:
            self.seen.append(error)
            if self.way == "replace":
                raise RuntimeError("another") from None
            if self.way == "again":
                yield


@pytest.mark.parametrize("way", ["end", "replace", "again"])
@pytest.mark.parametrize(
    "error", [ValueError, StopIteration, asyncio.CancelledError, GeneratorExit]
)
def test_what_is_raised_within_is_neither_ended_nor_replaced_nor_shown(
    way: str, error: type[BaseException]
) -> None:
    """It belongs to who raised it."""
    swallows = Swallows(way)
    raised = error(CANARY)
    with pytest.raises(error) as caught, quiet(swallows).within(None):
        raise raised
    assert raised is caught.value
    assert [] == swallows.seen


def test_what_blocks_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its place and how long it took."""

    class Slow(NoTelemetry):
        def measure(self, *args: object) -> None:
            time.sleep(0.06)

    telemetry = quiet(Slow())
    with caplog.at_level(logging.WARNING, "holdfast"):
        for _ in range(3):
            telemetry.measure("a", 1.0, {})
    (line,) = said(caplog)
    assert line.startswith("telemetry held up the event loop for ")
    assert line.endswith(" ms in measure")


def test_a_close_waits_only_so_long(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says that not all was taken; a time limit of the telemetry's own is a failure."""
    monkeypatch.setattr(quiet_module, "FLUSH_S", 0.01)

    class Endless(NoTelemetry):
        async def flush(self) -> None:
            await asyncio.Event().wait()

    with caplog.at_level(logging.WARNING, "holdfast"):
        asyncio.run(quiet(Endless()).flush())
        asyncio.run(quiet(Faulty("flush", TimeoutError)).flush())
    assert [
        "telemetry did not take all that it was told in 0.01 s",
        "telemetry failed in flush and is passed over: TimeoutError",
    ] == said(caplog)


def test_it_is_wrapped_once_and_nobody_is_not() -> None:
    """A span that is nothing is nothing."""
    telemetry = quiet(Faulty("start"))
    assert telemetry is quiet(telemetry)
    assert NO_SPAN is telemetry.start("a", Kind.CLIENT, {}, None)
    assert NO_TELEMETRY is quiet(NO_TELEMETRY)
    assert isinstance(quiet(Faulty("")), QuietTelemetry)
