"""A grant of one use, a hundred sessions in each of four processes: exactly one uses it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened
from sessionhelp import run

PROCESSES = 4
SESSIONS = 100

WORKER = """
import asyncio, json, sys
from pathlib import Path
from grantshelp import config, ringing
from sessionhelp import on_file, tool

root, number, sessions_n, token = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]

def ring(tone: str = "") -> str:
    "Ring."
    with open(root / "rang", "a") as file:
        file.write(f"{number}\\n")
    return "rang"

async def main():
    async with on_file(root, ringing(), tool(ring, params=["tone"])) as sessions:
        made = [
            await sessions.create_session(f"p{number}-{n}", config(root / "ws"))
            for n in range(sessions_n)
        ]
        refused = 0
        if token:
            for one in made:
                await one.add_capability(token)
        print("ready", flush=True)
        sys.stdin.readline()
        answers = await asyncio.gather(*(one.generate("go") for one in made))
        print(json.dumps([one.text for one in answers]), flush=True)

asyncio.run(main())
"""


async def compete(root: Path, token: str = "") -> list[str]:
    """Start the processes, let all sessions go at once; returns all answers."""
    paths = [str(Path(__file__).parents[1]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, str(root), str(number), str(SESSIONS), token,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert b"ready\n" == await worker.stdout.readline()
        outputs = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
    assert [0] * PROCESSES == [worker.returncode for worker in workers]
    return [text for said, _ in outputs for text in json.loads(said)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["workspace", "capability"])
def test_a_single_use_is_claimed_once(tmp_path: Path, kind: str) -> None:
    """100 sessions × 4 processes on one use: one call runs, all turns end (T-14, IMP-13)."""

    async def work() -> None:
        bell, token = Bell(), ""
        async with opened(tmp_path, bell) as sessions:
            first = await sessions.create_session("first", config(folder(tmp_path)))
            if kind == "workspace":
                await first.grant_allowance("ring", "workspace", max_uses=1)
            else:
                token = await first.issue_capability("ring", expires_in_s=600)
        answers = await compete(tmp_path, token)
        assert ["done"] * (PROCESSES * SESSIONS) == answers
        assert 1 == len((tmp_path / "rang").read_text().splitlines())
        async with opened(tmp_path, bell) as sessions:
            assert (await sessions.audit_verify()).ok

    asyncio.run(asyncio.wait_for(work(), 240))


def test_uses_are_not_multiplied_by_sessions(tmp_path: Path) -> None:
    """Two uses for the workspace are two for all its sessions together (astrid#AW-33)."""

    async def work() -> None:
        bell = Bell()
        async with opened(tmp_path, bell) as sessions:
            made = [
                await sessions.create_session(f"s{n}", config(folder(tmp_path))) for n in range(6)
            ]
            await made[0].grant_allowance("ring", "workspace", max_uses=2)
            await asyncio.gather(*(one.generate("go") for one in made))
            assert 2 == len(bell.rang)

    run(work())
