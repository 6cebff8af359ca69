"""The process that holds the values: it answers what it is asked until its line ends.

It dies with the process that started it, leaves no core file and cannot be looked
into by others of the same user. It says nothing but answers, and no value in those;
of a failure only the name of the exception.
"""

from __future__ import annotations

import ctypes
import resource
import signal
import socket
import sys
from contextlib import suppress

from holdfast.adapters.taints.engine import TaintEngine
from holdfast.adapters.taints.frames import (
    FRAME_BYTES_MAX,
    HEADER,
    Ask,
    Reader,
    Told,
    answer,
    from_matches,
    read_taints,
)
from holdfast.core.errors import TooLarge

MEMORY_BYTES_MAX = 4 * 1024**3
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def respond(engine: TaintEngine, frame: bytearray) -> bytes:
    """Carry out one request; whatever goes wrong is an answer too."""
    reader = Reader(frame)
    try:
        return answer(Told.DONE, _carry_out(engine, Ask(frame[0]), reader))
    except TooLarge as error:
        return answer(Told.TOO_LARGE, error.message)
    except Exception as error:  # its text could hold a value
        return answer(Told.FAILED, type(error).__name__)
    finally:
        reader.release()


def _carry_out(engine: TaintEngine, ask: Ask, reader: Reader) -> object:
    session = reader.text()
    match ask:
        case Ask.SCAN:
            return from_matches(engine.scan(session, reader.text()))
        case Ask.LOAD:
            taints = read_taints(reader)
            try:
                return engine.load(session, taints)
            finally:
                for taint in taints:
                    taint.value[:] = bytes(len(taint.value))
        case Ask.REACH:
            return engine.reach(session)
        case Ask.KNOWN:
            return engine.known(session)
        case Ask.TOO_SHORT:
            return engine.too_short(session)


def receive(line: socket.socket, size: int) -> bytearray | None:
    """Read so many bytes; None when the line has ended."""
    frame = bytearray(size)
    with memoryview(frame) as view:
        at = 0
        while at < size:
            count = line.recv_into(view[at:])
            if count == 0:
                return None
            at += count
    return frame


def serve(line: socket.socket, engine: TaintEngine) -> None:
    """Answer requests until the line ends or says what no request is."""
    while (header := receive(line, HEADER.size)) is not None:
        (size,) = HEADER.unpack(header)
        if not 0 < size <= FRAME_BYTES_MAX or (frame := receive(line, size)) is None:
            return
        said = respond(engine, frame)
        frame[:] = bytes(size)
        line.sendall(HEADER.pack(len(said)) + said)


def seclude() -> None:
    """Die with the parent; leave no core file; let nobody look in; take bounded memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the parent decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def main() -> None:
    """Serve the line whose descriptor is the last argument."""
    seclude()
    with socket.socket(fileno=int(sys.argv[-1])) as line, suppress(OSError):
        serve(line, TaintEngine())


if __name__ == "__main__":
    main()
