"""Runs as a process of its own: sessions that spend, together or until they are killed."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from budgethelp import PricedModel, answers
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.ports.model import ModelRequest
from holdfast.runtime.config import SessionConfig
from holdfast.testing.script import Turn, hang
from sessionhelp import on_file


def say(*words: object) -> None:
    """Write a line at once: a killed process flushes nothing."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def run_one(sessions: SessionManager, name: str) -> None:
    """One run that asks nobody: what is too dear is denied. Says what became of it."""
    session = await sessions.create_session(name, SessionConfig())
    run = asyncio.ensure_future(session.generate("go"))
    while not run.done():
        for question in await session.questions():
            await session.answer(question.id, "deny")
        await asyncio.wait({run}, timeout=0.02)
    try:
        run.result()
    except HoldfastError as error:
        say("refused", error.message)
    else:
        say("paid")


async def spend(folder: Path, prefix: str, runs: int) -> None:
    """Many runs at once."""
    async with on_file(folder, answers(30_000, most=40_000)) as sessions:
        await sessions.ready()
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(run_one(sessions, f"{prefix}{n}") for n in range(runs)))


async def hold(folder: Path) -> None:
    """Begin a call that never ends; say so once it has been sent."""

    def answer(request: ModelRequest) -> Turn:
        say("sent")
        return hang()

    async with on_file(folder, PricedModel(itertools.repeat(answer))) as sessions:
        session = await sessions.create_session("held", SessionConfig())
        await session.generate("go")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["spend", folder, prefix, runs]:
            asyncio.run(spend(Path(folder), prefix, int(runs)))
        case ["hold", folder]:
            asyncio.run(hold(Path(folder)))
        case other:
            sys.exit(f"no such mode: {other}")
