"""Places whose loss ends a system or a home, by their path alone."""

from __future__ import annotations

from collections.abc import Iterable

_GLOB = "*?["
ROOTS = frozenset((
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "opt", "proc", "root",
    "run", "sbin", "srv", "sys", "usr", "var", "users", "library", "system", "applications",
    "volumes", "private", "media", "mnt", "snap", "nix", "",
))  # fmt: skip
DEEP_ROOTS = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys",
              "/usr/bin", "/usr/lib", "/usr/sbin", "/usr/share", "/var/lib", "/var/log",
              "/system", "/library")  # fmt: skip


def vital(path: str) -> bool:
    """Whether a place is one whose removal ends a system or a home, or lies outside by `..`."""
    steps = path.casefold().split("/")
    if steps[0] == "..":
        return True
    if steps[0] == "~":
        return len(steps) == 1 or (len(steps) == 2 and any(c in steps[1] for c in _GLOB))
    if steps[0]:
        return False
    if len(steps) == 2:
        return steps[1] in ROOTS or any(char in steps[1] for char in _GLOB)
    if any(char in steps[1] for char in _GLOB):
        return True
    if len(steps) == 3 and steps[1] in ("home", "users"):
        return True
    if len(steps) == 3 and steps[1] in ROOTS and any(char in steps[2] for char in _GLOB):
        return True
    folded = path.casefold()
    return any(folded == root or folded.startswith(root + "/") for root in DEEP_ROOTS)


def within(path: str, folders: Iterable[str]) -> bool:
    """Whether a place is one of these or beneath one; a pattern stands for what it may match."""
    folded = path.casefold()
    cut = min((folded.find(char) for char in _GLOB if char in folded), default=-1)
    if cut >= 0:
        stem = folded[:cut]
        return stem.count("/") > 1 and any(one.startswith(stem) for one in folders)
    return any(folded == one or folded.startswith(one + "/") for one in folders)
