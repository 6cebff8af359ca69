"""What runs in the processes of an approval: one asks and is killed, others answer and go on.

python approval_child.py ask|answer|go FOLDER
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from crash_child import note

from holdfast.bootstrap import SessionManager
from holdfast.core.commands import Answer
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import on_file, tool

SESSION = "one"


def manager(folder: Path, *turns: object) -> SessionManager:
    """The installation, with a tool that leaves a line for each time it ran."""

    def pay(n: str = "") -> str:
        """Pay once."""
        note(folder / "ledger.log", f"paid {n}")
        return "paid"

    return on_file(folder, ScriptedModel(list(turns)), tool(pay, params=["n"]))  # type: ignore[arg-type]  # turns of a script


async def ask(folder: Path) -> None:
    """Have a session ask, say so, and hang until the kill."""
    async with manager(folder, call("pay", {"n": "1"})) as sessions:
        session = await sessions.create_session(SESSION)
        async for event in session.stream("go"):
            if event.type == "confirmation_required":
                print("asked", flush=True)
                await asyncio.Event().wait()


async def answer(folder: Path) -> None:
    """Submit a yes from a process that leads nothing, and leave."""
    async with manager(folder) as sessions:
        waiting = (await sessions.list_approvals())[0]
        session = await sessions.get_session(waiting.session_id)
        command = Answer(question=waiting.question, decision="once", by="ann")
        await sessions.queue(session.where, command)
        print("answered", flush=True)
        os._exit(0)  # at once: whatever is owed now is for the next process


async def go(folder: Path) -> None:
    """Lead the session to the turn's end."""
    async with manager(folder, say("done")) as sessions:
        await sessions.resume_interrupted()
        session = await sessions.get_session(SESSION)
        while (await session.view()).turn is not None:
            await asyncio.sleep(0.02)
        print([message.text for message in await session.history()][-1], flush=True)


if __name__ == "__main__":
    work = {"ask": ask, "answer": answer, "go": go}[sys.argv[1]]
    asyncio.run(work(Path(sys.argv[2])))
