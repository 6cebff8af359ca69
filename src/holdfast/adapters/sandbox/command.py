"""Command lines that run a program confined to a workspace.

Rules
- The workspace is the only place outside the sandbox that can be written to.
- System directories are readable; of the host's configuration only what
  programs need to start; no home directory, no other session's files.
- There is no network. Under bubblewrap a command may be `gated`: it then waits, with
  its standard input, until the runtime listens within its empty network, and is told
  of the proxy there. Nothing of the runtime's environment is inherited but a few
  harmless settings.
- The interpreter that runs Holdfast works inside. Under bubblewrap it is
  read-only even where it lies in the workspace, since it runs again outside;
  Landlock cannot take back a part of what it permits.
- The program dies with the runtime.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.adapters.sandbox import launcher
from holdfast.adapters.sandbox.door import DOOR_PORT
from holdfast.adapters.sandbox.etc import Copied, Showing
from holdfast.adapters.sandbox.processes import MARKER, marker_value
from holdfast.adapters.sandbox.status import (
    SandboxKind,
    SandboxStatus,
    bubblewrap_flags,
    detect,
)
from holdfast.core.errors import InvalidInput

ETC = "/etc"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
_ETC = (  # only what programs fail without
    "alternatives", "group", "ld.so.cache", "localtime", "nsswitch.conf", "os-release",
    "passwd", "pki/tls/certs", "services", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_copied = Copied(_ETC, ETC)
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_INHERITED = ("LANG", "LANGUAGE", "TERM", "TZ")
_TMP = "/tmp"  # noqa: S108 - inside the sandbox, where it is private
_TMP_BYTES_MAX = 1024**3
_TOTAL_BYTES_MAX = 8 * 1024**3
_PROXY = f"http://127.0.0.1:{DOOR_PORT}"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_LOCAL = "localhost,127.0.0.1,::1"
_LINKS_MAX = 10


def _half_of_memory() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(_TOTAL_BYTES_MAX, physical // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of a command.

    Args:
        memory_bytes: private writable memory of each process.
        file_bytes: largest file each can write.
        processes: processes and threads of all the command under bubblewrap, counted by
            `totals.Watch`; in every tier the kernel holds an ordinary user to it, all
            the user's processes counted, but never root.
        open_files: descriptors of each process.
        total_bytes: memory of all the command under bubblewrap, counted by
            `totals.Watch`; default half of the machine's, and no more than 8 GiB.
    """

    memory_bytes: int = 4 * 1024**3
    file_bytes: int = 2 * 1024**3
    processes: int = 4_096
    open_files: int = 4_096
    total_bytes: int = field(default_factory=_half_of_memory)

    def by_name(self) -> dict[str, int]:
        """Return them by the kernel's names."""
        return {
            "CORE": 0,
            "DATA": self.memory_bytes,
            "FSIZE": self.file_bytes,
            "NPROC": self.processes,
            "NOFILE": self.open_files,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """What to start, and what to clear away afterwards (`close`).

    Start it with `cwd` and exactly `env`, in a new session, from a thread that
    lives as long as the runtime: it dies when the thread that started it ends.
    One that is `gated` begins once it is sent a line on its standard input; start it
    with what `telling` returns.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    kind: SandboxKind
    scratch: tuple[str, ...] = field(default=())
    gated: bool = False
    shown: Showing | None = field(default=None, compare=False)

    def telling(self, fd: int) -> tuple[str, ...]:
        """The command line that tells its first process as JSON, `child-pid`, early.

        Args:
            fd: a descriptor to be handed down, where it is written.
        """
        return (self.argv[0], "--info-fd", str(fd), *self.argv[1:])

    def close(self) -> None:
        """Delete the private directories; harmless when they are gone."""
        if self.shown is not None:
            self.shown.close()
        for path in self.scratch:
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every tier is asked for."""

    argv: tuple[str, ...]
    workspace: str
    env: dict[str, str]
    readable: list[str]
    limits: Limits
    read_only: bool
    gated: bool


def command_line(
    argv: Sequence[str],
    workspace: str,
    status: SandboxStatus,
    *,
    effect_id: str,
    read_only: bool = False,
    extra_env: Mapping[str, str] | None = None,
    extra_read: Sequence[str] = (),
    limits: Limits | None = None,
    gated: bool = False,
) -> CommandLine:
    """Return how to run a program in a workspace under the given tier.

    Args:
        argv: the program and its arguments.
        workspace: absolute path of the directory it may write to.
        status: the tier, from `detect`.
        effect_id: marks every process, so that leftovers can be found.
        read_only: the workspace cannot be written to either.
        extra_env: variables on top of the allow-list.
        extra_read: further absolute paths it may read.
        limits: resource limits.
        gated: it is let into a network; only bubblewrap has one of its own.

    Raises:
        InvalidInput: the workspace is the root directory, not absolute, or the
            effect id cannot mark a process.
    """
    workspace = os.path.realpath(workspace)
    if workspace == "/":
        raise InvalidInput("the root directory cannot be a workspace for commands")
    plan = _Plan(
        argv=tuple(argv),
        workspace=workspace,
        env={**_environment(), **(extra_env or {}), MARKER: marker_value(effect_id)},
        readable=_readable(extra_read),
        limits=limits or Limits(),
        read_only=read_only,
        gated=gated and status.kind is SandboxKind.BUBBLEWRAP,
    )
    if status.kind is SandboxKind.BUBBLEWRAP:
        return _in_bubblewrap(plan, status)
    return _in_launcher(plan, status)


def ready() -> SandboxStatus:
    """Return what `detect` finds, with what a command line needs made; call it from a thread."""
    found = detect()
    if found.kind is SandboxKind.BUBBLEWRAP:
        _copied.directory()
    return found


def _environment() -> dict[str, str]:
    """Return the variables a command may know."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    env |= {name: value for name, value in os.environ.items() if name.startswith("LC_")}
    own = [f"{prefix}/bin" for prefix in _prefixes()]
    path = [*own, *os.environ.get("PATH", os.defpath).split(":"), "/usr/bin", "/bin"]
    env["PATH"] = ":".join(dict.fromkeys(entry for entry in path if entry.startswith("/")))
    return env


def _prefixes() -> list[str]:
    """Return the directories of the running interpreter, its environment first.

    An environment's `python` may reach the real one over several links, each
    of which must be there inside as well. What holds the home directory is
    never one of them.
    """
    found = [sys.prefix, sys.base_prefix]
    program = sys.executable
    for _ in range(_LINKS_MAX):
        found.append(os.path.dirname(os.path.dirname(program)))
        if not os.path.islink(program):
            break
        program = os.path.join(os.path.dirname(program), os.readlink(program))
    found += [os.path.realpath(prefix) for prefix in found]
    home = os.path.expanduser("~") + "/"
    normal = (os.path.normpath(prefix) for prefix in found)
    return [path for path in dict.fromkeys(normal) if not home.startswith(path.rstrip("/") + "/")]


def _readable(extra: Sequence[str]) -> list[str]:
    """Return the trees and files outside the workspace that may be read."""
    found = [*_SYSTEM, *(f"{ETC}/{name}" for name in _ETC)]
    found += [path for path in _prefixes() if not path.startswith("/usr/") and path != "/usr"]
    return list(dict.fromkeys([*found, *extra]))


# --- bubblewrap -----------------------------------------------------------------


def _in_bubblewrap(plan: _Plan, status: SandboxStatus) -> CommandLine:
    line = [status.program, *bubblewrap_flags(status.features)]
    line += ["--proc", "/proc", "--dev", "/dev"]
    if "size" in status.features:
        line += ["--size", str(_TMP_BYTES_MAX)]
    line += ["--tmpfs", _TMP, "--dir", f"{_TMP}/home"]
    mounts, shown = _mounts(plan)
    sources = {} if shown is None else {ETC: shown.directory}
    # Parents first, so that what lies inside something else is mounted over it.
    for path in sorted(mounts):
        if path not in sources and _is_link_into_usr(path):
            line += ["--symlink", os.readlink(path), path]
        elif os.path.lexists(path):
            line += [mounts[path], sources.get(path, path), path]
    # Root owns the kernel's settings, and needs no capability to write what it owns.
    line += ["--remount-ro", "/proc"]
    # Else the root itself, which is private memory, would seem to take what is lost later.
    line += ["--remount-ro", "/", "--chdir", plan.workspace, "--as-pid-1", "--"]
    line += ["/bin/sh", "-c", _within(plan), "sh", *plan.argv]
    # The environment is handed down, not listed, since everybody can read a command line.
    # bubblewrap itself thereby carries the marker too and is found as a leftover.
    inside = {**plan.env, "HOME": f"{_TMP}/home", "TMPDIR": _TMP}
    if plan.gated:
        inside |= dict.fromkeys(_PROXIES, _PROXY) | {"no_proxy": _LOCAL, "NO_PROXY": _LOCAL}
    return CommandLine(
        argv=tuple(line),
        env=inside,
        cwd="/",
        kind=SandboxKind.BUBBLEWRAP,
        gated=plan.gated,
        shown=shown,
    )


def _mounts(plan: _Plan) -> tuple[dict[str, str], Showing | None]:
    """What is mounted how, and the copy that is mounted as the configuration."""
    mounts = dict.fromkeys(plan.readable, "--ro-bind-try")
    mounts[plan.workspace] = "--ro-bind" if plan.read_only else "--bind"
    own = {f"{ETC}/{name}" for name in _ETC} - {plan.workspace}
    others = any(path == ETC or path.startswith(f"{ETC}/") for path in mounts.keys() - own)
    # What lies in it besides could not be mounted into a copy that cannot be written to.
    shown = None if others else _copied.show()
    if shown is not None:
        mounts = {path: how for path, how in mounts.items() if path not in own}
        mounts[ETC] = "--ro-bind"
    if not plan.read_only:
        # Other commands are shown them, and some may be over before this one begins.
        mounts |= dict.fromkeys(_copied.within(plan.workspace), "--ro-bind-try")
    return mounts, shown


def _is_link_into_usr(path: str) -> bool:
    """Whether a system path is a link that leads to the same place inside."""
    if not (path in _SYSTEM or path.startswith(f"{ETC}/")) or not os.path.islink(path):
        return False
    return f"{os.path.realpath(path)}/".startswith("/usr/")


def _within(plan: _Plan) -> str:
    """Return the shell text that runs its arguments, once it may where that is asked for."""
    waits = "read -r _go || exit 126; exec 0</dev/null; " if plan.gated else ""
    return waits + _with_limits(plan.limits)


def _with_limits(limits: Limits) -> str:
    """Return a shell text that sets the limits and runs its arguments.

    The shell is the first process of the pid namespace: when it ends, all
    inside end, and bubblewrap reaps it. Were bubblewrap's own first process
    used, each call would leave one for the host's init to reap. A limit that
    is lower already stays; `-u` is bash's and `-p` dash's name of the same.
    """
    kilobytes, blocks = limits.memory_bytes // 1024, limits.file_bytes // 512
    return (
        # What the shell itself says (such as "Killed") is not the command's output.
        "exec 3>&2 2>/dev/null; ulimit -c 0; "
        f"ulimit -d {kilobytes}; ulimit -f {blocks}; ulimit -n {limits.open_files}; "
        f"ulimit -u {limits.processes} || ulimit -p {limits.processes}; "
        '(exec "$@") 2>&3 3>&-; exit $?'
    )


# --- the launcher ---------------------------------------------------------------


def _in_launcher(plan: _Plan, status: SandboxStatus) -> CommandLine:
    scratch = tempfile.mkdtemp(prefix="holdfast-")
    home = f"{scratch}/home"
    os.mkdir(home, 0o700)
    devices = [f"/dev/{name}" for name in _DEVICES]
    writable = [scratch, *devices] + ([] if plan.read_only else [plan.workspace])
    settings = {
        "runtime": os.getpid(),
        "limits": plan.limits.by_name(),
        "landlock": status.kind is SandboxKind.LANDLOCK,
        "seccomp": status.kind is SandboxKind.LANDLOCK and status.seccomp,
        "readable": [*plan.readable, "/proc", plan.workspace],
        "writable": writable,
        "scratch": [scratch],
    }
    script = str(Path(launcher.__file__))
    line = (sys.executable, "-I", "-S", script, json.dumps(settings), *plan.argv)
    inside = {**plan.env, "HOME": home, "TMPDIR": scratch}
    return CommandLine(
        argv=line, env=inside, cwd=plan.workspace, kind=status.kind, scratch=(scratch,)
    )
