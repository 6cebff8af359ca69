"""What every side of the crash table shares: the protocol, the scripted model, the ledger.

A side is a script that is called as `<script> <do> <directory> [text]`, each time in a
process of its own, so that nothing but its durable store remembers:

    setup           make the session
    send TEXT       one turn; with BARRIER=NAME it waits for the file `go` first
    resume          the documented way to go on after a crash
    read            what is stored: prints HISTORY and a list of [role, text]

The outcome of `send` and `resume` is one line, OUTCOME and a JSON object.
Every request the model is given is a line of `requests.jsonl`: a list of [role, text], where
the roles are user, assistant, call, result (of a call) and error (a result marked as failed).
Imports nothing that is not in the standard library, so it runs in every environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

Entries = list[tuple[str, str]]
CHARGE = "charge 42"
NEXT = "what happened?"


def folder() -> Path:
    """The directory of this run."""
    return Path(sys.argv[2])


def note(path: Path, line: str) -> None:
    """Append a line that survives the process."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (line + "\n").encode())
        os.fsync(file)
    finally:
        os.close(file)


def effect(line: str) -> None:
    """The side effect: one durable line; in the process that is to crash, kill -9 right after."""
    note(folder() / "ledger", line)
    die_if_told()


def die_if_told() -> None:
    """End as a power cut ends a process, where CRASH=1 asks for it."""
    if os.environ.get("CRASH"):
        os.kill(os.getpid(), signal.SIGKILL)


def charge(amount: str) -> str:
    """Charge the customer."""
    effect(f"charge {amount}")
    return f"charged {amount}"


def think(entries: Entries) -> str | None:
    """What the scripted model does: None to call the tool, else what it says.

    It logs what it was shown, and takes as long as MODEL_S says: a real one takes longer.
    """
    note(folder() / "requests.jsonl", json.dumps([list(entry) for entry in entries]))
    last = [text for role, text in entries if role == "user"][-1]
    if last == CHARGE and entries[-1] == ("user", CHARGE):
        return None
    return f"re: {last}"


async def delay() -> None:
    """How long the model thinks."""
    await asyncio.sleep(float(os.environ.get("MODEL_S", "0")))


def barrier() -> None:
    """Say that this process is ready, and wait for the other one."""
    name = os.environ.get("BARRIER")
    if not name:
        return
    (folder() / f"ready-{name}").touch()
    while not (folder() / "go").exists():
        time.sleep(0.002)


def main(
    packages: tuple[str, ...],
    store: str,
    *,
    setup: Callable[[], Awaitable[None]],
    send: Callable[[str], Awaitable[str]],
    read: Callable[[], Awaitable[Entries]],
    resume: Callable[[], Awaitable[str]] | None = None,
) -> NoReturn:
    """Do what the command line says."""
    do = sys.argv[1]
    if do == "facts":
        versions = " ".join(f"{name} {version(name)}" for name in packages)
        print("FACTS " + json.dumps({"versions": versions, "store": store}))
    elif do == "setup":
        asyncio.run(setup())
    elif do == "read":
        print("HISTORY " + json.dumps([list(entry) for entry in asyncio.run(read())]))
    else:
        work = resume() if do == "resume" and resume else send(sys.argv[3])
        try:
            outcome = {"answer": asyncio.run(_awaited(work)), "error": ""}
        except Exception as error:  # what a caller is told is what is measured
            first = (str(error).strip() or "-").splitlines()[0]
            outcome = {"answer": "", "error": f"{type(error).__name__}: {first[:160]}"}
        print("OUTCOME " + json.dumps(outcome))
    sys.stdout.flush()
    os._exit(0)  # libraries' own threads and clean-up at exit are not what is measured


async def _awaited(work: Awaitable[str]) -> str:
    return await work
