"""The test's side of the crashes: the zygote's handle, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETTLED = {"charge": "once", "ship": "reconcilable"}


class Zygote:
    """A warm process that forks lives."""

    def __init__(self) -> None:
        places = [str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "crash_zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert "ready\n" == self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def start(self, order: dict[str, Any]) -> int:
        """Fork a life; returns its pid."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        word, pid = self._read().split()
        assert "pid" == word
        return int(pid)

    def wait(self) -> int:
        """The exit status of the life that runs."""
        word, status = self._read().split()
        assert "exit" == word
        return int(status)

    def live(self, order: dict[str, Any], *, kill_after_s: float | None = None) -> int:
        """Let a life run, killed after some time; returns its exit status."""
        pid = self.start(order)
        timer = None
        if kill_after_s is not None:
            timer = threading.Timer(kill_after_s, _kill, (pid,))
            timer.start()
        else:
            timer = threading.Timer(60, _kill, (pid,))
            timer.start()
        try:
            return self.wait()
        finally:
            timer.cancel()
            timer.join()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def check(folder: Path, jobs: int, *, bash: bool = False) -> dict[str, Any]:
    """Check everything a crash must not break; returns the last life's report."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    acks = [line.split(" ", 2) for line in (folder / "ack.log").read_text().splitlines()]
    assert report["count"] == report["version"]
    _check_events(report, acks)
    _check_messages(report, acks, jobs)
    _check_effects(folder, jobs, bash=bash)
    assert [] == [ack for ack in acks if ack[0] == "problem"]
    assert [] == report["invalid"]
    assert (0, "Active") == (report["open"], report["state"])
    assert report["calls"] == len(report["results"])
    assert [] == leftovers(folder)
    return report


def _check_events(report: dict[str, Any], acks: list[list[str]]) -> None:
    """No event that anybody was shown is gone or another one now."""
    stored = {(version, kind) for version, kind in report["events"]}
    shown = {(int(ack[1]), ack[2]) for ack in acks if ack[0] == "event"}
    assert set() == shown - stored
    assert len(stored) == len(report["events"])


def _check_messages(report: dict[str, Any], acks: list[list[str]], jobs: int) -> None:
    """Every user message stands once, and every answer that was given is still the answer."""
    said = Counter(report["texts"])
    for number in range(jobs):
        assert 1 == said[f"job {number}"], (number, report["texts"])
        assert 1 == said[f"done {number}"], (number, report["texts"])
    given = {(ack[1], ack[2]) for ack in acks if ack[0] == "answer"}
    assert jobs == len(given), given
    assert jobs == report["turns"]


def _check_effects(folder: Path, jobs: int, *, bash: bool) -> None:
    """What may happen once happened exactly once; an idempotent call kept its effect id."""
    ledger = [line.split() for line in (folder / "ledger").read_text().splitlines()]
    for number in range(jobs):
        for name in SETTLED:
            times = [line for line in ledger if line[:2] == [name, str(number)]]
            assert 1 == len(times), (name, number, ledger)
        puts = [line[2] for line in ledger if line[:2] == ["put", str(number)]]
        assert 1 <= len(puts) and 1 == len(set(puts)), puts
    if bash:
        shell = (folder / "work" / "shell").read_text().splitlines()
        assert [f"bash {n}" for n in range(jobs)] == sorted(shell)


def leftovers(folder: Path) -> list[str]:
    """Processes that still belong to the workspace's tools."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            environment = Path("/proc", name, "environ").read_bytes()
            place = os.readlink(f"/proc/{name}/cwd")
            command = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        ours = place.startswith(str(folder)) or os.fsencode(folder) + b"/" in command
        if b"HOLDFAST_EFFECT=" in environment and ours:
            found.append(name)
    return found
