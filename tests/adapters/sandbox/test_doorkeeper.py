"""The doorkeeper's own refusals; what it opens is in `test_door.py`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from holdfast.adapters.sandbox import doorkeeper


def _answered(request: bytes) -> bytes:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        doorkeeper.answer(theirs, request)
        return ours.recv(4096)


@pytest.mark.parametrize("request_", [b"", b"x", b"1", b"1 2 3", b"99999999 80", b"-1 80"])
def test_what_is_no_request_is_refused(request_: bytes) -> None:
    """It says why and opens nothing."""
    assert _answered(request_).startswith(b"the door could not be opened")


def test_the_network_of_the_host_is_never_entered() -> None:
    """A process that is in no network of its own has no door."""
    assert b"no network of its own" in _answered(f"{os.getpid()} 3128".encode())


def test_it_ends_with_its_other_end() -> None:
    """When the runtime has gone, so has its doorkeeper."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        waiting = threading.Timer(0.05, ours.close)
        waiting.start()
        assert 0 == doorkeeper.main(theirs)
        waiting.join()


def test_it_runs_without_the_package() -> None:
    """It is run by path with the standard library only."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        argv = [sys.executable, "-I", "-S", doorkeeper.__file__]
        with subprocess.Popen(argv, stdin=theirs) as process:
            ours.send(b"nonsense")
            assert ours.recv(4096).startswith(b"the door could not")
            ours.close()
            assert 0 == process.wait(5)
