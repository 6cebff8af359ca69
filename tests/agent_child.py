"""Runs as a process of its own: leads the session `one` and answers what it is told to ask.

Reads a line at a time: `say TEXT` prints the model's answer, or `! REASON`. The tool
`wait` goes on once there is a file `go` in the folder, and makes the file `waits` first.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from holdfast.core.errors import HoldfastError, SessionNotFound
from holdfast.core.tools import Nature
from sessionhelp import UNSAFE, on_file, tool


async def main(folder: Path) -> None:
    """Answer until the input ends."""

    async def wait() -> str:
        (folder / "waits").touch()
        while not (folder / "go").exists():
            await asyncio.sleep(0.01)
        return "gone"

    async with on_file(folder, None, tool(wait, nature=Nature.READ_ONLY)) as sessions:
        try:
            session = await sessions.get_session("one")
        except SessionNotFound:
            session = await sessions.create_session("one", UNSAFE)
        print("open", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            try:
                print((await session.generate(line.removeprefix("say "))).text, flush=True)
            except HoldfastError as error:
                print("!", error.reason, flush=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    asyncio.run(main(Path(sys.argv[1])))
