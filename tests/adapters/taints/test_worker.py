"""The worker answers whatever it is asked, and tells no value."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.taints import worker
from holdfast.adapters.taints.engine import TaintEngine
from holdfast.adapters.taints.frames import (
    FRAME_BYTES_MAX,
    HEADER,
    Ask,
    Told,
    load_request,
    read_answer,
    request,
)
from holdfast.adapters.taints.worker import respond, serve
from holdfast.testing.taints_kit import taint


def test_requests_are_carried_out() -> None:
    """Each kind of request has its answer."""
    engine = TaintEngine()
    asked = [
        load_request("s", [taint("secret123", id="1"), taint("x", id="2")]),
        request(Ask.KNOWN, "s"),
        request(Ask.REACH, "s"),
        request(Ask.TOO_SHORT, "s"),
        request(Ask.SCAN, "s", "a secret123"),
    ]
    found = [["1", "secret", 4, 2, 11, ""]]
    assert [(Told.DONE, content) for content in (2, 2, 86, ["2"], found)] == [
        read_answer(respond(engine, frame)) for frame in asked
    ]


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (bytearray(b"\x63"), (Told.FAILED, "ValueError")),
        (bytearray(b"\x02\xff"), (Told.FAILED, "error")),
        (bytearray(b"\x01\x00\x00\x00\x00\x00\x00\x00\x01x"), (Told.FAILED, "JSONDecodeError")),
        (request(Ask.SCAN, "s", "secret")[:-9], (Told.FAILED, "error")),
    ],
)
def test_what_is_no_request_has_an_answer_too(frame: bytearray, told: tuple[Told, str]) -> None:
    """Of a failure only the name of the exception is told."""
    assert told == read_answer(respond(TaintEngine(), frame))


def test_what_is_too_large_is_told_apart() -> None:
    """And without the value."""
    told, why = read_answer(respond(TaintEngine(), load_request("s", [taint("x" * 70_000)])))
    assert Told.TOO_LARGE is told
    assert "xx" not in str(why)


def test_it_serves_until_the_line_ends() -> None:
    """Requests are answered in order; half a request, or what is none, ends it."""
    for last in (
        b"",
        b"\0\0",
        HEADER.pack(9) + b"half",
        HEADER.pack(0),
        HEADER.pack(FRAME_BYTES_MAX + 1),
    ):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            asked = request(Ask.KNOWN, "s")
            ours.sendall((HEADER.pack(len(asked)) + asked) * 2 + last)
            ours.shutdown(socket.SHUT_WR)
            serve(theirs, TaintEngine())
            theirs.shutdown(socket.SHUT_WR)
            said = ours.recv(100)
        assert (HEADER.pack(2) + b"\x010") * 2 == said


def test_the_process_ends_with_its_line() -> None:
    """It is secluded, answers, and leaves when nobody is there any more."""
    source = str(Path(worker.__file__).parents[3])
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from holdfast.adapters.taints.worker import main; main()"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", "-c", script, source, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        theirs.close()
        asked = request(Ask.KNOWN, "s")
        ours.sendall(HEADER.pack(len(asked)) + asked)
        assert HEADER.pack(2) + b"\x010" == ours.recv(100)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert "Max core file size        0                    0" in limits
    assert 0 == process.wait(10)
