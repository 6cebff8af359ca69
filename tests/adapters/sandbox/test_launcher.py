"""The launcher: its filter, its fences and its keeping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import launcher

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def _verdict(machine: str, number: int, argument: int = 0, arch: int | None = None) -> int:
    """Run the filter as the kernel would."""
    program = launcher.seccomp_program(machine)
    data = {0: number, 4: launcher._MACHINES[machine][0] if arch is None else arch, 16: argument}
    at, value = 0, 0
    while True:
        code, yes, no, operand = program[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            value = data[operand]
        elif code == 0x15:
            at += yes if value == operand else no
        elif code == 0x35:
            at += yes if value >= operand else no
        else:
            assert 0x45 == code
            at += yes if value & operand else no


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_denies_what_is_listed(machine: str) -> None:
    """Every listed call is refused, and sockets and clones by their argument."""
    _, numbers = launcher._MACHINES[machine]
    for name, number in numbers.items():
        if name not in {"socket", "clone"}:
            assert ERRNO == _verdict(machine, number) & 0xFFFF0000, name
    for family in (2, 10, 16, 17, 38):
        assert ERRNO | 13 == _verdict(machine, numbers["socket"], family)
    assert ALLOW == _verdict(machine, numbers["socket"], 1)
    assert ERRNO | 1 == _verdict(machine, numbers["clone"], 0x10000011)
    assert ALLOW == _verdict(machine, numbers["clone"], 0x01200011)
    assert ERRNO | 38 == _verdict(machine, numbers["clone3"])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_allows_the_rest(machine: str) -> None:
    """All other calls pass; another architecture's are fatal."""
    _, numbers = launcher._MACHINES[machine]
    for number in set(range(470)) - set(numbers.values()):
        assert ALLOW == _verdict(machine, number)
    assert KILL == _verdict(machine, 1, arch=0x40000003)


def test_the_x32_interface_is_closed() -> None:
    """Its numbers would pass under the list."""
    assert ERRNO | 38 == _verdict("x86_64", 0x40000000 + 41, 2)


def _run(tmp_path: Path, *command: str, **settings: object) -> subprocess.CompletedProcess[bytes]:
    full = {
        "runtime": os.getpid(),
        "limits": {},
        "landlock": False,
        "seccomp": False,
        "readable": ["/usr", "/bin", "/lib", "/lib64", "/etc", "/proc"],
        "writable": [str(tmp_path), "/dev/null"],
        "scratch": [],
        **settings,
    }
    argv = [sys.executable, "-I", "-S", launcher.__file__, json.dumps(full), *command]
    return subprocess.run(argv, capture_output=True, timeout=10, check=False)


def test_exit_codes_are_passed_on(tmp_path: Path) -> None:
    """Codes, signals, and a program that is not there."""
    assert 3 == _run(tmp_path, "sh", "-c", "exit 3").returncode
    assert 128 + signal.SIGSEGV == _run(tmp_path, "sh", "-c", "kill -SEGV $$").returncode
    assert 127 == _run(tmp_path, "/no/such/program").returncode


def test_a_runtime_that_is_gone_starts_nothing(tmp_path: Path) -> None:
    """When the parent is not the one that was named, the command does not begin."""
    done = _run(tmp_path, "touch", str(tmp_path / "made"), runtime=1)
    assert 126 == done.returncode
    assert [] == os.listdir(tmp_path)


def test_a_fence_that_cannot_be_put_up_stops_the_command(tmp_path: Path) -> None:
    """It never runs with less than was asked for."""
    done = _run(tmp_path, "touch", str(tmp_path / "made"), limits={"NONSENSE": 1})
    assert 0 != done.returncode
    assert [] == os.listdir(tmp_path)


def test_scratch_is_cleared(tmp_path: Path) -> None:
    """The keeper deletes the private directory."""
    scratch = tmp_path / "scratch"
    (scratch / "d").mkdir(parents=True)
    assert 0 == _run(tmp_path, "true", scratch=[str(scratch)]).returncode
    assert not scratch.exists()


def test_landlock_leaves_only_what_is_named(tmp_path: Path) -> None:
    """One tree can be written to, another read, a third neither."""
    if launcher.landlock_abi() < 1:
        pytest.skip("this kernel has no Landlock")
    for name in ("rw", "ro", "no"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("x")
    base = "cd / && ls"
    settings: dict[str, object] = {
        "landlock": True,
        "seccomp": launcher.seccomp_supported(),
        "readable": ["/usr", "/bin", "/lib", "/lib64", "/etc", str(tmp_path / "ro")],
        "writable": [str(tmp_path / "rw"), "/dev/null"],
    }
    for command, expected in (
        (f"echo y > {tmp_path}/rw/g && mkdir {tmp_path}/rw/d", 0),
        (f"cat {tmp_path}/ro/f", 0),
        (f"echo y > {tmp_path}/ro/f", 1),
        (f"cat {tmp_path}/no/f", 1),
        (f"rm {tmp_path}/ro/f", 1),
        (f"truncate -s 0 {tmp_path}/no/f", 1),
        (f"{base} {tmp_path}/no", 1),
        (f"kill -0 {os.getpid()}", 1 if launcher.landlock_abi() >= 6 else 0),
    ):
        done = _run(tmp_path, "bash", "-c", command, **settings)
        assert bool(expected) == bool(done.returncode), (command, done.stderr)
    assert "x" == (tmp_path / "no" / "f").read_text()


def test_limits_are_never_raised(tmp_path: Path) -> None:
    """A limit above the hard one is cut to it."""
    command = "ulimit -n; ulimit -c"
    argv = ["bash", "-c", command]
    done = _run(tmp_path, *argv, limits={"NOFILE": 10**6, "CORE": 0})
    files, core = done.stdout.split()
    assert b"0" == core
    assert int(files) <= 10**6
