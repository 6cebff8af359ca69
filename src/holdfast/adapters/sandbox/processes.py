"""Finding and ending the processes that belong to an effect.

Every process a tool starts carries `HOLDFAST_EFFECT=<effect id>` in the
environment it was started with. That is found wherever the process went: into
another group or session, or to another parent. A program that clears the
environment of what it starts is caught by the pid namespace of bubblewrap or
by the launcher's keeper instead.
"""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress

from holdfast.core.errors import InvalidInput

MARKER = "HOLDFAST_EFFECT"
GRACE_SECONDS = 0.4
KILL_SECONDS = 1.0
_POLL_SECONDS = 0.01
_VALUE = re.compile(r"[A-Za-z0-9._:@/+-]{1,256}")


def marker_value(effect_id: str) -> str:
    """Return the marker's value for an effect; raises `InvalidInput`."""
    if not _VALUE.fullmatch(effect_id):
        raise InvalidInput("an effect id is 1 to 256 letters, digits and ._:@/+-")
    return effect_id


def marked(effect_id: str) -> set[int]:
    """Return the living processes that carry the effect's marker, never this one."""
    entry = f"{MARKER}={marker_value(effect_id)}".encode()
    own = os.getpid()
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != own and entry in _environment(name):
            found.add(int(name))
    return found


def _environment(pid: str) -> list[bytes]:
    """Return a process's environment; empty for zombies and for what is not ours."""
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def send(pids: set[int], order: signal.Signals) -> None:
    """Send a signal to each process that is still there and may be signalled."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, order)


def kill_leftovers(effect_id: str) -> int:
    """End what an earlier runtime left running for an effect; return how many.

    They are asked first, because a launcher's keeper can end processes that
    carry no marker, then killed. Blocks for up to 1.5 s; call it from a thread.

    Raises:
        InvalidInput: the effect id cannot mark a process.
    """
    seen = marked(effect_id)
    send(seen, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while (left := marked(effect_id)) and time.monotonic() < until:
        seen |= left
        time.sleep(_POLL_SECONDS)
    until = time.monotonic() + KILL_SECONDS
    while (left := marked(effect_id)) and time.monotonic() < until:
        seen |= left
        # Stopped before killed, so that a process which forks cannot outrun this.
        send(left, signal.SIGSTOP)
        send(left, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return len(seen)
