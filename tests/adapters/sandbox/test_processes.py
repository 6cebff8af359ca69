"""Finding and ending processes by their marker."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from holdfast.adapters.sandbox.processes import MARKER, kill_leftovers, marked, marker_value
from holdfast.core.errors import InvalidInput

EFFECT = f"test-leftovers-{os.getpid()}"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are ended after the test whatever happened."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _start(effect_id: str, command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["sh", "-c", command],
        env={"PATH": os.defpath, MARKER: effect_id},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert b"ready\n" == process.stdout.readline()
    return process


def test_leftovers_are_ended(started: list[subprocess.Popen[bytes]]) -> None:
    """All that carry the marker go, whatever they ignore and wherever they went."""
    started.append(_start(EFFECT, "setsid sleep 60 & trap '' TERM; echo ready; sleep 61"))
    started.append(_start(f"{EFFECT}-other", "echo ready; exec sleep 60"))
    deadline = time.monotonic() + 10
    while len(marked(EFFECT)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)  # the last of them is started after it said that it is ready
    assert 3 <= kill_leftovers(EFFECT)
    assert set() == marked(EFFECT)
    assert -9 == started[0].wait(1)
    assert {started[1].pid} == marked(f"{EFFECT}-other")
    assert 0 == kill_leftovers(EFFECT)


def test_this_process_is_never_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime inside another one's effect does not end itself."""
    code = "import os; from holdfast.adapters.sandbox.processes import kill_leftovers; "
    code += f"print(kill_leftovers({EFFECT!r}))"
    done = subprocess.run(
        [os.sys.executable, "-c", code],
        env={**os.environ, MARKER: EFFECT},
        capture_output=True,
        check=True,
    )
    assert b"0\n" == done.stdout


@pytest.mark.parametrize("effect_id", ["", "a b", "a\0", "a=b", "x" * 257, "é", "a\n"])
def test_ids_that_cannot_mark(effect_id: str) -> None:
    """What would not survive in an environment is refused."""
    with pytest.raises(InvalidInput):
        marker_value(effect_id)
