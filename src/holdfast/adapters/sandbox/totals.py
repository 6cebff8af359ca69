"""What all processes of a command use together, under bubblewrap, and its end if that is too much.

The kernel's limits are of one process each, and the one that counts processes is not
applied to root. So each command is watched from outside; where there is no pid
namespace to end as one there is nothing to do this with, and the kernel's limits are all:

- What is counted: processes with their threads; memory of processes, of the sandbox's
  filesystems in memory, and of files in memory that only a descriptor holds.
- Memory that processes share counts once: where the quick count (resident pages, which
  include what is shared) passes the limit, the exact one decides.
- What is too much ends the command, all of it at once: its first process takes the pid
  namespace with it.
- A command that cannot be counted for a while ends as well; so does one of whose
  processes some do not let an ordinary user see what they hold (PR_SET_DUMPABLE).
- Not seen from outside: System V segments that no process has attached, and what the
  kernel itself keeps in pipes and sockets. Only a cgroup counts those.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

INTERVAL_SECONDS = 0.05
INTERVAL_SECONDS_MAX = 0.25
BUSY_SHARE = 20
"""Between two counts passes this many times what a count takes, within those bounds."""
UNCOUNTED_SECONDS = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEMORY_FILES = ("/memfd:", "/dev/zero (deleted)", "/dev/shm/", "/SYSV")  # noqa: S108 - link texts
_MEMORY_TREES = ("dev", "tmp")
_PRIORITY = -15


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a command uses at one moment.

    Args:
        tasks: processes and threads.
        memory_bytes: upper bound of what they hold in memory.
        hidden: a process does not let its descriptors be seen, and so may hold more.
    """

    tasks: int
    memory_bytes: int
    hidden: bool = False


class NotYet(Exception):
    """The command has not begun, or has ended."""


class Watch:
    """Counts one command until it is stopped, in a thread of its own.

    Args:
        pid: bubblewrap's, the process that was started for it.
        tasks_max: processes and threads it may have.
        memory_bytes_max: memory it may use, in bytes.
        exceeded: told `processes`, `memory` or `uncounted` once, before the command is
            killed; called in the thread.
    """

    def __init__(
        self,
        pid: int,
        *,
        tasks_max: int,
        memory_bytes_max: int,
        exceeded: Callable[[str], None],
    ) -> None:
        self._inside = _Namespace(pid)
        self._tasks_max = tasks_max
        self._memory_max = memory_bytes_max
        self._exceeded = exceeded
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sandbox-watch", daemon=True)

    def start(self) -> None:
        """Begin to count."""
        self._thread.start()

    def stop(self) -> None:
        """Count no more; returns when nothing will be killed any more."""
        self._stopped.set()
        self._thread.join()
        self._inside.close()

    def _watch(self) -> None:
        # A command with thousands of processes must not keep this thread from running.
        with suppress(OSError):  # only root may
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
        pause, failing_since = INTERVAL_SECONDS, 0.0
        while not self._stopped.wait(pause):
            started = time.monotonic()
            try:
                why = self._judged()
                failing_since = 0.0
            except NotYet:
                why, failing_since = "", 0.0
            except OSError:
                failing_since = failing_since or started
                why = "uncounted" if started - failing_since >= UNCOUNTED_SECONDS else ""
            if why:
                self._exceeded(why)
                self._inside.kill()
                return
            busy = BUSY_SHARE * (time.monotonic() - started)
            pause = min(max(INTERVAL_SECONDS, busy), INTERVAL_SECONDS_MAX)

    def _judged(self) -> str:
        """What there is too much of, or ""."""
        proc, names = self._inside.processes()
        if len(names) > self._tasks_max:
            return "processes"
        elsewhere = self._inside.filesystems_bytes()
        found = counted(proc, names)
        if found.tasks > self._tasks_max:
            return "processes"
        if (
            found.memory_bytes + elsewhere > self._memory_max
            and exact_bytes(proc, names) + elsewhere > self._memory_max
        ):
            return "memory"
        if found.hidden:
            raise PermissionError("a process hides what it holds")
        return ""


# --- counting -------------------------------------------------------------------


def counted(proc: int, names: Iterable[str]) -> Totals:
    """Count quickly; what processes share counts for each of them.

    Args:
        proc: descriptor of a directory of processes, `/proc` or a sandbox's own.
        names: which of them.
    """
    tasks = pages = 0
    hidden = False
    files: dict[tuple[int, int], int] = {}
    for name in names:
        with suppress(FileNotFoundError, ProcessLookupError):
            # The name in parentheses may hold anything, parentheses included.
            fields = _read(proc, f"{name}/stat").rpartition(b")")[2].split()
            tasks += int(fields[17])
            pages += int(fields[21])
            held = _memory_files(proc, name) if fields[0] != b"Z" else {}
            hidden = hidden or held is None
            files |= held or {}
    memory = pages * _PAGE + sum(files.values())
    return Totals(tasks=tasks, memory_bytes=memory, hidden=hidden)


def exact_bytes(proc: int, names: Iterable[str]) -> int:
    """Count memory with what is shared divided among those that share it; slower.

    What is mapped from a file on disk is not counted. A process whose maps may not be
    read counts with all its resident pages.
    """
    total = 0
    files: dict[tuple[int, int], int] = {}
    for name in names:
        with suppress(FileNotFoundError, ProcessLookupError):
            try:
                total += _own_bytes(_read(proc, f"{name}/smaps_rollup"))
            except PermissionError:
                total += int(_read(proc, f"{name}/stat").rpartition(b")")[2].split()[21]) * _PAGE
            files |= _memory_files(proc, name) or {}
    return total + sum(files.values())


def _own_bytes(rollup: bytes) -> int:
    kilobytes = 0
    for line in rollup.splitlines():
        if line.startswith((b"Pss_Anon:", b"Pss_Shmem:")):
            kilobytes += int(line.split()[1])
    return kilobytes * 1024


def _memory_files(proc: int, name: str) -> dict[tuple[int, int], int] | None:
    """The files in memory that a process holds open, and their bytes; None: not to be seen."""
    found = {}
    try:
        fds = os.open(f"{name}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
    except PermissionError:
        return None
    try:
        for fd in os.listdir(fds):
            with suppress(FileNotFoundError):
                if os.readlink(fd, dir_fd=fds).startswith(_MEMORY_FILES):
                    state = os.stat(fd, dir_fd=fds)
                    found[state.st_dev, state.st_ino] = state.st_blocks * 512
    except PermissionError:
        return None
    finally:
        os.close(fds)
    return found


def _read(proc: int, name: str) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(fd, "rb") as file:
        return file.read()


# --- where the processes are ----------------------------------------------------


class _Namespace:
    """The pid namespace of a command under bubblewrap, seen by its own /proc."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first = self._root = self._proc = -1

    def processes(self) -> tuple[int, list[str]]:
        """A descriptor of their directory, and their names in it.

        Raises:
            NotYet: the sandbox is not set up, or has ended.
            OSError: they cannot be seen.
        """
        if self._proc < 0:
            self._enter()
        try:
            return self._proc, [name for name in os.listdir(self._proc) if name.isdigit()]
        except (FileNotFoundError, ProcessLookupError):
            raise NotYet from None

    def _enter(self) -> None:
        self.close()
        try:
            with open(f"/proc/{self._pid}/task/{self._pid}/children", "rb") as file:
                children = file.read().split()
            if not children:
                raise NotYet
            first = int(children[0])
            self._first = os.pidfd_open(first)
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            self._root = os.open(f"/proc/{first}/root", flags)
            proc = os.open("proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        except (FileNotFoundError, ProcessLookupError):
            raise NotYet from None
        # Until bubblewrap has changed its root, this is the machine's own directory.
        if os.fstat(proc).st_dev == os.stat("/proc").st_dev or "1" not in os.listdir(proc):
            os.close(proc)
            raise NotYet
        self._proc = proc

    def filesystems_bytes(self) -> int:
        """What the sandbox's filesystems in memory hold."""
        total = 0
        for name in _MEMORY_TREES:
            fd = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=self._root)
            try:
                held = os.fstatvfs(fd)
            finally:
                os.close(fd)
            total += (held.f_blocks - held.f_bfree) * held.f_frsize
        return total

    def kill(self) -> None:
        """Kill the first process, and so all."""
        with suppress(OSError):
            if self._first >= 0:
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
                return
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it."""
        for fd in (self._first, self._root, self._proc):
            if fd >= 0:
                os.close(fd)
        self._first = self._root = self._proc = -1
