"""What confinement this machine really offers, found by trying it."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import StrEnum

from holdfast.adapters.sandbox import launcher

PROBE_SECONDS = 5.0


class SandboxKind(StrEnum):
    """The tiers, best first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    NONE = "none"


_NETWORK = {
    SandboxKind.BUBBLEWRAP: "none but the hosts a session lists, through its proxy",
    SandboxKind.LANDLOCK: "none; a list of hosts cannot be offered without bubblewrap",
    SandboxKind.NONE: "not confined",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """What runs commands here, and why not something better.

    Args:
        kind: the tier.
        version: bubblewrap's version, or Landlock's ABI as text.
        reason: one line for a person.
        program: bubblewrap's path.
        abi: Landlock's ABI; 0 where there is none.
        seccomp: the call filter is known for this machine (used by `landlock`).
        features: what this bubblewrap can do (`disable-userns`, `size`).
    """

    kind: SandboxKind
    version: str = ""
    reason: str = ""
    program: str = ""
    abi: int = 0
    seccomp: bool = False
    features: frozenset[str] = frozenset()

    @property
    def confined(self) -> bool:
        """Whether commands are confined at all."""
        return self.kind is not SandboxKind.NONE

    @property
    def network(self) -> str:
        """What becomes of a session's list of hosts under this tier; for a person."""
        return _NETWORK[self.kind]


@functools.lru_cache(maxsize=8)
def detect(force: SandboxKind | None = None) -> SandboxStatus:
    """Return the best tier that works here; found once, then remembered.

    It runs a program, so an event loop calls it from a thread the first time.

    Args:
        force: answer as if nothing better than this tier existed. A tier that
            does not work here is never pretended: the next one is returned.
    """
    reasons = []
    if force in {None, SandboxKind.BUBBLEWRAP}:
        found = _bubblewrap()
        if found.kind is SandboxKind.BUBBLEWRAP:
            return found
        reasons.append(found.reason)
    if force is not SandboxKind.NONE:
        found = _landlock()
        if found.kind is SandboxKind.LANDLOCK:
            why = "; ".join([*reasons, found.reason])
            return SandboxStatus(
                kind=found.kind,
                version=found.version,
                reason=why,
                abi=found.abi,
                seccomp=found.seccomp,
            )
        reasons.append(found.reason)
    return SandboxStatus(kind=SandboxKind.NONE, reason="; ".join(reasons) or "switched off")


def status() -> SandboxStatus:
    """Return what `detect` found."""
    return detect()


def bubblewrap_flags(features: frozenset[str]) -> list[str]:
    """Return the flags that every use of bubblewrap has, the probe included."""
    flags = ["--unshare-user", "--unshare-all", "--die-with-parent", "--new-session"]
    flags += ["--cap-drop", "ALL"]
    if "disable-userns" in features:
        flags.append("--disable-userns")
    return flags


def _bubblewrap() -> SandboxStatus:
    program = shutil.which("bwrap")
    if program is None:
        return SandboxStatus(kind=SandboxKind.NONE, reason="bubblewrap is not installed")
    offered = frozenset(re.findall(r"--([a-z-]+)", _output([program, "--help"])))
    version = _output([program, "--version"]).split()[-1:]
    known = offered & {"disable-userns", "size"}
    for features in dict.fromkeys((known, known - {"disable-userns"})):
        trouble = _probe(program, features)
        if trouble is None:
            return SandboxStatus(
                kind=SandboxKind.BUBBLEWRAP,
                version="".join(version),
                reason="bubblewrap works",
                program=program,
                features=features,
            )
    return SandboxStatus(kind=SandboxKind.NONE, reason=f"bubblewrap does not work here ({trouble})")


def _probe(program: str, features: frozenset[str]) -> str | None:
    """Run `true` as every command will be run; return the trouble, if any."""
    with tempfile.TemporaryDirectory(prefix="holdfast-probe-") as made:
        directory = os.path.realpath(made)  # as workspaces are
        argv = [program, *bubblewrap_flags(features), "--ro-bind", "/", "/", "--proc", "/proc"]
        argv += ["--dev", "/dev", "--tmpfs", "/tmp", "--bind", directory, directory]  # noqa: S108 - a name inside the sandbox
        argv += ["--as-pid-1", "--", "/bin/sh", "-c", "true"]
        try:
            done = subprocess.run(
                argv,
                check=False,
                capture_output=True,
                timeout=PROBE_SECONDS,
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _landlock() -> SandboxStatus:
    abi = launcher.landlock_abi()
    if abi < 1:
        return SandboxStatus(kind=SandboxKind.NONE, reason="this kernel has no Landlock")
    seccomp = launcher.seccomp_supported()
    reason = f"Landlock ABI {abi}"
    if not seccomp:
        reason += f"; no call filter for {os.uname().machine}: "
        reason += "UDP and unix sockets are open" if abi >= 4 else "the network is open"
    return SandboxStatus(
        kind=SandboxKind.LANDLOCK, version=str(abi), reason=reason, abi=abi, seccomp=seccomp
    )
