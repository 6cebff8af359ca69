"""Paths: what a model wrote becomes the one real path that is judged and opened.

- `~` is the home of whoever runs Holdfast; a home that is not known is refused.
- `..` and links are resolved as the system would, the links of every existing
  part followed; a tail that does not exist yet is appended (astrid#AW-7, AW-42).
- Relative paths start in the session's own workspace, links of its own path
  resolved (astrid#AW-8).
- Where names are found whatever their case or Unicode form, the stored name
  counts (astrid#AW-6).
- NUL, control characters, what is too long, loops of links and what may not be
  looked at are refused: they are outside and have no real path.
- Every text within a declared argument is a path, however deep in lists and
  objects (astrid#AW-11). An operation nobody declared is a write (astrid#AW-10).
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Protocol

from holdfast.core.actions import PathUse
from holdfast.core.tools import Nature, Operation, ToolSpec
from holdfast.ports.tool import Escape, Json

PATH_BYTES_MAX = 4_096
NAME_BYTES_MAX = 255
LINKS_MAX = 40
_HANDLE = re.compile(r"spill:[0-9a-f]+-[0-9]+\Z")


class Disk(Protocol):
    """What resolving asks of a file system."""

    def lstat(self, path: str) -> os.stat_result:
        """What is there, a link not followed; raises `OSError`."""
        ...

    def readlink(self, path: str) -> str:
        """Where a link points."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names in a folder, as they are stored."""
        ...


class SystemDisk:
    """The file system of this machine."""

    def lstat(self, path: str) -> os.stat_result:
        """What is there, a link not followed."""
        return os.lstat(path)

    def readlink(self, path: str) -> str:
        """Where a link points."""
        return os.readlink(path)

    def names(self, folder: str) -> list[str]:
        """The names in a folder, as they are stored."""
        return os.listdir(folder)


DISK = SystemDisk()


def resolve(path: str, start: str, disk: Disk = DISK) -> str:
    """Return the absolute path that the system would come to, or "" if it is refused.

    Args:
        path: as somebody wrote it.
        start: where relative ones start; absolute and resolved.
    """
    if malformed(path):
        return ""
    if path.startswith("~"):
        path = os.path.expanduser(path)
        if path.startswith("~"):  # nobody's home
            return ""
    here = "/" if path.startswith("/") else start
    try:
        real = _walk(path, here, disk)
        return real if len(os.fsencode(real)) < PATH_BYTES_MAX else ""
    except (OSError, UnicodeEncodeError):  # a loop, or nobody may look: it cannot be judged
        return ""


def _walk(path: str, here: str, disk: Disk) -> str:
    """Go along a path, one name at a time, and follow its links."""
    ahead = path.split("/")[::-1]
    links = 0
    while ahead:
        name = ahead.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            here = here.rpartition("/")[0] or "/"
            continue
        if len(os.fsencode(name)) > NAME_BYTES_MAX:
            raise OSError("a name is too long")
        there = f"{here.rstrip('/')}/{name}"
        try:
            found = disk.lstat(there)
        except (FileNotFoundError, NotADirectoryError):
            here = there
            continue
        if not stat.S_ISLNK(found.st_mode):
            here = f"{here.rstrip('/')}/{_stored(disk, here, name, found)}"
            continue
        links += 1
        if links > LINKS_MAX:
            raise OSError("too many links")
        target = disk.readlink(there)
        if target.startswith("/"):
            here = "/"
        ahead.extend(target.split("/")[::-1])
    return here


def _stored(disk: Disk, folder: str, name: str, found: os.stat_result) -> str:
    """Return a name as its folder keeps it.

    Only where another spelling finds the same file is the folder read.
    """
    if not any(_same(disk, f"{folder.rstrip('/')}/{other}", found) for other in _spellings(name)):
        return name
    names = disk.names(folder)
    if name in names:
        return name
    wanted = _plain(name)
    for one in sorted(names):
        if _plain(one) == wanted and _same(disk, f"{folder.rstrip('/')}/{one}", found):
            return one
    return name


def _spellings(name: str) -> set[str]:
    found = {name.swapcase()}
    if not name.isascii():
        found |= {unicodedata.normalize(form, name) for form in ("NFC", "NFD")}
    return found - {name}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _same(disk: Disk, path: str, found: os.stat_result) -> bool:
    try:
        other = disk.lstat(path)
    except OSError:  # there is no such name
        return False
    return (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino)


def malformed(path: str) -> bool:
    """Whether no system call is to see a path: control characters, too long, no text."""
    try:
        if len(os.fsencode(path)) >= PATH_BYTES_MAX:
            return True
    except UnicodeEncodeError:
        return True
    if path.isprintable():
        return False
    return any(unicodedata.category(char) == "Cc" for char in path)


def inside(real: str, workspace: str) -> str | None:
    """Return a resolved path relative to the resolved workspace, or None if outside."""
    if not real or not workspace:
        return None
    if real == workspace:
        return "."
    prefix = workspace.rstrip("/") + "/"
    return real[len(prefix) :] if real.startswith(prefix) else None


def path_uses(spec: ToolSpec, arguments: Mapping[str, Json], workspace: str) -> tuple[PathUse, ...]:
    """Return every path a call names, resolved; an argument left out counts by its default.

    Args:
        workspace: absolute path of an existing directory, or "" for none.
    """
    root = resolve(workspace, "/") if workspace else ""
    uses: list[PathUse] = []
    for param in spec.path_params:
        operation = operation_of(spec, param)
        head = param.partition(".")[0]
        value = arguments[head] if head in arguments else _default(spec.parameters, head)
        for given in _texts(value, param.split(".")[1:]):
            if operation is Operation.READ and _HANDLE.match(given):
                continue
            real = resolve(given, root) if root else ""
            uses.append(PathUse(given, inside(real, root), operation, real))
    return tuple(uses)


def operation_of(spec: ToolSpec, param: str) -> Operation:
    """What a tool does with an argument's path: as declared, else write.

    A read-only tool that declares nothing reads.
    """
    unsaid = Operation.READ if spec.nature is Nature.READ_ONLY else Operation.WRITE
    return dict(spec.path_operations).get(param, unsaid)


def _texts(value: Json, keys: list[str]) -> Iterator[str]:
    """Yield the texts at a dotted place; lists are entered, and objects where it ends."""
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, keys)
    elif isinstance(value, dict):
        if keys:
            yield from _texts(value.get(keys[0]), keys[1:])
        else:
            for item in value.values():
                yield from _texts(item, keys)
    elif isinstance(value, str) and not keys:
        yield value


@functools.lru_cache(maxsize=256)
def _default(parameters: str, name: str) -> Json:
    found = json.loads(parameters).get("properties", {}).get(name)
    return found.get("default") if isinstance(found, dict) else None


def judged(uses: tuple[PathUse, ...]) -> dict[str, str]:
    """The real path of each one given, for the tool that opens it."""
    return {use.given: use.real for use in uses if use.real}


def escapes(uses: tuple[PathUse, ...]) -> tuple[Escape, ...]:
    """What a judged call may open outside: its own paths, each for its operation.

    What lies beneath a folder that is read or listed belongs to it.
    """
    return tuple(
        Escape(
            path=use.real,
            operations=(use.operation,),
            subtree=use.operation in (Operation.READ, Operation.LIST),
        )
        for use in uses
        if use.inside is None and use.real
    )
