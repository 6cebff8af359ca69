"""Where the policy file is looked for, and whether what lies there can be trusted.

The first of: the argument, `$HOLDFAST_POLICY`, `holdfast.toml` beside the store,
`holdfast/holdfast.toml` in the configuration directory. Never in the current
directory, a workspace or a folder above one: what comes with a repository does not
configure the gate. A file that is there and cannot be used is refused, not skipped.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from holdfast.core.errors import PolicyFileRefused

VARIABLE = "HOLDFAST_POLICY"
NAME = "holdfast.toml"
BYTES_MAX = 1024 * 1024


class Origin(StrEnum):
    """How a policy file was found."""

    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    STORE = "store"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a policy file is."""

    path: Path
    origin: Origin

    def refused(self, problem: str, message: str) -> PolicyFileRefused:
        """An error that names it."""
        return PolicyFileRefused(message, file=str(self.path), problem=problem)


def config_path() -> Path:
    """`holdfast/holdfast.toml` below `$XDG_CONFIG_HOME`, else below `~/.config`."""
    config = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if os.path.isabs(config) else Path.home() / ".config"
    return base / "holdfast" / NAME


def candidates(given: str | os.PathLike[str] | None, store: Path | None) -> list[Place]:
    """Every place that is looked at, in order.

    Args:
        given: the argument; None to search.
        store: the store's file, if there is one.

    Raises:
        PolicyFileRefused: the environment names a relative path.
    """
    if given is not None:
        return [Place(Path(given).expanduser(), Origin.ARGUMENT)]
    named = os.environ.get(VARIABLE, "")
    if named:
        place = Place(Path(named).expanduser(), Origin.ENVIRONMENT)
        if not place.path.is_absolute():
            raise place.refused("missing", f"{VARIABLE} is an absolute path")
        return [place]
    beside = [] if store is None else [Place(store.absolute().parent / NAME, Origin.STORE)]
    return [*beside, Place(config_path(), Origin.CONFIG)]


def find(given: str | os.PathLike[str] | None, store: Path | None) -> Place | None:
    """Return where the policy file is, or None if there is none.

    Raises:
        PolicyFileRefused: one that was named is not there, or the one beside the
            store lies where a repository could have brought it.
    """
    for place in candidates(given, store):
        named = place.origin in (Origin.ARGUMENT, Origin.ENVIRONMENT)
        if named or os.path.lexists(place.path) or _hidden(place.path):
            if place.origin is Origin.STORE:
                check_workspace(place, os.getcwd(), inside=False)
            return place
    return None


def check_workspace(place: Place, workspace: str, *, inside: bool = True) -> None:
    """Refuse a file that was found beside the store, in a workspace or above it.

    Args:
        workspace: real path of the directory, or "".
        inside: also refuse one that lies deeper in the workspace.

    Raises:
        PolicyFileRefused: it lies there.
    """
    if place.origin is not Origin.STORE or not workspace:
        return
    folder, root = Path(os.path.realpath(place.path.parent)), Path(workspace)
    if root.is_relative_to(folder) or (inside and folder.is_relative_to(root)):
        raise place.refused(
            "in_workspace",
            "lies beside the store, but in a workspace: a repository could have brought it; "
            f"move it to {config_path()}, or name it (--policy, {VARIABLE})",
        )


def read(place: Place) -> str:
    """Read a policy file, if only its owner or root can have written it.

    Raises:
        PolicyFileRefused: it is not there, cannot be read, or others may write to it.
    """
    try:
        descriptor = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise place.refused("missing", "there is no such policy file") from None
    except OSError as error:
        raise place.refused("unreadable", f"cannot be read: {error.strerror}") from None
    try:
        _check_private(place, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(BYTES_MAX + 1)
        except OSError as error:
            raise place.refused("unreadable", f"cannot be read: {error.strerror}") from None
    if len(data) > BYTES_MAX:
        raise place.refused("unreadable", f"has more than {BYTES_MAX} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise place.refused("not_toml", "is not UTF-8") from None


def _check_private(place: Place, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise place.refused("unreadable", "is not a regular file")
    ours = (os.geteuid(), 0)
    if facts.st_uid not in ours:
        raise place.refused("not_private", "belongs to another user")
    if facts.st_mode & 0o022:
        raise place.refused("not_private", "others may write to it; use `chmod go-w`")
    folder = os.stat(os.path.dirname(os.path.realpath(place.path)))
    if folder.st_uid not in ours or (folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX):
        raise place.refused("not_private", "others may write to its folder; use `chmod go-w`")


def _hidden(path: Path) -> bool:
    """Whether it cannot even be told whether something is there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
