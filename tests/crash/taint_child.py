"""Runs as a process of its own: is told a secret and hangs where the test wants it killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from contenthelp import CARD, EMAIL, quick
from holdfast.core.security import Zone
from holdfast.runtime.journal import Journal
from holdfast.testing.script import ScriptItem, call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import UNSAFE, on_file, tool


def fetch() -> str:
    """Read a card."""
    return f"card {CARD}"


async def live(folder: Path, where: str) -> None:
    """Be told an address, or read a card, and die right after it is durable."""
    script: list[ScriptItem] = [call("fetch"), say("never")]
    model = ScriptedModel(script, zone=Zone.PUBLIC)
    append = Journal.append
    wanted = b"Admitted" if where == "message" else b"EffectEnded"

    async def dying(self: Journal, events: object, **options: object) -> object:
        done = await append(self, events, **options)  # type: ignore[arg-type]  # as they came
        kinds = [type(event).__name__.encode() for event, _ in events]  # type: ignore[attr-defined]  # a list of events
        tools = [getattr(event, "effect", "tool") for event, _ in events]  # type: ignore[attr-defined]  # a list of events
        if any(kind == wanted and what == "tool" for kind, what in zip(kinds, tools, strict=True)):
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    Journal.append = dying  # type: ignore[method-assign,assignment]  # it dies within
    async with on_file(folder, model, tool(fetch), detectors=quick()) as sessions:
        session = await sessions.create_session("one", UNSAFE)
        await session.generate(f"mail {EMAIL}")
    raise AssertionError("it was to be killed")


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2]))
