"""Reading which branch and commit a workspace is at.

Rules
- The repository may be hostile: its configuration must not run anything. Git
  runs without system and user configuration, hooks, file system monitor and
  prompts, read-only, without network, in the sandbox where there is one.
- What lies outside the workspace is looked at only where it names the
  workspace back: a parent directory that is a repository, or the repository
  that a linked working tree belongs to.
- It takes two seconds at most and never raises: no answer is None.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
from contextlib import suppress

from holdfast.adapters.sandbox.command import command_line, ready
from holdfast.adapters.sandbox.processes import send
from holdfast.adapters.tools.finish import undisturbed
from holdfast.adapters.tools.output import Pump
from holdfast.core.errors import HoldfastError
from holdfast.core.gitstate import GitState

LIMIT_SECONDS = 2.0
_OUTPUT_BYTES_MAX = 4_096
_POINTER_BYTES_MAX = 4_096
_DRAIN_SECONDS = 0.5
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
}
_SWITCHES = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    # Who owns the directory does not matter: nothing in it is run.
    *("-c", "safe.directory=*"),
)


async def capture(workspace: str) -> GitState | None:
    """Return what the workspace's repository is at.

    Args:
        workspace: absolute path of a directory.

    Returns:
        None outside a repository, without git, and when it takes too long.
    """
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await _captured(workspace)
    except (TimeoutError, OSError, HoldfastError):
        return None


async def _captured(workspace: str) -> GitState | None:
    top = await asyncio.to_thread(_repository, workspace)
    if top is None:
        return None
    directory, extra = top
    if await asyncio.to_thread(shutil.which, "git") is None:
        return None
    branch = await _git(directory, extra, "symbolic-ref", "-q", "--short", "HEAD")
    commit = await _git(directory, extra, "rev-parse", "-q", "--verify", "HEAD^{commit}")
    found = commit if commit and _COMMIT.fullmatch(commit) else None
    if branch is None:  # no branch is checked out, or this is no repository after all
        return GitState("HEAD", found) if found else None
    return GitState(branch, found)


async def _git(directory: str, extra: tuple[str, ...], *arguments: str) -> str | None:
    """Run git; return its one line, or None when it had no answer."""
    line = command_line(
        ("git", *_SWITCHES, *arguments),
        directory,
        await asyncio.to_thread(ready),
        effect_id=f"git-{secrets.token_hex(8)}",
        read_only=True,
        extra_env=_ENV,
        extra_read=extra,
    )
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pump = Pump(reading, lambda _: None, _OUTPUT_BYTES_MAX)
    process = None
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *line.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(line.env),
                cwd=line.cwd,
                start_new_session=True,
            )
        finally:
            os.close(writing)
        code = await process.wait()
    finally:
        await undisturbed(lambda: _over(process, pump))
        line.close()
    text = pump.spool.read().decode("utf-8", "replace").strip()
    return text if code == 0 and text else None


async def _over(process: asyncio.subprocess.Process | None, pump: Pump) -> None:
    """See that git has ended and its output was taken."""
    try:
        if process is not None and process.returncode is None:
            # A keeper clears up when asked; bubblewrap takes all with it.
            send({process.pid}, signal.SIGTERM)
            await process.wait()
    finally:
        await pump.drained(_DRAIN_SECONDS)


def _repository(workspace: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the top of the repository and what else must be readable for it."""
    here = os.path.realpath(workspace)
    while True:
        marker = f"{here}/.git"
        if os.path.isdir(marker) and not os.path.islink(marker):
            return here, ()
        if os.path.isfile(marker):
            return _linked(here, marker)
        above = os.path.dirname(here)
        if above in {here, "/"}:
            return None
        here = above


def _linked(top: str, marker: str) -> tuple[str, tuple[str, ...]] | None:
    """Follow `.git` of a linked working tree, if its repository knows of it."""
    pointer = _line(marker)
    if pointer is None or not pointer.startswith("gitdir: "):
        return None
    directory = os.path.realpath(os.path.join(top, pointer.removeprefix("gitdir: ")))
    if directory.startswith(top + "/"):
        return top, ()
    back = _line(f"{directory}/gitdir")
    common = _line(f"{directory}/commondir")
    if back is None or common is None:
        return None
    if os.path.realpath(os.path.join(directory, back)) != os.path.realpath(marker):
        return None
    return top, (os.path.realpath(os.path.join(directory, common)),)


def _line(path: str) -> str | None:
    """Return the first line of a small file."""
    with suppress(OSError, UnicodeDecodeError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            return file.read(_POINTER_BYTES_MAX).decode().split("\n", 1)[0]
    return None
