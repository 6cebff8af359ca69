"""What another process finds in memory after a wipe, by the way that words came in.

Each way is a process of its own (`tests/sealed_child.py`), whose writable memory is looked
through for the middle of each word while the session lives and after it was wiped.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import pick, report

from sealedhelp import alive, found_in, provider, secret_of

CHILD = Path(__file__).parents[1] / "tests" / "sealed_child.py"
COUNT = pick(100, 10)
WAYS = {
    "own": ("buffers that are overwritten", 0),
    "ask": ("sealed session, by buffers", 0),
    "say": ("sealed session, texts of the caller", None),
    "plain": ("ordinary session", None),
}


async def measure(way: str, url: str) -> None:
    """Live one session and print what was found."""
    what, bar = WAYS[way]
    secrets = [secret_of(number) for number in range(COUNT)]
    with tempfile.TemporaryDirectory() as folder:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            str(CHILD),
            folder,
            url,
            way,
            str(COUNT),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdin is not None and child.stdout is not None
        host = int((await child.stdout.readline()).split()[1])
        if way == "ask":  # the look finds what is there, and the manager's process has nothing
            inside = len(await asyncio.to_thread(found_in, host, secrets))
            report(f"memory: {what}, its host before the wipe", inside, f"of {COUNT}")
            before = len(await asyncio.to_thread(found_in, child.pid, secrets))
            name = f"memory: {what}, before the wipe"
            report(name, before, f"of {COUNT}", bar="0", ok=before == 0 and inside == COUNT)
        child.stdin.write(b"\n")
        assert await child.stdout.readline() == b"wiped\n"
        left = len(await asyncio.to_thread(found_in, child.pid, secrets))
        gone = host == 0 or not alive(host)
        name = f"memory: {what}, found after the wipe"
        if bar is None:
            report(name, left, f"of {COUNT}")
        else:
            report(name, left, f"of {COUNT}", bar=str(bar), ok=left <= bar and gone)
        child.stdin.write(b"\n")
        assert await child.wait() == 0


async def main() -> None:
    """Take each way's figures."""
    async with provider() as server:
        for way in WAYS:
            await measure(way, server.base_url)


if __name__ == "__main__":
    asyncio.run(main())
