"""Runs one command where nothing better than the kernel's own fences is at hand.

Run by path, `python -I -S launcher.py SETTINGS COMMAND…`; standard library only.

Two processes: the keeper and the command.
- The keeper is told when the runtime dies (PR_SET_PDEATHSIG; it fires when the
  *thread* that started the keeper ends), adopts every orphan below it
  (PR_SET_CHILD_SUBREAPER) and leaves only when all of them are gone. It is
  outside the fences, so the command cannot signal it where Landlock says so.
- The command dies with the keeper, gains no privileges, and is fenced as the
  settings say: limits, capabilities, Landlock, seccomp. What cannot be set up
  ends the command before it starts (exit code 126); it never runs with less.

What Landlock does not mediate stays open: names, sizes and command lines of
other things can be seen, and modes, owners and times of files that belong to
the same user can be changed anywhere. Below ABI 6 signals can be sent.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import struct
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

EXIT_NOT_SET_UP = 126
EXIT_NOT_FOUND = 127
GRACE_SECONDS = 0.2
KILL_SECONDS = 0.7

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SECUREBITS_NO_ROOT_LOCKED = 0x2F  # noroot, no setuid fixup, and both (and keep-caps) locked
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITY_COUNT = 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class SetupError(Exception):
    """A fence could not be put up."""


def prctl(option: int, value: int) -> None:
    """Set a process attribute; `OSError` when the kernel refuses."""
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")


def system_call(number: int, *arguments: int | ctypes._Pointer[Any] | bytes | None) -> int:
    """Make a system call; `OSError` when it fails."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result


# --- the command's fences -------------------------------------------------------


def set_limits(limits: dict[str, int]) -> None:
    """Lower the resource limits named (`CORE`, `DATA`, …); never raise one."""
    for name, wanted in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(which)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(which, (value, value))


def drop_capabilities() -> None:
    """Give up every capability, for root as well, for good."""
    if os.geteuid() == 0:
        with suppress(OSError):  # not ours to set inside some containers
            prctl(_PR_SET_SECUREBITS, _SECUREBITS_NO_ROOT_LOCKED)
        for capability in range(_CAPABILITY_COUNT):
            with suppress(OSError):  # EINVAL: past the last one this kernel knows
                prctl(_PR_CAPBSET_DROP, capability)
    header = struct.pack("<II", _CAPABILITY_VERSION_3, 0)
    none = struct.pack("<6I", 0, 0, 0, 0, 0, 0)
    if _libc.capset(header, none) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


# Landlock: https://docs.kernel.org/userspace-api/landlock.html
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK = 1 << 8, 1 << 9, 1 << 10, 1 << 11
_MAKE_SYM, _REFER, _TRUNCATE, _IOCTL_DEV = 1 << 12, 1 << 13, 1 << 14, 1 << 15
_FIRST_ABI = (1 << 13) - 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = (
    _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SOCK
    | _MAKE_FIFO
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract unix sockets and signals stay inside


def landlock_abi() -> int:
    """Return the version of Landlock this kernel offers; 0 for none."""
    try:
        return system_call(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    except OSError:
        return 0


def _handled(abi: int) -> int:
    handled = _FIRST_ABI
    handled |= _REFER if abi >= 2 else 0
    handled |= _TRUNCATE if abi >= 3 else 0
    return handled | (_IOCTL_DEV if abi >= 5 else 0)


def restrict_files(readable: list[str], writable: list[str]) -> None:
    """Leave only these trees (or single files) open, and no TCP, by Landlock."""
    abi = landlock_abi()
    if abi < 1:
        raise SetupError("this kernel has no Landlock")
    handled = _handled(abi)
    attributes = struct.pack("<Q", handled)
    if abi >= 4:
        attributes += struct.pack("<Q", _TCP)
    if abi >= 6:
        attributes += struct.pack("<Q", _SCOPES)
    ruleset = system_call(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    for path in readable:
        _allow(ruleset, path, _READ & handled)
    for path in writable:
        _allow(ruleset, path, (_READ | _WRITE) & handled)
    system_call(_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # what is not there needs no permission
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}"):
            access &= _OF_FILES
        system_call(_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("<Qi", access, fd), 0)
    finally:
        os.close(fd)


# seccomp. Numbers by machine; names as in the kernel's tables.
_GENERIC = {
    "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "quotactl": 60,
    "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
    "syslog": 116, "ptrace": 117, "reboot": 142, "swapon": 224, "swapoff": 225, "settimeofday": 170,
    "clock_settime": 112, "socket": 198, "connect": 203, "add_key": 217, "request_key": 218,
    "keyctl": 219, "clone": 220, "perf_event_open": 241, "name_to_handle_at": 264,
    "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
    "kcmp": 272, "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_X86_64 = {
    "umount2": 166, "mount": 165, "pivot_root": 155, "chroot": 161, "quotactl": 179,
    "acct": 163, "unshare": 272, "kexec_load": 246, "init_module": 175, "delete_module": 176,
    "syslog": 103, "ptrace": 101, "reboot": 169, "swapon": 167, "swapoff": 168, "settimeofday": 164,
    "clock_settime": 227, "socket": 41, "connect": 42, "add_key": 248, "request_key": 249,
    "keyctl": 250, "clone": 56, "perf_event_open": 298, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311,
    "kcmp": 312, "finit_module": 313, "bpf": 321, "userfaultfd": 323, "kexec_file_load": 320,
    "iopl": 172, "ioperm": 173, "modify_ldt": 154,
}  # fmt: skip
# From 424 on the numbers are the same everywhere.
_COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "clone3": 435, "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443,
    "open_tree_attr": 467,
}  # fmt: skip
_MACHINES = {
    "x86_64": (0xC000003E, _X86_64 | _COMMON),
    "aarch64": (0xC00000B7, _GENERIC | _COMMON),
}
_MAY_BE_LOOKED_AT = {"socket", "clone", "clone3"}
_X32_BIT = 0x40000000
_CLONE_NEWUSER = 0x10000000
_AF_UNIX = 1
_EPERM, _EACCES, _ENOSYS = 1, 13, 38
_RET_ALLOW, _RET_ERRNO, _RET_KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]


def seccomp_supported() -> bool:
    """Say whether the filter is known for this machine."""
    return os.uname().machine in _MACHINES and sys.maxsize > 2**32


def seccomp_program(machine: str) -> list[Instruction]:
    """Return the filter: a list of (code, jump if true, jump if false, value).

    Denied are sockets other than unix ones, connecting (Landlock does not
    mediate unix sockets by path, and behind one of those may be a daemon that
    runs things outside), tracing, mounting, other namespaces, kernel keys,
    programs and modules, and io_uring, which would pass under this filter.
    """
    arch, numbers = _MACHINES[machine]
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _RET_KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":  # the x32 interface has other numbers for the same calls
        program += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _RET_ERRNO | _ENOSYS)]
    for name, number in numbers.items():
        if name not in _MAY_BE_LOOKED_AT:
            code = _EACCES if name == "connect" else _EPERM
            program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _RET_ERRNO | code)]
    # The C library falls back to clone, whose flags can be looked at.
    program += [(_JUMP_EQUAL, 0, 1, numbers["clone3"]), (_RETURN, 0, 0, _RET_ERRNO | _ENOSYS)]
    program += [
        (_JUMP_EQUAL, 0, 4, numbers["socket"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 1, 0, _AF_UNIX),
        (_RETURN, 0, 0, _RET_ERRNO | _EACCES),
        (_RETURN, 0, 0, _RET_ALLOW),
        (_JUMP_EQUAL, 0, 3, numbers["clone"]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_BITS, 0, 1, _CLONE_NEWUSER),
        (_RETURN, 0, 0, _RET_ERRNO | _EPERM),
        (_RETURN, 0, 0, _RET_ALLOW),
    ]
    return program


def restrict_calls() -> None:
    """Install the seccomp filter on this process and all it starts."""
    instructions = seccomp_program(os.uname().machine)
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HxxxxxxP", len(instructions), ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(program, len(program))
    zero = ctypes.c_ulong(0)
    mode = ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    if _libc.prctl(_PR_SET_SECCOMP, mode, pointer, zero, zero) != 0:
        code_number = ctypes.get_errno()
        raise OSError(code_number, f"seccomp: {os.strerror(code_number)}")


# --- the command ----------------------------------------------------------------


def run_command(settings: dict[str, Any], command: list[str], keeper: int) -> NoReturn:
    """Become the command, fenced in; never returns."""
    try:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            raise SetupError("the keeper has ended")
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        # Python ignores these two; what it starts should not.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        set_limits(settings["limits"])
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if settings["landlock"]:
            restrict_files(settings["readable"], settings["writable"])
            drop_capabilities()
        if settings["seccomp"]:
            restrict_calls()
    except (OSError, ValueError, SetupError) as error:
        _give_up(EXIT_NOT_SET_UP, f"the sandbox could not be set up: {error}")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the point
    except OSError as error:
        _give_up(EXIT_NOT_FOUND, f"{command[0]}: {error.strerror}")


def _give_up(code: int, message: str) -> NoReturn:
    os.write(2, f"holdfast: {message}\n".encode())
    os._exit(code)


# --- the keeper -----------------------------------------------------------------

_WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def keep(main_pid: int) -> int:
    """Wait for the command or for the order to stop; return the exit code."""
    while True:
        caught = signal.sigwaitinfo(_WATCHED)
        if caught.si_signo != signal.SIGCHLD:
            return stop(main_pid)
        for pid, status in _reaped():
            if pid == main_pid:
                return _exit_code(status)


def stop(main_pid: int) -> int:
    """Ask the command's processes to end; the rest is for `kill_all`."""
    for pid in descendants():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while (left := until - time.monotonic()) > 0 and descendants():
        signal.sigtimedwait({signal.SIGCHLD}, left)
        for pid, status in _reaped():
            if pid == main_pid:
                return _exit_code(status)
    return 128 + signal.SIGTERM


def kill_all() -> None:
    """Kill everything below this process and wait until it is gone."""
    until = time.monotonic() + KILL_SECONDS
    while (found := descendants()) and time.monotonic() < until:
        # First stopped, then killed: a process that forks cannot outrun us for long.
        for order in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, order)
        signal.sigtimedwait({signal.SIGCHLD}, 0.02)
        for _ in _reaped():
            pass


def _reaped() -> list[tuple[int, int]]:
    found = []
    with suppress(ChildProcessError):
        while (one := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(one)
    return found


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def descendants() -> set[int]:
    """Return all processes below this one; orphans are its own children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with (
                suppress(OSError, ValueError, IndexError),
                open(f"/proc/{name}/stat", "rb") as file,
            ):
                # The name in parentheses may hold anything, parentheses included.
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), []) if pid not in found]
        found.update(below)
        waiting.extend(below)
    return found


def main(arguments: list[str]) -> int:
    """Start the command and keep it; return its exit code."""
    settings: dict[str, Any] = json.loads(arguments[0])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # were it ignored, exit codes would be lost
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != settings["runtime"]:
        return EXIT_NOT_SET_UP  # the runtime was gone before it could be watched
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        run_command(settings, arguments[1:], keeper)
    # Only the command and its children hold the pipe, so its end means their end.
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    code = keep(pid)
    kill_all()
    for path in settings["scratch"]:
        shutil.rmtree(path, ignore_errors=True)
    return code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
