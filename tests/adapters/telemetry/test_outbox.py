"""The thread in which spans end: in order, bounded, and there only while it is needed."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial

import pytest

from holdfast.adapters.telemetry.outbox import Outbox


def flush(outbox: Outbox) -> None:
    """Wait until all was called; a hang is a failure."""
    asyncio.run(asyncio.wait_for(outbox.flush(), 20))


def test_everything_is_called_once_in_its_order_in_one_thread() -> None:
    """Whoever puts it in."""
    outbox, found = Outbox(calls_max=10_000), list[tuple[int, int]]()
    threads = set[str]()

    def called(by: int, number: int) -> Callable[[], None]:
        def call() -> None:
            threads.add(threading.current_thread().name)
            found.append((by, number))

        return call

    def put(by: int) -> None:
        for number in range(1_000):
            outbox.put(called(by, number))

    putting = [threading.Thread(target=put, args=(by,)) for by in range(4)]
    for one in putting:
        one.start()
    for one in putting:
        one.join()
    flush(outbox)
    assert 4_000 == len(found)
    for by in range(4):
        assert list(range(1_000)) == [number for who, number in found if who == by]
    assert {"holdfast-telemetry"} == threads
    assert 0 == outbox.lost


def test_what_is_too_much_is_dropped_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What waits is kept, what comes on top is not; a flush is never too much."""
    outbox, found = Outbox(calls_max=3), list[int]()
    begun, go = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        assert go.wait(20)

    async def work() -> None:
        outbox.put(first)
        assert begun.wait(20)
        with caplog.at_level(logging.WARNING, "holdfast"):
            for number in range(10):
                outbox.put(partial(found.append, number))
        flushing = asyncio.create_task(outbox.flush())
        await asyncio.sleep(0)
        assert [] == found
        go.set()
        await flushing

    asyncio.run(asyncio.wait_for(work(), 20))
    assert [0, 1, 2] == found
    assert 7 == outbox.lost
    (line,) = caplog.messages
    assert line == "telemetry is slower than what it is told of: spans are dropped"


def fail() -> None:
    """Fail with what was said."""
    raise RuntimeError("canary")


def leave() -> None:
    """End the thread."""
    raise SystemExit


def test_what_fails_is_counted_and_said_once_and_the_next_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also what ends the thread ends no more than that."""
    outbox, found = Outbox(), list[int]()
    with caplog.at_level(logging.WARNING, "holdfast"):
        for number in range(3):
            outbox.put(fail)
            outbox.put(leave)
            outbox.put(partial(found.append, number))
            flush(outbox)
            flush(outbox)
    assert [0, 1, 2] == found
    assert 6 == outbox.lost
    assert ["telemetry failed in end and is passed over: RuntimeError"] == caplog.messages


def none(thread: threading.Thread) -> None:
    """There is no thread to be had."""
    raise RuntimeError("can't start new thread")


def test_the_thread_ends_when_nothing_comes_and_begins_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing has to be closed, and waiting for nothing needs no thread."""
    asked: list[threading.Thread] = []
    outbox, found = Outbox(idle_s=0.0), list[int]()
    before = set(threading.enumerate())
    for number in range(3):
        outbox.put(partial(found.append, number))
        flush(outbox)
        for one in set(threading.enumerate()) - before:
            one.join(20)
        assert set(threading.enumerate()) <= before
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", asked.append)
            flush(outbox)
    assert ([0, 1, 2], []) == (found, asked)


def test_what_comes_while_the_thread_ends_is_called() -> None:
    """By it or by the next."""
    outbox, found = Outbox(idle_s=0.0), list[int]()

    async def work() -> None:
        for number in range(300):
            outbox.put(partial(found.append, number))
            await outbox.flush()

    asyncio.run(asyncio.wait_for(work(), 20))
    assert list(range(300)) == found


def test_without_a_thread_it_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be none to be had; nobody waits for one then."""
    outbox = Outbox()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        outbox.put(fail)
        flush(outbox)
    assert 1 == outbox.lost
    found: list[int] = []
    outbox.put(partial(found.append, 1))
    flush(outbox)
    assert ([1], 1) == (found, outbox.lost)


def test_who_waits_may_go_away() -> None:
    """And their loop may be closed before all was called."""
    outbox, begun, go = Outbox(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        assert go.wait(20)

    outbox.put(wait)
    assert begun.wait(20)

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outbox.flush(), 0.01)

    asyncio.run(work())
    go.set()
    flush(outbox)
    assert 0 == outbox.lost


STUCK = """
import threading
from holdfast.adapters.telemetry.outbox import Outbox
outbox, begun = Outbox(), threading.Event()
outbox.put(lambda: begun.set() or threading.Event().wait())
assert begun.wait(20)
"""


def test_an_exporter_that_hangs_keeps_no_process_alive() -> None:
    """The thread ends with it."""
    ran = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=20, check=True)
    assert (b"", b"") == (ran.stdout, ran.stderr)


FORKED = """
import asyncio, os
from holdfast.adapters.telemetry.outbox import Outbox
outbox, found = Outbox(), []
for name in ("parent", "child"):
    outbox.put(lambda name=name: found.append(name))
    asyncio.run(asyncio.wait_for(outbox.flush(), 20))
    if name == "parent" and (child := os.fork()):
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(found, outbox.lost)
"""


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    """The parent's is not there."""
    ran = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, timeout=60, text=True, check=True
    )
    assert "['parent', 'child'] 0\n" == ran.stdout
