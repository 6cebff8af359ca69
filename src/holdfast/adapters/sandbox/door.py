"""Doors into sandboxes: asking the doorkeeper for sockets that listen within them.

The doorkeeper is one process beside the runtime, started when it is first needed and
kept warm, since starting an interpreter for every command would take longer than the
sandbox itself.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import sys
import threading
import weakref
from pathlib import Path

from holdfast.adapters.sandbox import doorkeeper
from holdfast.core.errors import Unavailable

DOOR_PORT = 3128
"""Where the proxy listens within a sandbox, on 127.0.0.1."""

ANSWER_SECONDS = 5.0
_NOWHERE = os.devnull


class _Keeper:
    """A running doorkeeper."""

    def __init__(self) -> None:
        own, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(Path(doorkeeper.__file__))],
                {"PATH": os.defpath},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, other.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, _NOWHERE, os.O_RDWR, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setpgroup=0,
            )
        own.settimeout(ANSWER_SECONDS)
        self.channel = own

    def ask(self, pid: int, port: int) -> socket.socket:
        """Have a door opened.

        Raises:
            OSError: the doorkeeper has gone, or did not answer.
            Unavailable: it said no.
        """
        self.channel.send(f"{pid} {port}".encode())
        room = socket.CMSG_SPACE(array.array("i").itemsize)
        data, extra, _, _ = self.channel.recvmsg(4096, room)
        rights = [body for _, kind, body in extra if kind == socket.SCM_RIGHTS]
        if not data:
            raise ConnectionError("the doorkeeper has gone")
        if data != b"ok" or len(rights) != 1:
            raise Unavailable(data.decode("utf-8", "replace"))
        fds = array.array("i")
        fds.frombytes(rights[0])
        return socket.socket(fileno=fds[0])

    def end(self) -> None:
        """End it."""
        self.channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _end(kept: list[_Keeper]) -> None:
    while kept:
        kept.pop().end()


class Doors:
    """Opens doors; used from threads, since it blocks for a few milliseconds."""

    def __init__(self) -> None:
        self._kept: list[_Keeper] = []
        self._lock = threading.Lock()
        self.close = weakref.finalize(self, _end, self._kept)

    def warm(self) -> None:
        """Start the doorkeeper if there is none, so that the first door is as quick."""
        with self._lock:
            self._keeper()

    def open(self, pid: int, port: int = DOOR_PORT) -> socket.socket:
        """Return a socket that listens within the network of a sandboxed process.

        Args:
            pid: the process, as this one sees it; it must not end meanwhile.
            port: on 127.0.0.1 there.

        Raises:
            Unavailable: that cannot be done here.
        """
        with self._lock:
            try:
                try:
                    return self._keeper().ask(pid, port)
                except (BrokenPipeError, ConnectionError):  # it had left: it was idle
                    _end(self._kept)
                    return self._keeper().ask(pid, port)
            except (OSError, Unavailable) as error:
                _end(self._kept)
                raise Unavailable(f"no way out of the sandbox: {error}") from None

    def _keeper(self) -> _Keeper:
        if not self._kept:
            self._kept.append(_Keeper())
        return self._kept[0]
