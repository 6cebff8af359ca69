"""Opens doors in sandboxes: listening sockets within their empty networks.

Run by path, `python -I -S doorkeeper.py`; standard library only. It answers requests
on the socket that is its standard input, each a process id and a port as text: a
child enters the network of that process, listens there on 127.0.0.1, and the
listening socket is sent back. Whoever has that socket is the other end of all that
is connected to the port within the sandbox; nothing of this stays inside.

- A child is forked for each request, since a network once entered is not left.
- To enter needs the user namespace that owns the network, which belongs to whoever
  started the sandbox; no privileges are needed, and none are gained outside.
- The network of this process itself is never listened in.
- It ends with its socket's other end, and after a while without requests.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import select
import socket
import sys
import time

IDLE_SECONDS = 60.0
UP_SECONDS = 2.0
_LOOK_SECONDS = 0.0002
REQUEST_BYTES_MAX = 64
BACKLOG = 64
_NS_GET_USERNS = 0xB701
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def enter(fd: int, kind: int) -> None:
    """Enter a namespace; `OSError` when the kernel refuses."""
    if _libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


def listening(pid: int, port: int) -> socket.socket:
    """Enter the network of a process and listen there; this process cannot come back."""
    network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if os.path.samestat(os.fstat(network), os.stat("/proc/self/ns/net")):
        raise OSError("the process is in no network of its own")
    enter(fcntl.ioctl(network, _NS_GET_USERNS), _CLONE_NEWUSER)
    enter(network, _CLONE_NEWNET)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    _bind(made, port)
    made.listen(BACKLOG)
    return made


def _bind(made: socket.socket, port: int) -> None:
    """Take a port of a network that is perhaps only just being made.

    Its addresses are not there before whoever makes it has switched them on.
    """
    until = time.monotonic() + UP_SECONDS
    while True:
        try:
            made.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL or time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def answer(channel: socket.socket, request: bytes) -> None:
    """Do what a request asks for, and say what came of it."""
    try:
        pid, port = request.split()
        made = listening(int(pid), int(port))
    except (OSError, ValueError) as error:
        channel.send(f"the door could not be opened: {error}".encode()[: REQUEST_BYTES_MAX * 4])
        return
    rights = array.array("i", [made.fileno()])
    channel.sendmsg([b"ok"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def main(channel: socket.socket) -> int:
    """Answer requests, one after the other, until there are none."""
    while select.select([channel], [], [], IDLE_SECONDS)[0]:
        request = channel.recv(REQUEST_BYTES_MAX)
        if not request:
            break
        pid = os.fork()
        if pid == 0:
            try:
                answer(channel, request)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    return 0


if __name__ == "__main__":
    os.chdir("/")
    sys.exit(main(socket.socket(fileno=0)))
