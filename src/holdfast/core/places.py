"""Places on the disk that no tool gets to, and those that are changed only when asked.

What is compared is the resolved path, never what the model wrote, and without
regard to case, Unicode form and characters that do not show (astrid#AW-6). The
tables are documented in docs/how-to/paths.md.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from itertools import pairwise

from holdfast.core.tools import Operation

SYSTEM_PLACES = (
    "/proc",
    "/sys",
    "/dev",
    "/boot",
    "/run/secrets",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/krb5.keytab",
    "/library/keychains",
)
"""Each with all that lies beneath it."""

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - compared with, never opened
"""Ordinary files beneath a forbidden place."""

SECRET_NAMES = frozenset(
    [".ssh", ".gnupg", ".password-store", ".netrc", ".git-credentials", ".pgpass"]
)
"""Forbidden in any folder, the workspace included, with all that lies beneath."""

SECRET_PAIRS = frozenset(
    [
        (".aws", "credentials"),
        (".kube", "config"),
        (".docker", "config.json"),
        (".config", "gcloud"),
        (".config", "gh"),
        ("share", "keyrings"),
        ("library", "keychains"),
    ]
)
"""Forbidden as two neighbouring names of a path."""

PROTECTED_NAMES = frozenset([".git", ".holdfast", "holdfast.toml"])
"""What runs with the user's rights later (`.git/hooks`, `.git/config`) or says what is
permitted (`holdfast.toml`): to change it is always asked about."""

_SYSTEM_HEADS = frozenset(["", *(place.split("/")[1] for place in SYSTEM_PLACES)])
_SECRET_ENDS = frozenset(last for _, last in SECRET_PAIRS)
SECRET_WORDS = SECRET_NAMES.union(*SECRET_PAIRS)
"""Every name that a secret place has in it."""

CHANGES = frozenset([Operation.WRITE, Operation.DELETE, Operation.EXECUTE])
"""Operations that a protected place is guarded against."""


@lru_cache(maxsize=1_024)  # a call is judged with every decision about it
def forbidden(real: str, operation: Operation, private: tuple[str, ...] = ()) -> str:
    """Return the entry that forbids a path for good, or "".

    Args:
        real: the resolved path, absolute.
        private: the installation's own files: stores, keys. Each covers itself,
            all beneath it and its companions (`<file>-wal`, `<file>.lock`).
    """
    deletes = operation is Operation.DELETE  # a folder goes with all that is in it
    path = whole = folded(real)
    if path.startswith("/private/"):  # where macOS keeps /etc and /var
        path = path.removeprefix("/private")
    parts = path.split("/")
    # What lies in a folder that no such place begins with need not be held against them all.
    if not parts[0] and (len(parts) == 1 or parts[1] in _SYSTEM_HEADS):
        place = _system(path, deletes=deletes)
        if place:
            return place
    if "." in path or " " in path:
        parts = [part.rstrip(". ") for part in parts]
    if not SECRET_NAMES.isdisjoint(parts):
        return next(part for part in parts if part in SECRET_NAMES)
    if not _SECRET_ENDS.isdisjoint(parts):
        for pair in pairwise(parts):
            if pair in SECRET_PAIRS:
                return "/".join(pair)
    for entry in _folded(private) if private else ():
        if _covers(entry, whole) or (deletes and _above(whole, entry)):
            return "the installation's own files"
    return ""


def _system(path: str, *, deletes: bool) -> str:
    """The system's own place that a folded path is or lies in, or ""."""
    if path == SHARED_MEMORY or path.startswith(SHARED_MEMORY + "/"):
        return ""
    for place in SYSTEM_PLACES:
        if path == place or _above(place, path) or (deletes and _above(path, place)):
            return place
    return ""


@lru_cache(maxsize=64)  # asked of the workspace, for every command
def near_private(real: str, private: tuple[str, ...]) -> bool:
    """Whether a path might be one of the installation's own files; `forbidden` decides."""
    path = folded(real)
    above = path.rstrip("/") + "/"
    return any(path.startswith(entry) or entry.startswith(above) for entry in _folded(private))


@lru_cache(maxsize=64)  # the installation's own files stay where they are
def _folded(private: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(folded(place) for place in private)


@lru_cache(maxsize=1_024)
def protected(inside: str, operation: Operation) -> str:
    """Return the name that makes changing a path in the workspace a question, or ""."""
    if operation not in CHANGES:
        return ""
    path = folded(inside)
    parts = path.split("/")
    if "." in path or " " in path:
        parts = [part.rstrip(". ") for part in parts]
    if PROTECTED_NAMES.isdisjoint(parts):
        return ""
    return next(part for part in parts if part in PROTECTED_NAMES)


def folded(path: str) -> str:
    """Return a path in the form in which two spellings of one place are equal."""
    if path.isascii():
        return path.lower()
    plain = "".join(char for char in path if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", plain.casefold())


def _covers(place: str, path: str) -> bool:
    """Whether a path is a file, lies beneath it, or is one of its companions."""
    return path.startswith(place) and (len(path) == len(place) or path[len(place)] in "/-.")


def _above(path: str, place: str) -> bool:
    return place.startswith(path.rstrip("/") + "/")
