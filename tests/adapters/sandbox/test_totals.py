"""Counting what a command uses, and ending it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import totals
from holdfast.adapters.sandbox.command import command_line
from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.adapters.sandbox.totals import Watch, counted, exact_bytes

MIB = 1024**2


@contextmanager
def _proc() -> Iterator[int]:
    fd = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _started(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that has printed a line and now waits for its standard input."""
    code = f"import os,sys,threading,time\n{program}\nprint(flush=True)\nsys.stdin.read()\n"
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@contextmanager
def _boxed(tmp_path: Path, command: str) -> Iterator[subprocess.Popen[bytes]]:
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)
    line = command_line(("bash", "-c", command), str(tmp_path), status, effect_id="totals")
    with subprocess.Popen(line.argv, env=dict(line.env), cwd=line.cwd) as process:
        try:
            yield process
        finally:
            process.kill()


def test_threads_and_memory_are_counted() -> None:
    """Threads are tasks; memory that is used counts, as do files that only memory holds."""
    program = (
        "for _ in range(5): threading.Thread(target=time.sleep,args=(30,),daemon=True).start()\n"
        f"held=bytearray(b'x')*(40*{MIB})\n"
        f"f=os.memfd_create('m'); os.write(f,b'x'*(30*{MIB}))"
    )
    with _started(program) as process, _proc() as proc:
        found = counted(proc, [str(process.pid)])
        exact = exact_bytes(proc, [str(process.pid)])
    assert 6 == found.tasks
    for size in (found.memory_bytes, exact):
        assert 70 * MIB <= size < 130 * MIB


def test_shared_memory_counts_once() -> None:
    """Children that only read what their parent wrote add next to nothing to the exact count."""
    program = (
        f"held=bytearray(b'x')*(64*{MIB})\n"
        "pids=[]\n"
        "for _ in range(4):\n"
        "  pid=os.fork()\n"
        "  if pid==0: time.sleep(30); os._exit(0)\n"
        "  pids.append(pid)\n"
        "print(*pids)"
    )
    with _started(program) as process, _proc() as proc:
        names = [str(process.pid), *_children(process.pid)]
        assert 5 == len(names)
        quick, exact = counted(proc, names).memory_bytes, exact_bytes(proc, names)
        for name in names[1:]:
            os.kill(int(name), 9)
    assert quick >= 5 * 64 * MIB
    assert exact < 2 * 64 * MIB


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_what_has_ended_counts_nothing() -> None:
    """A process that goes while it is counted is no error."""
    with _proc() as proc:
        assert 0 == counted(proc, ["999999999"]).tasks
        assert 0 == exact_bytes(proc, ["999999999"])


@pytest.mark.parametrize(
    ("command", "tasks_max", "memory_max", "what"),
    [
        ("for i in $(seq 30); do sleep 20 & done; wait", 20, 10**12, "processes"),
        ("tail /dev/zero", 4096, 64 * MIB, "memory"),
        ("head -c 100M /dev/zero > /tmp/x; sleep 20", 4096, 64 * MIB, "memory"),
    ],
)
def test_too_much_ends_all_of_it(
    tmp_path: Path, command: str, tasks_max: int, memory_max: int, what: str
) -> None:
    """The reason is told once, and nothing of the command is left."""
    told: list[str] = []
    with _boxed(tmp_path, command) as process:
        watch = Watch(
            process.pid, tasks_max=tasks_max, memory_bytes_max=memory_max, exceeded=told.append
        )
        watch.start()
        process.wait(15)
        watch.stop()
    assert [what] == told


def test_little_is_left_alone(tmp_path: Path) -> None:
    """A command within its limits ends by itself, and stopping the watch is harmless."""
    told: list[str] = []
    with _boxed(tmp_path, "sleep 0.3; exit 3") as process:
        watch = Watch(process.pid, tasks_max=20, memory_bytes_max=64 * MIB, exceeded=told.append)
        watch.start()
        assert 3 == process.wait(15)
        watch.stop()
    assert [] == told


def test_what_cannot_be_counted_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not knowing is no reason to let it go on."""
    monkeypatch.setattr(totals, "UNCOUNTED_SECONDS", 0.2)

    def unreadable(proc: int, names: object) -> totals.Totals:
        raise PermissionError

    monkeypatch.setattr(totals, "counted", unreadable)
    told: list[str] = []
    with _boxed(tmp_path, "sleep 20") as process:
        watch = Watch(process.pid, tasks_max=20, memory_bytes_max=64 * MIB, exceeded=told.append)
        watch.start()
        process.wait(15)
        watch.stop()
    assert ["uncounted"] == told


def test_the_machines_own_processes_are_never_counted() -> None:
    """Before bubblewrap has set up its sandbox there is nothing to count or kill."""
    told: list[str] = []
    with subprocess.Popen(["sh", "-c", "sleep 0.3; exit 4"]) as process:
        watch = Watch(process.pid, tasks_max=1, memory_bytes_max=1, exceeded=told.append)
        watch.start()
        assert 4 == process.wait(15)
        watch.stop()
    assert [] == told
    assert not any(one.name == "sandbox-watch" for one in threading.enumerate())
