"""Doors into sandboxes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from holdfast.adapters.sandbox.command import CommandLine, command_line
from holdfast.adapters.sandbox.door import Doors
from holdfast.adapters.sandbox.status import SandboxKind, detect
from holdfast.core.errors import Unavailable

ASKS = "exec 3<>/dev/tcp/127.0.0.1/3128 && head -n 1 <&3"


def _children() -> set[int]:
    found = set()
    for task in os.listdir("/proc/self/task"):
        text = Path(f"/proc/self/task/{task}/children").read_text()
        found |= {int(pid) for pid in text.split()}
    return found


def _start(line: CommandLine) -> tuple[subprocess.Popen[bytes], socket.socket, int]:
    """Start a gated command; returns its gate as well, and the first process inside."""
    ours, theirs = socket.socketpair()
    told, telling = os.pipe()
    with theirs, open(told, "rb") as info:
        process = subprocess.Popen(
            line.telling(telling),
            env=dict(line.env),
            cwd=line.cwd,
            stdin=theirs,
            stdout=subprocess.PIPE,
            pass_fds=(telling,),
        )
        os.close(telling)
        pid = json.load(info)["child-pid"]
    return process, ours, pid


def _through(doors: Doors, workspace: Path, command: str = ASKS) -> tuple[bytes, int]:
    """Run a gated command whose door is opened; whoever connects there is told a word."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)
    line = command_line(("bash", "-c", command), str(workspace), status, effect_id="e", gated=True)
    process, ours, pid = _start(line)
    with ours, doors.open(pid) as listener:  # perhaps before there is any address
        ours.send(b"\n")
        listener.settimeout(5)
        with listener.accept()[0] as one:
            one.sendall(b"word\n")
            with process:
                found, _ = process.communicate(timeout=5)
    return found, process.returncode


def test_a_door_leads_out_of_the_sandbox(tmp_path: Path) -> None:
    """What connects within is answered outside; the doorkeeper stays for the next one."""
    others, doors = _children(), Doors()
    assert (b"word\n", 0) == _through(doors, tmp_path)
    keeper = _children() - others
    assert (b"word\n", 0) == _through(doors, tmp_path)
    assert keeper and keeper == _children() - others
    doors.close()
    assert set() == _children() & keeper


def test_a_doorkeeper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """Its end is noticed and another one opens the door."""
    others, doors = _children(), Doors()
    doors.warm()
    before = _children() - others
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert (b"word\n", 0) == _through(doors, tmp_path)
    assert before != _children() - others
    doors.close()


def test_no_door_into_this_network() -> None:
    """Neither into the host's network nor into that of a process that is not there."""
    doors = Doors()
    for pid in (os.getpid(), 2**22 - 1):
        with pytest.raises(Unavailable):
            doors.open(pid)
    doors.close()


def test_a_command_that_is_not_let_in_never_begins(tmp_path: Path) -> None:
    """When the gate closes the command has not run."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(status.reason)
    line = command_line(("touch", "made"), str(tmp_path), status, effect_id="e", gated=True)
    process, ours, _ = _start(line)
    with process:
        assert process.poll() is None
        ours.close()
        assert 126 == process.wait(5)
    assert [] == os.listdir(tmp_path)
