"""The matcher in a process of its own keeps the contract, and dies when it should."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from holdfast.adapters.taints import host
from holdfast.adapters.taints.host import WorkerTaintMatcher
from holdfast.core.errors import Unavailable
from holdfast.testing.taints_conformance import CHECKS, Check
from holdfast.testing.taints_kit import taint


@pytest.mark.parametrize(
    "check",
    # Starts an interpreter each: two quick ones for every run, the rest with the slow tests.
    [
        check
        if check.__name__ in ("check_tells_places_and_labels", "check_forget_drops_values")
        else pytest.param(check, marks=pytest.mark.slow)
        for check in CHECKS
    ],
    ids=lambda check: check.__name__,
)
def test_contract(check: Check) -> None:
    """The check passes."""
    asyncio.run(check(WorkerTaintMatcher))


def process(pid: int | None) -> Path:
    """What the system shows of a process."""
    return Path(f"/proc/{pid}")


def is_there(pid: int | None) -> bool:
    """Whether a process is, or was not yet waited for."""
    return process(pid).exists()


def read(pid: int | None, name: str) -> bytes:
    """A file of a process."""
    return (process(pid) / name).read_bytes()


def with_secret(use: Callable[[WorkerTaintMatcher], Awaitable[None]]) -> None:
    """Use a matcher with one value in session "s"."""

    async def run() -> None:
        matcher = WorkerTaintMatcher()
        try:
            await matcher.load("s", [taint("secret123", id="1")])
            await use(matcher)
        finally:
            await matcher.aclose()

    asyncio.run(run())


def test_nothing_is_started_before_it_is_needed() -> None:
    """A session without values costs no process."""

    async def run() -> None:
        matcher = WorkerTaintMatcher()
        assert () == await matcher.scan("s", "text")
        assert (await matcher.known("s"), await matcher.reach("s")) == (0, 0)
        assert () == await matcher.too_short("s")
        await matcher.forget("s")
        assert matcher.pid is None

    asyncio.run(run())


def test_a_dead_worker_is_unavailable_and_then_replaced() -> None:
    """The call that meets its death fails; until values are there again so does every scan."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        assert matcher.pid
        os.kill(matcher.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await matcher.scan("s", "secret123")
        assert await matcher.known("s") == 0
        with pytest.raises(Unavailable, match="loaded again"):
            await matcher.scan("s", "secret123")
        await matcher.load("s", [taint("secret123", id="1")])
        assert len(await matcher.scan("s", "secret123")) == 1

    with_secret(use)


def test_part_of_the_values_is_not_enough() -> None:
    """A session that had two values is not whole again with one."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        await matcher.load("s", [taint("other-secret", id="2")])
        await matcher.forget("s")
        assert () == await matcher.scan("s", "secret123")
        await matcher.load("s", [taint("secret123", id="1"), taint("other-secret", id="2")])
        assert matcher.pid
        os.kill(matcher.pid, signal.SIGKILL)
        with pytest.raises(Unavailable):
            await matcher.reach("s")
        await matcher.load("s", [taint("third-secret", id="3")])
        with pytest.raises(Unavailable):
            await matcher.scan("s", "secret123")
        await matcher.load("s", [taint("secret123", id="1"), taint("other-secret", id="2")])
        assert len(await matcher.scan("s", "secret123")) == 1

    with_secret(use)


def test_a_worker_that_does_not_answer_is_ended() -> None:
    """Time runs out: `Unavailable`, and the process is gone."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        assert matcher.pid
        pid = matcher.pid
        matcher._seconds = 0.05
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="TimeoutError"):
            await matcher.scan("s", "text")
        assert matcher.pid is None
        assert not is_there(pid)

    with_secret(use)


def test_forgetting_what_was_lost_ends_nothing() -> None:
    """Only a process that holds a session's values has to go for it."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        await matcher.load("t", [taint("another-secret", id="t")])
        await matcher.forget("t")
        await matcher.load("t", [taint("another-secret", id="t")])
        pid = matcher.pid
        await matcher.forget("s")
        assert pid == matcher.pid
        assert len(await matcher.scan("t", "another-secret")) == 1

    with_secret(use)


@pytest.mark.slow
def test_it_ends_with_the_process_that_started_it() -> None:
    """Also when that is killed."""
    script = (
        "import asyncio, os, signal\n"
        "from holdfast.adapters.taints.host import WorkerTaintMatcher\n"
        "from holdfast.testing.taints_kit import taint\n"
        "async def run():\n"
        "    matcher = WorkerTaintMatcher()\n"
        "    await matcher.load('s', [taint('secret123')])\n"
        "    print(matcher.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(run())\n"
    )
    source = str(Path(host.__file__).parents[3])
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert -signal.SIGKILL == ran.returncode
    until = time.monotonic() + 10
    while is_there(int(ran.stdout)) and time.monotonic() < until:
        pass
    assert not is_there(int(ran.stdout))


def test_forget_returns_when_the_process_is_gone() -> None:
    """No process, no memory."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        pid = matcher.pid
        assert pid and is_there(pid)
        await matcher.forget("s")
        assert not is_there(pid)

    with_secret(use)


def test_a_caller_who_leaves_does_not_mix_up_the_answers() -> None:
    """A cancelled scan's answer is nobody else's."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        for _ in range(3):
            left = asyncio.ensure_future(matcher.scan("s", "secret123 " * 500))
            await asyncio.sleep(0)
            left.cancel()
            found = await asyncio.gather(*(matcher.scan("s", text) for text in ("no", "secret123")))
            assert [0, 1] == [len(matches) for matches in found]

    with_secret(use)


FLIPPED = bytes(code ^ 0x5A for code in range(256))


def remembered(flipped: bytes) -> bool:
    """Whether this process has a value somewhere in its memory; it is given in disguise."""
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            places, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(place, 16) for place in places.split("-"))
            memory.seek(start)
            if flipped in (memory.read(end - start) or b"").translate(FLIPPED):
                return True
    return False


@pytest.mark.slow
def test_values_leave_this_process() -> None:
    """After `load`, and once the caller's own buffer is overwritten, no copy is left here."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        given = taint("", id="r")
        given.value.extend(bytes(48))
        for at, code in enumerate(os.urandom(48)):
            given.value[at] = ord("a") + code % 26
        flipped = given.value.translate(FLIPPED)
        await matcher.load("s", [given])
        given.value[:] = bytes(len(given.value))
        assert not remembered(flipped[8:40])
        given.value[:] = flipped.translate(FLIPPED)
        assert remembered(flipped[8:40])
        text = flipped.translate(FLIPPED).decode()
        assert {"r"} == {match.id for match in await matcher.scan("s", text)}

    with_secret(use)


def test_values_are_not_to_be_seen_from_outside() -> None:
    """Neither the command line nor the environment holds a value; memory cannot be read."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        seen = read(matcher.pid, "cmdline")
        assert b"secret123" not in seen
        assert b"taints.worker" in seen
        if os.geteuid() != 0:  # root may look anyway
            with pytest.raises(OSError, match="ermission"):
                read(matcher.pid, "environ")

    with_secret(use)


@pytest.mark.slow
def test_it_takes_large_texts_and_many_values() -> None:
    """Frames larger than the line's buffer go through whole."""

    async def use(matcher: WorkerTaintMatcher) -> None:
        many = [
            taint(f"{number:05d}" + "q8w-" * 50 + "x", id=f"n{number}") for number in range(6_000)
        ]
        await matcher.load("s", many)
        assert await matcher.known("s") == 6_001
        (match, *_) = await matcher.scan("s", "word " * 300_000 + "secret123")
        assert (match.start, match.end) == (1_500_000, 1_500_009)

    with_secret(use)
