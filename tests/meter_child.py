"""Runs as a process of its own: counts bytes of a session until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sessionhelp import UNSAFE, on_file


async def main(folder: Path, bytes_max: int) -> None:
    """Say after each piece how much has been let through in all."""
    async with on_file(folder) as sessions:
        session = await sessions.create_session("one", UNSAFE)
        engine = await sessions.engine(await sessions.locate(session.id))
        meter = engine.workers.make._meter
        passed = 0
        while await meter.take(1000, bytes_max):
            passed += 1000
            os.write(1, f"{passed}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
