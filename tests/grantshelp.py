"""What tests of allowances share: a tool that counts, and sessions that never wait for people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from holdfast.adapters.tools.function import FunctionTool
from holdfast.bootstrap import SessionManager
from holdfast.core.settings import ConfirmationPolicy
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.testing.script import Turn, call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, on_file, registry, tool

UNASKED = ConfirmationPolicy(enabled=False)
"""What would have to be asked is denied at once: a run always ends."""


class Bell:
    """A tool `ring` that must be asked for, and how often it ran."""

    def __init__(self) -> None:
        self.rang: list[str] = []

    def tool(self) -> FunctionTool:
        """The tool."""

        def ring(tone: str = "") -> str:
            """Ring."""
            self.rang.append(tone)
            return "rang"

        return tool(ring, params=["tone"])


def ringing(times: int = 1_000, tone: str = "a") -> ScriptedModel:
    """A model that rings once a turn."""
    return ScriptedModel([turn for _ in range(times) for turn in ring_once(tone)])


def ring_once(tone: str = "a") -> list[Turn]:
    """One turn: ring, then an answer."""
    return [call("ring", {"tone": tone}), say("done")]


def config(workspace: Path | str = "", **options: Any) -> SessionConfig:
    """A session in which nobody is asked."""
    return SessionConfig(workspace=str(workspace), confirmation_policy=UNASKED, **options)


def folder(root: Path, name: str = "ws") -> Path:
    """A workspace."""
    made = root / name
    made.mkdir(exist_ok=True)
    return made


@asynccontextmanager
async def ringer(
    bell: Bell, workspace: Path | str = "", **options: Any
) -> AsyncIterator[tuple[SessionManager, Session]]:
    """A manager in memory and its session `one`."""
    async with memory(ringing(), bell.tool(), **options) as sessions:
        yield sessions, await sessions.create_session("one", config(workspace))


def opened(root: Path, bell: Bell, **options: Any) -> SessionManager:
    """A manager on a file."""
    return on_file(root, ringing(), bell.tool(), **options)


async def rings(session: Session, bell: Bell) -> bool:
    """Whether the tool runs when the model calls it now."""
    before = len(bell.rang)
    await session.generate("go")
    return len(bell.rang) > before


__all__ = [
    "Bell",
    "config",
    "folder",
    "opened",
    "registry",
    "ring_once",
    "ringer",
    "ringing",
    "rings",
]
